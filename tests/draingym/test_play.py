"""``draingym play``: an episode is the environment's own, and policies are those that act there."""

import json
import re

import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from draingym.commands.play import RANDOM, RULE, chosen, episode, find, play
from draingym.policies import Agent, BaseStock, EchelonBaseStock, save_policy
from draingym.simulator import InventoryEnv

QUIET = Console(quiet=True)


@pytest.mark.filterwarnings("ignore::draingym.policies.CutRequestsWarning")
def test_an_episode_is_that_of_reset_and_step():
    env = find("SingleStore", 4)
    policy, level = BaseStock(), jnp.float32(70.0)  # above what an action can request
    path, views = episode(env, policy, level, seed=3)
    stepped = InventoryEnv(env)
    agent = Agent(stepped, policy, level)
    view, over, rewards = stepped.reset(seed=3)[0], False, []
    while not over:
        view, reward, _, over, _ = stepped.step(agent(view))
        rewards.append(reward)
    assert path.transitions.reward == pytest.approx(rewards, rel=1e-5)
    assert path.transitions.ordered.max() == pytest.approx(30.0)
    assert views.shape == (4, 1)


def test_a_policy_of_another_network_and_an_id_of_nothing_are_refused(tmp_path):
    path = tmp_path / "two.npz"
    save_policy(path, EchelonBaseStock(parent=(-1, 0)), jnp.ones(2))
    env = find("draingym/SingleStore-v0", 4)
    with pytest.raises(ValueError, match=r"two.npz does not act on the network's 1 nodes"):
        chosen(env, str(path), QUIET)
    save_policy(path, BaseStock(), jnp.float32(12.0), env=find("LostSales", 4))
    with pytest.raises(ValueError, match=r"saved for draingym/LostSales-v0, must be for .*Single"):
        chosen(env, str(path), QUIET)
    assert chosen(env, str(path), QUIET, transfer=True)[:2] == ("two", BaseStock())
    with pytest.raises(
        ValueError, match=r"'Nowhere' is no file of a network .*must be one of Placement, "
    ):
        find("Nowhere", None)


@pytest.mark.slow
def test_a_page_has_the_policies_that_were_asked_for(tmp_path):
    path, out = tmp_path / "level.npz", tmp_path / "page.html"
    save_policy(path, BaseStock(), 12.0)
    figures = play(
        "SingleStore",
        policy=str(path),
        compare=RULE,
        out=out,
        horizon=8,
        seed=0,
        console=QUIET,
        show=False,
    )
    block = re.search(r'id="episodes">(.*?)</script>', out.read_text())
    shown = json.loads(block.group(1))
    assert shown["policies"] == list(figures["policies"]) == ["base stock, tuned", "level"]
    assert not figures["opened"]
    rewards = [sum(moves["reward"]) for moves in shown["moves"][0]]
    found = [one["reward"] for one in figures["policies"].values()]
    assert rewards == pytest.approx(found, abs=0.1)
    env = find("SingleStore", 8)
    name, policy, params = chosen(env, RANDOM, QUIET)
    path, _ = episode(env, policy, params, 0)
    assert name == RANDOM
    assert len(np.unique(path.transitions.ordered)) == 8

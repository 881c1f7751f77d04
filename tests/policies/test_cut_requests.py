"""Requests above an environment's largest action: cut, counted, said, and how to make room."""

import pickle
import warnings
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym import simulator
from draingym.policies import Agent, BaseStock, CutRequestsWarning, room_for
from draingym.simulator.adapters.functional import episode_key

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def store():
    """A store that may order 4 units at most, of a demand of about 5."""
    made = simulator.make("draingym/SingleStore-v0", horizon=12)
    return replace(made, max_action=np.array([4.0]))


def returned(store, level, *, to_numpy=True):
    """What a level earns in Gymnasium, and its agent."""
    env = simulator.InventoryEnv(store)
    agent = Agent(env, BaseStock(), jnp.float32(level))
    seen, _ = env.reset(seed=3)
    total, over = 0.0, False
    while not over:
        seen, reward, _, over, _ = env.step(agent(seen))
        total += reward
    return total, agent


def test_what_is_cut_is_said_with_its_share(store):
    agent = Agent(store, BaseStock(), jnp.float32(12.0))
    seen = simulator.InventoryEnv(store).reset(seed=3)[0]
    with pytest.warns(CutRequestsWarning, match=r"BaseStock requests more .*: 66.67% of its units"):
        agent(seen)  # an empty shelf: 12, of which 4
    assert agent.cut_share == pytest.approx(8 / 12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent(seen)  # the same share is said once


def test_an_agent_is_pickled_and_acts_alike(store):
    agent = Agent(store, BaseStock(), jnp.float32(3.0), seed=4)
    seen = simulator.InventoryEnv(store).reset(seed=3)[0]
    agent(seen)
    again = pickle.loads(pickle.dumps(agent))
    np.testing.assert_array_equal(again(seen), agent(seen))
    assert again.cut_share == agent.cut_share


def test_nothing_is_said_where_nothing_is_cut(store):
    _, agent = returned(replace(store, max_action=np.array([50.0])), 12.0)
    assert agent.cut_share == 0.0


def test_agents_on_a_device_count_and_say_it_too(store):
    env = simulator.InventoryVectorEnv(store, 3, to_numpy=False)
    agent = Agent(env, BaseStock(), jnp.float32(12.0))
    seen, _ = env.reset(seed=0)
    with pytest.warns(CutRequestsWarning, match="66.67%"):
        agent(seen)
    assert agent.cut_share == pytest.approx(2 / 3)


def test_room_is_made_for_the_policy_and_its_value_is_then_its_own(store):
    roomy = room_for(store, BaseStock(), jnp.float32(30.0), episodes=4, slack=1.5)
    assert roomy.max_action[0] == pytest.approx(45.0)  # the first order of an empty store is 30
    earned, agent = returned(roomy, 30.0)
    assert agent.cut_share == 0.0
    key = episode_key(np.uint32(3), 0)
    level = jnp.float32(30.0)
    moves = store.simulator.rollout(store.params, BaseStock(), level, store.sample(key)).transitions
    assert earned == pytest.approx(float(moves.reward.sum()), rel=1e-5)
    wide = replace(store, max_action=np.array([500.0]))
    assert room_for(wide, BaseStock(), level, episodes=2).max_action[0] == 500.0  # never less


@pytest.mark.filterwarnings("ignore::draingym.policies.acting.CutRequestsWarning")
def test_cutting_reverses_a_ranking_that_room_restores(store):
    """Of 14 and of 60 units the first is better, unless neither gets more than 4 a period."""
    levels = (14.0, 60.0)
    cut = [returned(store, level)[0] for level in levels]
    assert cut[0] == pytest.approx(cut[1])  # both order 4 all the time: no ranking is left
    roomy = room_for(store, BaseStock(), jnp.float32(60.0), episodes=4)
    own = [returned(roomy, level)[0] for level in levels]
    assert own[0] > own[1] + 100


def test_what_is_no_environment_is_refused():
    with pytest.raises(ValueError, match="env is a int, must be an environment of draingym"):
        room_for(3, BaseStock(), jnp.float32(1.0))
    with pytest.raises(ValueError, match="env is a int, must be an environment"):
        Agent(3, BaseStock(), jnp.float32(1.0))

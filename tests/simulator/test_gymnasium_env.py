"""The Gymnasium environment keeps every convention, and the simulator's numbers."""

import chex
import jax
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from simulator import InventoryEnv, observation_names, observe, single_store


def make(horizon=12, **store):
    simulator, params, sample = single_store(**store)
    return InventoryEnv(simulator, params, lambda key: sample(key, horizon), max_request=30.0)


def test_check_env_passes_without_a_warning():
    check_env(make(), skip_render_check=True)  # warnings are errors in this suite


def test_an_episode_is_truncated_at_the_horizon_and_then_refuses_to_step():
    env = make(horizon=3)
    env.reset(seed=0)
    ends = [env.step(np.array([0.5], np.float32))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(np.array([0.5], np.float32))


def test_stepping_before_reset_is_refused():
    with pytest.raises(RuntimeError, match="call reset"):
        make().step(np.array([0.5], np.float32))


def test_episodes_repeat_by_seed_and_units_are_conserved():
    env, runs = make(lead_time=1), []
    for _ in range(2):
        observation, _ = env.reset(seed=7)
        rewards, on_hand = [], observation[0]
        for _ in range(12):
            observation, reward, _, _, info = env.step(np.array([0.2], np.float32))
            assert observation[0] == pytest.approx(
                on_hand + info["stowed"][0] - info["outbound"][0]
            )
            on_hand = observation[0]
            rewards.append(reward)
        runs.append(rewards)
    assert runs[0] == runs[1]


def test_step_is_compiled_once():
    env = make()
    env.reset(seed=0)
    env._step = jax.jit(chex.assert_max_traces(env._step.__wrapped__, n=1))
    for _ in range(5):
        env.step(np.array([0.1], np.float32))


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.array([1.5], np.float32), r"entry 1.5, must be in \[0, 1\]"),
        (np.array([np.nan], np.float32), r"entry nan, must be in \[0, 1\]"),
        (np.array([0.1, 0.1], np.float32), r"shape \(2,\), must be \(1,\)"),
    ],
    ids=["above", "nan", "shape"],
)
def test_bad_actions_are_refused(action, message):
    env = make()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)


def test_every_observation_entry_has_a_name():
    simulator, params, sample = single_store(lead_time=2)
    scenario = sample(jax.random.key(0), 3)
    first = jax.tree.map(lambda leaf: leaf[0], scenario.series)
    names = observation_names(observe(params, simulator.reset(params, scenario), first))
    assert names[:4] == ("on_hand[0]", "pipeline[0][0]", "pipeline[1][0]", "waiting[0]")
    assert len(names) == make(lead_time=2).observation_space.shape[0]

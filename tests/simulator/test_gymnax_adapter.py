"""gymnax's signatures and semantics: jit, vmap, scan, auto-reset, spaces."""

import copy
import pickle
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.simulator import FunctionalEnv, GymnaxEnv, single_store
from draingym.simulator.adapters.functional import at


def problem(horizon=4, observation="box"):
    simulator, params, sample = single_store(lead_time=1)
    return FunctionalEnv(
        simulator=simulator,
        params=params,
        sample=partial(sample, periods=horizon),
        max_action=np.array([20.0]),
        observation=observation,
    )


ENV = GymnaxEnv(problem(), episodes=6)
PARAMS = ENV.default_params


def test_an_episode_is_one_of_those_drawn_and_is_stepped_by_the_simulator():
    observation, state = ENV.reset(jax.random.key(3), PARAMS)
    series = at(PARAMS.series, int(state.episode))
    simulator, core = ENV.functional.simulator, state.core
    for t in range(3):
        action = jnp.array([0.1 * t + 0.2])
        observation, state, reward, done, info = ENV.step(jax.random.key(t), state, action, PARAMS)
        core, transition = simulator.step(PARAMS.params, core, 20.0 * action, at(series, t))
        assert float(reward) == pytest.approx(float(transition.reward), rel=1e-5)
        assert not bool(done)
        np.testing.assert_allclose(observation[0], transition.on_hand[0], rtol=1e-5)
        np.testing.assert_array_equal(info["final_obs"], observation)


def test_the_end_returns_another_start_and_keeps_what_was_seen_last():
    _, state = ENV.reset(jax.random.key(0), PARAMS)
    for t in range(4):
        observation, state, _, done, info = ENV.step(
            jax.random.key(t), state, jnp.array([0.5]), PARAMS
        )
        assert bool(done) == (t == 3)
        assert bool(info["truncated"]) == (t == 3)
    assert int(state.time) == 0
    first, fresh = ENV.reset(jax.random.split(jax.random.key(3), 1)[0], PARAMS)
    np.testing.assert_array_equal(observation[:3], first[:3])  # empty shelves and pipeline
    assert float(info["final_obs"][0]) > 0.0
    assert float(info["discount"]) == 1.0  # truncation is no terminal state
    assert jax.tree.structure(fresh) == jax.tree.structure(state)


def test_vmap_and_scan_run_many_episodes_and_every_reset_lands_in_the_pool():
    def act(state, key):
        key_action, key_step = jax.random.split(key)
        actions = jax.vmap(ENV.action_space(PARAMS).sample)(jax.random.split(key_action, 8))
        keys = jax.random.split(key_step, 8)
        _, state, reward, done, _ = jax.vmap(ENV.step, in_axes=(0, 0, 0, None))(
            keys, state, actions, PARAMS
        )
        return state, (reward, done, state.episode)

    @jax.jit
    def run(key):
        key_reset, key_run = jax.random.split(key)
        _, state = jax.vmap(ENV.reset, in_axes=(0, None))(jax.random.split(key_reset, 8), PARAMS)
        return jax.lax.scan(act, state, jax.random.split(key_run, 12))[1]

    reward, done, episode = run(jax.random.key(0))
    assert reward.shape == (12, 8)
    assert np.isfinite(reward).all()
    np.testing.assert_array_equal(np.asarray(done).any(axis=1), np.arange(12) % 4 == 3)
    assert set(np.unique(episode)) <= set(range(6))
    assert len(np.unique(episode)) > 3


def test_a_shorter_limit_truncates_earlier():

    short = replace(PARAMS, max_steps_in_episode=jnp.int32(2))
    _, state = ENV.reset(jax.random.key(0), short)
    _, state, _, first, _ = ENV.step_env(jax.random.key(0), state, jnp.array([0.5]), short)
    _, state, _, second, _ = ENV.step_env(jax.random.key(0), state, jnp.array([0.5]), short)
    assert (bool(first), bool(second)) == (False, True)
    assert bool(ENV.is_terminal(state, short))
    assert float(ENV.discount(state, short)) == 0.0


def test_costs_are_swept_with_vmap():
    """Twice the cost of holding and of waiting is twice the cost, in the same episodes."""

    def cost(scale):
        params = jax.tree.map(lambda leaf: leaf, PARAMS.params)

        params = replace(
            params, holding_cost=scale * params.holding_cost, unmet_cost=scale * params.unmet_cost
        )
        swept = replace(PARAMS, params=params)
        _, state = ENV.reset(jax.random.key(1), swept)
        return ENV.step(jax.random.key(0), state, jnp.array([0.5]), swept)[2]

    one, two = jax.vmap(cost)(jnp.array([1.0, 2.0]))
    assert float(two) == pytest.approx(2 * float(one), rel=1e-6)
    assert float(one) < 0


@pytest.mark.parametrize("observation", ["box", "dict"])
def test_spaces_sample_what_they_contain(observation):
    env = GymnaxEnv(problem(observation=observation), episodes=1)
    params = env.default_params
    seen, state = env.reset(jax.random.key(0), params)
    space = env.observation_space(params)
    assert bool(space.contains(seen))
    sample = space.sample(jax.random.key(1))
    assert jax.tree.map(jnp.shape, sample) == jax.tree.map(jnp.shape, seen)
    actions = env.action_space(params)
    assert actions.shape == (env.num_actions,) == (1,)
    assert bool(actions.contains(actions.sample(jax.random.key(2))))
    assert not bool(actions.contains(jnp.array([1.5])))
    again = env.get_obs(state, params)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), again, seen))


def test_gradients_go_through_a_step():
    def reward(action):
        _, state = ENV.reset(jax.random.key(1), PARAMS)
        _, state, _, _, _ = ENV.step(jax.random.key(0), state, action, PARAMS)
        return ENV.step(jax.random.key(0), state, jnp.zeros(1), PARAMS)[2]

    # Empty shelves: what arrives in the second period serves who waits and saves 9 a unit.
    np.testing.assert_allclose(jax.grad(reward)(jnp.array([0.1])), [9.0 * 20.0], rtol=1e-5)


def test_six_values_take_the_end_apart():
    six = GymnaxEnv(problem(), episodes=6, step_values=6)
    _, state = six.reset(jax.random.key(0), PARAMS)
    _, same = ENV.reset(jax.random.key(0), PARAMS)
    for t in range(4):
        key, action = jax.random.key(t), jnp.array([0.5])
        alone = six.step_env(key, state, action, PARAMS)
        assert not alone[3]  # never terminated
        assert bool(six.is_truncated(alone[1], PARAMS)) == (t == 3)
        assert not six.is_terminated(alone[1], PARAMS)
        assert not six.is_terminal(alone[1], PARAMS)
        seen, state, reward, terminated, truncated, info = six.step(key, state, action, PARAMS)
        view, same, gain, done, infos = ENV.step(key, same, action, PARAMS)
        np.testing.assert_array_equal(seen, view)
        assert float(reward) == float(gain)
        assert (bool(terminated), bool(truncated)) == (False, bool(done))
        np.testing.assert_array_equal(info["final_observation"], infos["final_obs"])
    np.testing.assert_array_equal(six.observe(key, state, action, PARAMS), seen)
    assert PARAMS.replace(max_steps_in_episode=2).max_steps_in_episode == 2


def test_attributes_may_be_set_on_a_copy():
    """As gymnax's vector wrapper does, whose steps call neither by that name."""
    env = copy.deepcopy(ENV)
    env.reset = jax.jit(jax.vmap(env.reset, in_axes=(0, None)))
    env.step = jax.jit(jax.vmap(env.step, in_axes=(0, 0, 0, None)))
    keys = jax.random.split(jax.random.key(0), 3)
    _, state = env.reset(keys, PARAMS)
    seen, *_ = env.step(keys, state, jnp.full((3, 1), 0.5), PARAMS)
    assert seen.shape[0] == 3
    assert env.functional is ENV.functional
    assert ENV.reset(keys[0], PARAMS)[0].ndim == 1  # the copy's alone


def test_without_parameters_nothing_is_drawn_in_a_step(monkeypatch):
    env = GymnaxEnv(problem(), episodes=6)
    _, state = jax.jit(env.reset)(jax.random.key(0))
    monkeypatch.setattr(GymnaxEnv, "draw_params", None)
    with_params = env.step(jax.random.key(1), state, jnp.array([0.5]), PARAMS)
    without = jax.jit(env.step)(jax.random.key(1), state, jnp.array([0.5]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), without, with_params)
    assert pickle.loads(pickle.dumps(env)).functional is env.functional


def test_other_numbers_of_values_are_refused():
    with pytest.raises(ValueError, match=r"step_values is 7, must be in \[5, 6\]"):
        GymnaxEnv(problem(), step_values=7)


def test_no_episodes_are_refused():
    with pytest.raises(ValueError, match="episodes is 0, must be at least 1"):
        GymnaxEnv(problem(), episodes=0)

"""The Gymnasium environment keeps every convention, and the simulator's numbers."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from draingym.simulator import FunctionalEnv, InventoryEnv, Simulator, single_store
from draingym.simulator.adapters.functional import root_of


def problem(horizon=12, *, symmetric=False, observation="box", **store):
    simulator, params, sample = single_store(**store)
    return FunctionalEnv(
        simulator=simulator,
        params=params,
        sample=lambda key: sample(key, horizon),
        max_action=np.array([30.0]),
        symmetric_actions=symmetric,
        observation=observation,
    )


def make(horizon=12, **options):
    return InventoryEnv(problem(horizon, **options))


@pytest.mark.parametrize("options", [{}, {"symmetric": True, "observation": "dict"}])
def test_check_env_passes_without_a_warning(options):
    check_env(make(**options), skip_render_check=True)  # warnings are errors in this suite


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


def test_a_second_episode_differs_from_the_first_and_repeats_by_seed():
    env = make(horizon=4)

    def rewards(**seed):
        env.reset(**seed)
        return [env.step(np.array([0.2], np.float32))[1] for _ in range(4)]

    first, second = rewards(seed=3), rewards()
    assert first != second
    assert [first, second] == [rewards(seed=3), rewards()]


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
        (np.array([-0.1], np.float32), r"entry -0.1\d*, must be in \[0, 1\]"),
        (np.array([np.inf], np.float32), r"entry inf, must be in \[0, 1\]"),
        (np.array([np.nan], np.float32), r"entry nan at \(0,\), must be a number"),
        (np.array([0.1, 0.1], np.float32), r"shape \(2,\), must be \(1,\)"),
        (np.array([0.1j]), r"dtype complex128, must be a real number type"),
        (np.array(["a"]), r"dtype <U1, must be a real number type"),
        (None, r"dtype object, must be a real number type"),
    ],
    ids=["above", "below", "infinite", "nan", "shape", "complex", "text", "none"],
)
def test_bad_actions_are_refused(action, message):
    env = make()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="must be a whole number of at least 0"):
        root_of(seed)


def test_every_observation_entry_has_a_name():
    env = make(lead_time=2)
    names = env.observation_names
    assert names[:4] == ("on_hand[0]", "pipeline[0][0]", "pipeline[1][0]", "waiting[0]")
    assert len(names) == env.observation_space.shape[0]


def test_a_dictionary_holds_the_flat_vector():
    env = make(lead_time=2)
    flat, _ = env.reset(seed=1)
    fields, _ = make(lead_time=2, observation="dict").reset(seed=1)
    assert fields.keys() == {name.partition("[")[0] for name in env.observation_names}
    order = dict.fromkeys(name.partition("[")[0] for name in env.observation_names)
    np.testing.assert_array_equal(np.concatenate([fields[name].ravel() for name in order]), flat)


def test_symmetric_actions_span_the_same_requests():
    plain, symmetric = problem(), problem(symmetric=True)
    np.testing.assert_allclose(plain.scale(jnp.array([0.0, 0.25, 1.0])), [0.0, 7.5, 30.0])
    np.testing.assert_allclose(symmetric.scale(jnp.array([-1.0, -0.5, 1.0])), [0.0, 7.5, 30.0])


@pytest.mark.parametrize("symmetric", [False, True])
def test_out_of_bounds_is_clipped_and_nan_orders_nothing(symmetric):
    env = problem(symmetric=symmetric)
    actions = jnp.array([-3.0, 2.0, jnp.nan, jnp.inf, -jnp.inf])
    np.testing.assert_array_equal(env.scale(actions), [0.0, 30.0, 0.0, 30.0, 0.0])


def test_the_functional_step_has_the_simulators_gradient():
    """Two periods with backlog: one unit more on time saves what a unit short costs."""
    env = problem(horizon=2, lead_time=0, backlog=True)

    def total(action):
        _, state = env.reset(jax.random.key(0))
        reward = 0.0
        for _ in range(2):
            _, state, now, _, _ = env.step(jax.random.key(1), state, action)
            reward = reward + now
        return reward

    for action, slope in ((0.01, 9.0 * 30 * (1 + 2)), (0.9, -1.0 * 30 * (1 + 2))):
        np.testing.assert_allclose(jax.grad(total)(jnp.array([action])), [slope], rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_action": np.array([0.0])}, r"max_action\[0\] is 0.0, must be in \[1e-09, 1e\+09\]"),
        ({"max_action": np.float32(1.0)}, "must be a vector"),
        ({"max_action": np.array([np.nan])}, r"max_action\[0\] is nan, must be in"),
        ({"observation": "image"}, "observation is 'image', must be 'box' or 'dict'"),
    ],
    ids=["zero", "scalar", "nan", "observation"],
)
def test_bad_problems_are_refused(changes, message):
    simulator, params, sample = single_store()
    fields = {"max_action": np.ones(1), "observation": "box", **changes}
    with pytest.raises(ValueError, match=message):
        FunctionalEnv(
            simulator=simulator, params=params, sample=lambda key: sample(key, 3), **fields
        )


@pytest.mark.parametrize(
    ("mode", "message"),
    [("ascii", "must be None, 'human', 'rgb_array'"), ("rgb_array", "there is no painter")],
)
def test_what_cannot_be_rendered_says_so(mode, message):
    with pytest.raises(ValueError, match=message):
        InventoryEnv(problem(), render_mode=mode)


def test_a_simulator_that_terminates_ends_the_episode():
    class Closes(Simulator):
        """A store that closes when it has lost a customer."""

        def step(self, params, state, action, series):
            state, transition = Simulator.step(self, params, state, action, series)
            return state, replace(transition, terminated=jnp.sum(transition.lost) > 0)

    simulator, params, sample = single_store(backlog=False, lead_time=0)
    env = InventoryEnv(
        FunctionalEnv(
            simulator=Closes(kernel=simulator.kernel, dynamics=simulator.dynamics),
            params=params,
            sample=lambda key: sample(key, 9),
            max_action=np.array([100.0]),
        )
    )
    env.reset(seed=0)
    assert env.step(np.array([1.0], np.float32))[2:4] == (False, False)
    env.reset()
    assert env.step(np.array([0.0], np.float32))[2:4] == (True, False)
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(np.array([0.0], np.float32))

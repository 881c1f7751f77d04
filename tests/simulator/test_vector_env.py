"""The vector environment is Gymnasium's, step by step, in all three modes of autoreset."""

from dataclasses import replace

import chex
import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from packaging.version import Version

from draingym.simulator import (
    FunctionalEnv,
    InventoryEnv,
    InventoryVectorEnv,
    Simulator,
    single_store,
)

MODES = list(AutoresetMode)
SEEDS = [5, 11, 2, 7]


class Closes(Simulator):
    """A store that closes when it has sold more than 6 units in a period: at different times."""

    def step(self, params, state, action, series):
        state, transition = Simulator.step(self, params, state, action, series)
        return state, replace(transition, terminated=jnp.sum(transition.outbound) > 6.0)


def problem(horizon=5, *, closes=False, observation="box", lead_time=1):
    simulator, params, sample = single_store(backlog=False, lead_time=lead_time)
    if closes:
        simulator = Closes(kernel=simulator.kernel, dynamics=simulator.dynamics)
    return FunctionalEnv(
        simulator=simulator,
        params=params,
        sample=lambda key: sample(key, horizon),
        max_action=np.array([30.0]),
        observation=observation,
    )


# One object each, so that what is compiled for one test serves the others.
SHORT, CLOSES = problem(), problem(9, closes=True)
FIELDS = problem(observation="dict")


def same(ours, theirs):
    """Compare two results of reset or step: values up to rounding, structure exactly."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            same(ours[key], value)
    elif isinstance(theirs, np.ndarray) and theirs.dtype == object:
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    else:
        assert ours is None
        assert theirs is None


@pytest.mark.parametrize("functional", [SHORT, CLOSES], ids=["together", "one by one"])
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_it_does_what_gymnasiums_own_loop_does(mode, functional):
    ours = InventoryVectorEnv(functional, 4, autoreset_mode=mode, info=True)
    theirs = SyncVectorEnv([lambda: InventoryEnv(functional)] * 4, autoreset_mode=mode)
    rng, finished = np.random.default_rng(0), 0
    for a, b in zip(ours.reset(seed=SEEDS), theirs.reset(seed=SEEDS), strict=True):
        same(a, b)
    for _ in range(14):
        actions = rng.random((4, 1), dtype=np.float32) * np.float32(0.4)
        mine, other = ours.step(actions), theirs.step(actions)
        for a, b in zip(mine, other, strict=True):
            same(a, b)
        over = mine[2] | mine[3]
        finished += over.sum()
        if mode is AutoresetMode.DISABLED and over.any():
            mask = {"reset_mask": over}
            same(ours.reset(options=mask)[0], theirs.reset(options=dict(mask))[0])
    assert finished >= 5


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        # Periods of a three-period episode: reward counts, 'R' an observation of a new episode.
        (AutoresetMode.NEXT_STEP, "1 2 3T R 1 2 3T R"),
        (AutoresetMode.SAME_STEP, "1 2 3TR 1 2 3TR 1 2"),
    ],
    ids=lambda value: getattr(value, "value", ""),
)
def test_the_timeline_of_a_mode(mode, expected):
    env = InventoryVectorEnv(problem(3), 2, autoreset_mode=mode)
    env.reset(seed=0)
    period, words = 0, []
    for _ in range(8):
        observation, reward, _, truncated, info = env.step(np.full((2, 1), 0.1, np.float32))
        started = not observation[:, :3].any()  # empty shelves, nothing in transit
        period = 0 if (reward == 0).all() else period + 1
        word = (str(period) if period else "") + ("T" if truncated.all() else "")
        words.append(word + ("R" if started else ""))
        if mode is AutoresetMode.SAME_STEP:
            assert ("final_obs" in info) == bool(truncated.all())
            period = 0 if truncated.all() else period
    assert " ".join(words) == expected


def test_a_disabled_reset_is_demanded_by_name():
    env = InventoryVectorEnv(SHORT, 4, autoreset_mode="Disabled")
    env.reset(seed=0)
    for _ in range(5):
        *_, truncated, _ = env.step(np.zeros((4, 1), np.float32))
    assert truncated.all()
    env.reset(options={"reset_mask": np.array([True, False, True, True])})
    with pytest.raises(RuntimeError, match="sub-environment 1 has ended: reset it"):
        env.step(np.zeros((4, 1), np.float32))


def test_a_masked_reset_leaves_the_others_alone():
    env = InventoryVectorEnv(SHORT, 4)
    env.reset(seed=0)
    before, *_ = env.step(np.full((4, 1), 0.3, np.float32))
    mask = np.array([False, True, False, False])
    after, _ = env.reset(seed=[None, 9, None, None], options={"reset_mask": mask})
    np.testing.assert_array_equal(after[~mask], before[~mask])
    alone = InventoryEnv(SHORT)
    np.testing.assert_array_equal(after[1], alone.reset(seed=9)[0])
    stepped, *_ = env.step(np.full((4, 1), 0.3, np.float32))  # now in different periods
    np.testing.assert_allclose(stepped[1], alone.step(np.array([0.3], np.float32))[0], rtol=1e-6)


def test_more_resets_than_a_chunk_holds():
    env = InventoryVectorEnv(SHORT, 70)
    env.reset(seed=0)
    env.step(np.full((70, 1), 0.3, np.float32))
    mask = np.arange(70) != 3
    partly, _ = env.reset(seed=list(range(100, 170)), options={"reset_mask": mask})
    wholly, _ = InventoryVectorEnv(SHORT, 70).reset(seed=100)
    np.testing.assert_array_equal(partly[mask], wholly[mask])


def test_seeds_repeat_and_differ():
    env = InventoryVectorEnv(SHORT, 4)
    actions = np.full((4, 1), 0.2, np.float32)

    def play(seed):
        env.reset(seed=seed)
        return np.stack([env.step(actions)[1] for _ in range(12)])  # two resets on the way

    one = play(1)
    np.testing.assert_array_equal(one, play(1))
    np.testing.assert_array_equal(one, play([1, 2, 3, 4]))
    np.testing.assert_array_equal(play([4, 3, 2, 1]), one[:, ::-1])
    assert (play(50) != one).any(axis=0).all()
    assert len(np.unique(one[0])) == 4


def test_without_a_seed_two_environments_differ():
    played = []
    for _ in range(2):
        env = InventoryVectorEnv(SHORT, 4)
        env.reset()
        played.append(env.step(np.zeros((4, 1), np.float32))[1])
    assert (played[0] != played[1]).all()


def test_jax_arrays_stay_where_they_are():
    numpy, ours = InventoryVectorEnv(SHORT, 4), InventoryVectorEnv(SHORT, 4, to_numpy=False)
    observation, _ = ours.reset(seed=0)
    assert isinstance(observation, jax.Array)
    numpy.reset(seed=0)
    for _ in range(7):
        actions = np.full((4, 1), 0.2, np.float32)
        result, expected = ours.step(jnp.asarray(actions)), numpy.step(actions)
        for a, b in zip(result[:4], expected[:4], strict=True):
            assert isinstance(a, jax.Array)
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_jax_arrays_outlive_later_calls():
    env = InventoryVectorEnv(SHORT, 4, to_numpy=False, info=True)
    kept = [env.reset(seed=0)[0]]
    for t in range(3):
        observation, reward, *_, info = env.step(jnp.full((4, 1), 0.2))
        kept += [observation, reward, *info.values()]
        mask = np.arange(4) == t
        kept.append(env.reset(options={"reset_mask": mask})[0])
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in kept)


def test_arrays_are_fresh_and_may_be_changed():
    env = InventoryVectorEnv(SHORT, 4)
    first, _ = env.reset(seed=0)
    first[:] = 77.0
    second, reward, *_ = env.step(np.full((4, 1), 0.2, np.float32))
    reward[:] = 77.0
    kept = second.copy()
    env.step(np.full((4, 1), 0.2, np.float32))
    np.testing.assert_array_equal(second, kept)
    assert not (second == 77.0).any()


def test_dictionaries_are_batched():
    env = InventoryVectorEnv(FIELDS, 3, autoreset_mode="SameStep")
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    for _ in range(5):
        observation, *_, info = env.step(env.action_space.sample())
    assert observation["on_hand"].shape == (3, 1)
    assert info["final_obs"][2] in env.single_observation_space


def test_jax_arrays_are_what_the_wrappers_of_arrays_take():
    """Autoreset disabled, with masks of JAX; and what was seen last in an array, not in objects."""
    ours = InventoryVectorEnv(SHORT, 3, autoreset_mode="SameStep", to_numpy=False, info=True)
    theirs = InventoryVectorEnv(SHORT, 3, autoreset_mode="SameStep", info=True)
    disabled = InventoryVectorEnv(SHORT, 3, autoreset_mode="Disabled", to_numpy=False, info=True)
    for env in (ours, theirs, disabled):
        env.reset(seed=0)
    for _ in range(5):
        *_, infos = ours.step(jnp.full((3, 1), 0.2, jnp.float32))
        *_, expected = theirs.step(np.full((3, 1), 0.2, np.float32))
        *_, truncated, _ = disabled.step(jnp.full((3, 1), 0.2))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(infos))
    assert infos.keys() == expected.keys()
    np.testing.assert_array_equal(infos["final_obs"], np.stack(list(expected["final_obs"])))
    assert infos["_final_obs"].all()
    np.testing.assert_array_equal(np.from_dlpack(infos["final_obs"]), infos["final_obs"])
    _, infos = disabled.reset(options={"reset_mask": jnp.asarray(truncated)})
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(infos))
    disabled.step(jnp.full((3, 1), 0.2))


def test_attributes_of_each_trajectory_are_gymnasiums():
    ours = InventoryVectorEnv(SHORT, 3)
    theirs = SyncVectorEnv([lambda: InventoryEnv(SHORT)] * 3)
    for env in (ours, theirs):
        env.reset(seed=[4, 9, 2])
    assert len(ours) == 3
    assert ours.np_random_seed == theirs.np_random_seed == (4, 9, 2)
    assert ours.get_attr("np_random_seed") == (4, 9, 2)
    for mine, other in zip(ours.np_random, theirs.np_random, strict=True):
        assert mine.random() == other.random()
    for name in ("observation_space", "action_space", "functional", "observation_names", "spec"):
        assert ours.get_attr(name) == theirs.get_attr(name)
    assert ours.call("has_wrapper_attr", "functional") == (True, True, True)
    assert ours.call("render") == theirs.call("render") == (None, None, None)
    for values in (7, [1, 2, 3]):
        ours.set_attr("colour", values)
        theirs.set_attr("colour", values)
        assert ours.get_attr("colour") == theirs.get_attr("colour")


def test_seeds_that_nobody_chose_play_the_same_again():
    one, many = InventoryEnv(SHORT), InventoryVectorEnv(SHORT, 2)
    for env, action in ((one, np.zeros(1)), (many, np.zeros((2, 1)))):
        env.reset()
        seed, played = env.np_random_seed, env.step(action)[1]
        env.reset(seed=seed)
        np.testing.assert_array_equal(env.step(action)[1], played)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda env: env.get_attr("colour"), AttributeError, "colour"),
        (lambda env: env.call("step"), AttributeError, "trajectories move together"),
        (lambda env: env.set_attr("colour", [1, 2]), ValueError, "2 entries, must have 3"),
        (lambda env: env.set_attr("functional", 1), AttributeError, "'functional', must be an at"),
    ],
    ids=["unknown", "step", "few", "shared"],
)
def test_attributes_that_there_are_not(ask, error, message):
    with pytest.raises(error, match=message):
        ask(InventoryVectorEnv(SHORT, 3))


def test_out_of_bounds_is_clipped():
    played = []
    for high in (1.0, 5.0):
        env = InventoryVectorEnv(SHORT, 2)
        env.reset(seed=0)
        env.step(np.full((2, 1), high, np.float32))
        played.append(env.step(np.full((2, 1), -high + 1, np.float32))[0])
    np.testing.assert_array_equal(*played)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.array([[0.1], [np.nan]]), r"entry nan at \(1, 0\)"),
        (np.zeros((2,)), r"shape \(2,\), must be \(2, 1\)"),
        (np.zeros((3, 1)), r"shape \(3, 1\), must be \(2, 1\)"),
        (np.array([["a"], ["b"]]), "dtype <U1"),
        (jnp.zeros((2,)), r"shape \(2,\) and dtype float\d\d, must be \(2, 1\)"),
        (jnp.zeros((2, 1), bool), "must be .* and floating"),
    ],
    ids=["nan", "flat", "too many", "text", "jax shape", "jax dtype"],
)
def test_bad_actions_are_refused(actions, message):
    env = InventoryVectorEnv(SHORT, 2)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(actions)


def test_a_nan_on_the_device_orders_nothing():
    env = InventoryVectorEnv(SHORT, 2, info=True)
    env.reset(seed=0)
    observation, *_, info = env.step(jnp.array([[jnp.nan], [0.5]]))
    np.testing.assert_array_equal(info["ordered"], [[0.0], [15.0]])
    assert np.isfinite(observation).all()


@pytest.mark.parametrize(
    ("seed", "options", "error", "message"),
    [
        ([1, 2, 3], None, ValueError, "seed has 3 entries, must have 2"),
        ([1, -2], None, ValueError, "seed is -2, must be a whole number"),
        (None, {"reset_mask": [True, False]}, TypeError, "must be a NumPy or JAX array of bool"),
        (None, {"reset_mask": np.array([1, 0])}, TypeError, "must be a NumPy or JAX array of bool"),
        (None, {"reset_mask": jnp.array([1, 0])}, TypeError, "must be a NumPy or JAX array of "),
        (None, {"reset_mask": np.zeros(2, bool)}, ValueError, "0 true entries"),
        (None, {"reset_mask": np.ones(3, bool)}, ValueError, r"must have shape \(2,\)"),
        (None, {"reset_mask": np.array([True, False])}, ValueError, "everywhere at first"),
    ],
    ids=["few", "negative", "list", "ints", "jax ints", "none", "shape", "first"],
)
def test_bad_resets_are_refused(seed, options, error, message):
    with pytest.raises(error, match=message):
        InventoryVectorEnv(SHORT, 2).reset(seed=seed, options=options)


def test_bad_construction_is_refused():
    with pytest.raises(ValueError, match="num_envs is 0, must be at least 1"):
        InventoryVectorEnv(SHORT, 0)
    with pytest.raises(RuntimeError, match="call reset"):
        InventoryVectorEnv(SHORT, 2).step(np.zeros((2, 1), np.float32))
    with pytest.raises(ValueError, match="Never"):
        InventoryVectorEnv(SHORT, 2, autoreset_mode="Never")


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_statistics_count_episodes(mode):
    if mode is AutoresetMode.SAME_STEP and Version(gymnasium.__version__) < Version("1.4"):
        pytest.skip("Gymnasium's own statistics leave out the first step of such an episode")
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(
        InventoryVectorEnv(SHORT, 3, autoreset_mode=mode)
    )
    env.reset(seed=0)
    rewards, episodes = np.zeros(3), []
    for _ in range(12):
        _, reward, _, truncated, info = env.step(np.full((3, 1), 0.2, np.float32))
        rewards += reward
        if truncated.all():
            episodes.append(rewards.copy())
            rewards[:] = 0
            np.testing.assert_allclose(info["episode"]["r"], episodes[-1], rtol=1e-6)
            np.testing.assert_array_equal(info["episode"]["l"], [5, 5, 5])
    assert len(episodes) == 2


@pytest.mark.parametrize(
    "wrap",
    [
        gymnasium.wrappers.vector.NormalizeObservation,
        gymnasium.wrappers.vector.NormalizeReward,
        lambda env: gymnasium.wrappers.vector.RescaleAction(env, np.float32(-1), np.float32(1)),
        lambda env: gymnasium.wrappers.vector.ClipReward(env, -1.0, 1.0),
        gymnasium.wrappers.vector.FlattenObservation,
        gymnasium.wrappers.vector.DictInfoToList,
    ],
    ids=[
        "NormalizeObservation",
        "NormalizeReward",
        "RescaleAction",
        "ClipReward",
        "Flatten",
        "List",
    ],
)
def test_vector_wrappers(wrap):
    env = wrap(InventoryVectorEnv(SHORT, 3, info=True))
    observation, _ = env.reset(seed=0)
    for _ in range(7):
        observation, reward, *_ = env.step(env.action_space.sample())
        assert observation in env.observation_space
        assert np.isfinite(reward).all()
    env.close()


def test_step_is_compiled_once_together_and_once_apart():
    env = InventoryVectorEnv(problem(4), 3, autoreset_mode="Disabled")
    env._advance = jax.jit(chex.assert_max_traces(env._advance.__wrapped__, n=2))
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros((3, 1), np.float32))
    env.reset(options={"reset_mask": np.array([True, False, False])})
    for _ in range(1):
        env.step(np.zeros((3, 1), np.float32))

"""Every registered environment: Gymnasium's checks, vector checks, units conserved, pictures."""

import pickle
import pkgutil
import subprocess
import sys

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import draingym
from draingym import simulator
from draingym.envs import shipped
from draingym.envs.make import make_problem
from draingym.registration import CORE, ENVIRONMENTS, IDS, ZOO
from draingym.simulator import MOST_UNITS, InventoryVectorEnv
from tests.compilations import compiled_once
from tests.draingym.sizes import SMALL, US
from tests.simulator.worlds import observations

# One size for all, so that a problem's vector step is compiled once.
MANY = 16
# Orders per node have the kernels of the placements, which are tried each time.
every_id = pytest.mark.parametrize(
    "id", [pytest.param(id, marks=pytest.mark.slow) if "OrderPer" in id else id for id in SMALL]
)


def test_every_problem_is_registered_once():
    before = {id: gymnasium.spec(id) for id in IDS.values()}
    assert {spec.kwargs["problem"] for spec in before.values()} == ENVIRONMENTS.keys()
    draingym.registration.register_envs()  # a second time changes nothing
    assert all(gymnasium.spec(id) is spec for id, spec in before.items())


@every_id
@compiled_once()
def test_check_env_passes_without_a_warning(id):
    check_env(gymnasium.make(id, **SMALL[id]).unwrapped)  # renders in every mode too


def shapes(info):
    return {name: (value.shape, value.dtype) for name, value in info.items()}


@every_id
def test_an_info_holds_the_same_from_the_start(id):
    env = gymnasium.make(id, **SMALL[id])
    _, first = env.reset(seed=0)
    *_, later = env.step(env.action_space.sample())
    assert shapes(first) == shapes(later)
    assert len(first) == 6
    assert not any(value.any() for value in first.values())


@every_id
def test_what_a_user_holds_is_pickled_and_comes_back_equal(id):
    one = gymnasium.make(id, **SMALL[id])
    many = gymnasium.make_vec(id, num_envs=MANY, info=True, **SMALL[id])
    for env in (one, many):
        env.reset(seed=1)
        action = np.full(env.action_space.shape, 0.25, np.float32)
        env.step(action)
        again = pickle.loads(pickle.dumps(env))
        assert again.unwrapped.functional is env.unwrapped.functional
        assert again.spec == env.spec
        assert again.observation_space == env.observation_space
        for ours, theirs in zip(env.step(action)[:4], again.step(action)[:4], strict=True):
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(env.reset()[0], again.reset()[0])


@pytest.mark.parametrize("name", ZOO)
def test_problems_of_the_zoo_are_pickled(name):
    problem = make_problem(name, horizon=8)
    assert pickle.loads(pickle.dumps(problem)) is problem


def test_another_process_plays_what_was_pickled(tmp_path):
    env = gymnasium.make("draingym/SingleStore-v0", horizon=8)
    env.reset(seed=2)
    (tmp_path / "env").write_bytes(pickle.dumps(env))
    action = np.full(1, 0.25, np.float32)
    code = (
        "import pickle, sys, numpy as np\n"
        "env = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(env.step(np.full(1, 0.25, np.float32))[1])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "env")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(ran.stdout) == pytest.approx(env.step(action)[1], rel=1e-6)


@every_id
@compiled_once()
def test_a_vector_of_them(id):
    env = gymnasium.make_vec(id, num_envs=MANY, info=True, **SMALL[id])
    assert isinstance(env, InventoryVectorEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert env.spec.id == id
    env.action_space.seed(0)
    observation, first = env.reset(seed=0)
    for t in range(10):
        assert observation in env.observation_space
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert (reward.dtype, reward.shape) == (np.float64, (MANY,))
        assert (terminated.dtype, truncated.dtype) == (np.bool_, np.bool_)
        assert truncated.all() == (t == 7)
        assert not terminated.any()
        assert shapes(info) == shapes(first)
    assert len(env.observation_names) == env.single_observation_space.shape[0]
    env.close()


@every_id
def test_the_first_trajectory_is_the_single_environments(id):
    one = gymnasium.make(id, **SMALL[id])
    many = gymnasium.make_vec(id, num_envs=MANY, info=True, **SMALL[id])
    one.reset(seed=4)
    many.reset(seed=4)
    action = np.full(one.action_space.shape, 0.25, np.float32)
    for _ in range(3):
        observation, reward, *_ = one.step(action)
        observations, rewards, *_ = many.step(np.tile(action, (MANY, 1)))
        np.testing.assert_allclose(observations[0], observation, rtol=1e-5, atol=1e-4)
        assert rewards[0] == pytest.approx(reward, rel=1e-4, abs=1e-3)


def soak(id, num_envs, steps, **options):
    """Step at random between and at the bounds, and check every unit at every node."""
    env = gymnasium.make_vec(id, num_envs=num_envs, info=True, **options)
    params, whole = env.functional.params, env.functional.simulator.dynamics.whole_units
    parent = np.asarray(params.parent)
    nodes = len(parent)
    below = (parent[None, :] == np.arange(nodes)[:, None]).astype(np.float32)  # [N, children]
    rng = np.random.default_rng(0)
    observation, _ = env.reset(seed=0)
    on_hand, sold, over = observation[:, :nodes], 0.0, np.zeros(num_envs, bool)
    for _ in range(steps):
        actions = rng.random((num_envs, env.single_action_space.shape[0]), dtype=np.float32)
        actions = np.where(rng.random(actions.shape) < 0.6, np.round(actions), actions)
        goes_on = ~over
        observation, reward, terminated, truncated, info = env.step(actions)
        over = terminated | truncated
        assert np.isfinite(observation).all()
        assert np.isfinite(reward).all()
        after = observation[:, :nodes]
        assert (after >= 0).all()
        if goes_on.any():
            expected = on_hand + info["stowed"] - info["shipped"] @ below.T - info["outbound"]
            error = np.abs(after - expected)[goes_on]
            assert error.max() <= (0.0 if whole else 1e-3)
            if whole:
                np.testing.assert_array_equal(after, np.round(after))
            sold += info["outbound"].sum()
        on_hand = after
    assert sold > 0
    return num_envs * steps


@every_id
def test_units_are_conserved_at_the_bounds(id):
    soak(id, MANY, 30, **SMALL[id])


@pytest.mark.long
def test_a_million_steps_at_the_bounds():
    plan = {}
    for name in CORE:
        id, env = IDS[name], make_problem(name)
        many = 128 if env.simulator.dynamics.whole_units else 4096
        plan[id] = (64 if "Learned" in id else many, env.horizon + 2)
    assert sum(soak(id, *size) for id, size in plan.items()) >= 10**6


@pytest.mark.long
def test_the_largest_orders_lose_no_unit_in_600_days():
    # A quick test of the same rule: tests/simulator/test_whole_units.py.
    env = simulator.make(
        "draingym/OrderPerNodeLearned-v0", horizon=600, units_per_period=1e5, num_regions=6
    )
    ones = jnp.ones(env.num_actions)

    def day(carry, _):
        _, state = carry
        view, state, _, _, info = env.step(jax.random.key(0), state, ones)
        return (view, state), info["transition"]

    @jax.jit
    def episode(key):
        return jax.lax.scan(day, env.reset(key), length=600)

    (_, final), moves = episode(jax.random.key(0))
    moves = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), moves)
    on_hand = np.vstack([np.zeros(6), moves.on_hand])
    np.testing.assert_array_equal(on_hand[1:], on_hand[:-1] + moves.stowed - moves.outbound)
    way = np.asarray(final.core.pipeline, np.float64).sum()
    assert moves.shipped.sum() == moves.outbound.sum() + on_hand[-1].sum() + way
    assert on_hand.sum(axis=1).max() > 0.9 * MOST_UNITS
    assert on_hand.sum(axis=1).max() <= MOST_UNITS
    assert moves.outbound.sum() > 1e7


@pytest.mark.parametrize(
    "wrap",
    [
        gymnasium.wrappers.RecordEpisodeStatistics,
        gymnasium.wrappers.NormalizeObservation,
        gymnasium.wrappers.NormalizeReward,
        gymnasium.wrappers.FlattenObservation,
        gymnasium.wrappers.ClipAction,
        lambda env: gymnasium.wrappers.RescaleAction(env, np.float32(-1), np.float32(1)),
        lambda env: gymnasium.wrappers.TimeLimit(env, 3),
        gymnasium.wrappers.TimeAwareObservation,
        lambda env: gymnasium.wrappers.FrameStackObservation(env, 2),
        gymnasium.wrappers.Autoreset,
    ],
    ids=lambda wrap: getattr(wrap, "__name__", ""),
)
def test_wrappers(wrap):
    env = wrap(gymnasium.make("draingym/SingleStore-v0", horizon=8))
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(8):
        observation, reward, _, truncated, _ = env.step(env.action_space.sample())
        assert np.isfinite(reward)
        assert np.isfinite(observation).all()
        if truncated:
            break
    assert truncated


def test_a_spec_says_how_long_an_episode_is():
    one = gymnasium.make("draingym/SingleStore-v0", horizon=8)
    many = gymnasium.make_vec("draingym/SingleStore-v0", num_envs=2, horizon=8)
    assert one.spec.max_episode_steps == many.spec.max_episode_steps == 8
    assert gymnasium.make("draingym/SingleStore-v0").spec.max_episode_steps == 100
    assert (
        gymnasium.make("draingym/SingleStore-v0", max_episode_steps=3).spec.max_episode_steps == 3
    )
    assert gymnasium.make(one.spec).unwrapped.functional.horizon == 8


def test_options_that_do_nothing_are_refused():
    one = gymnasium.make("draingym/SingleStore-v0", horizon=8)
    one.reset(seed=0, options={})
    with pytest.raises(ValueError, match=r"options is {'on_hand': 3}, must be None or empty"):
        one.reset(options={"on_hand": 3})
    many = gymnasium.make_vec("draingym/SingleStore-v0", num_envs=MANY, horizon=8)
    with pytest.raises(ValueError, match=r"options has \['on_hand'\], must have reset_mask alone"):
        many.reset(options={"on_hand": 3})


def test_forked_workers_say_what_to_use_instead():
    code = (
        "import gymnasium, draingym\n"
        "envs = gymnasium.make_vec(\n"
        "    'draingym/SingleStore-v0', num_envs=2, vectorization_mode='async', horizon=3,\n"
        "    vector_kwargs={'context': 'fork'},\n"
        ")\n"
        "try:\n"
        "    envs.reset(seed=0)\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240
    )
    assert "context of AsyncVectorEnv (or of multiprocessing) is 'fork'" in ran.stdout
    assert "vector_kwargs={'context': 'forkserver'}" in ran.stdout
    assert "gymnasium.make_vec(id, num_envs=n) is one jitted call" in ran.stdout


@pytest.mark.slow
def test_workers_of_a_server_play_what_one_call_plays():
    code = (
        "import gymnasium, draingym, numpy as np\n"
        "if __name__ == '__main__':\n"
        "    action, played = np.full((2, 1), 0.25, np.float32), []\n"
        "    for more in (\n"
        "        {'vectorization_mode': 'async', 'vector_kwargs': {'context': 'forkserver'}},\n"
        "        {},\n"
        "    ):\n"
        "        envs = gymnasium.make_vec('draingym/SingleStore-v0', 2, horizon=3, **more)\n"
        "        envs.reset(seed=0)\n"
        "        played.append([envs.step(action)[1] for _ in range(5)])\n"
        "        envs.close()\n"
        "    np.testing.assert_allclose(*played, rtol=1e-6)\n"
        "    print('same')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert ran.stdout == "same\n", ran.stderr


@every_id
@pytest.mark.parametrize("period", [0, 5])
def test_nothing_that_is_seen_depends_on_the_future(id, period, monkeypatch):
    """Draws that agree before a period, and differ from it on, in place of the environment's."""

    def begin(shift):
        def normal(key, shape):
            return jax.random.normal(key, shape).at[period:].add(shift)

        def demand(distribution, key, shape):
            return 5.0 + jnp.abs(normal(key, shape))

        monkeypatch.setattr("draingym.envs.us.normal", normal)
        monkeypatch.setattr(simulator.Normal, "sample", demand)
        env = make_problem(id.removeprefix("draingym/").removesuffix("-v0"), **SMALL[id])
        series = env.sample(jax.random.key(0)).series
        return series, observations(env.params, series, period + 1)

    (one, first), (other, second) = begin(0.0), begin(1.0)
    assert not np.array_equal(one.glance_views[period], other.glance_views[period])
    jax.tree.map(np.testing.assert_array_equal, first, second)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("Pricing", marks=pytest.mark.slow),
        pytest.param("Placement", marks=pytest.mark.slow),
        pytest.param("PlacementLearned", marks=pytest.mark.slow),
    ],
)
def test_both_precisions_agree(name):
    def play():
        env = pkgutil.resolve_name(ENVIRONMENTS[name].make)(**US)
        _, state = env.reset(jax.random.key(0))
        action = jnp.full(env.num_actions, 0.3)

        def step(state, _):
            view, state, reward, *_ = env.step(jax.random.key(0), state, action)
            return state, (view, reward)

        return jax.device_get(jax.lax.scan(step, state, None, length=4)[1])

    with jax.enable_x64(False):
        views, rewards = play()
    with jax.enable_x64(True):
        again = play()
    assert again[1].dtype == np.float64
    np.testing.assert_allclose(again[0], views, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(again[1], rewards, rtol=1e-3, atol=1e-3)


def test_options_reach_both_kinds():
    options = {"observation": "dict", "symmetric_actions": True, "lead_times": [1, 1, 2]}
    options |= {"holding_costs": [0.1, 0.2, 0.3], "horizon": 4}
    one = gymnasium.make("draingym/Serial-v0", **options)
    many = gymnasium.make_vec(
        "draingym/Serial-v0", num_envs=2, autoreset_mode="SameStep", to_numpy=False, **options
    )
    assert one.action_space == gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)
    assert one.observation_space["pipeline"].shape == (2 * 3,)
    assert many.single_observation_space == one.observation_space
    observation, _ = many.reset(seed=0)
    assert isinstance(observation["on_hand"], jax.Array)


def test_equal_arguments_share_a_problem_and_what_is_compiled():
    assert make_problem("SingleStore", horizon=7) is make_problem("SingleStore", horizon=7)
    assert make_problem("SingleStore", horizon=7) is not make_problem("SingleStore", horizon=6)


def test_environments_are_found_by_name_and_load_nothing_heavy():
    code = (
        "import gymnasium, sys\n"
        "env = gymnasium.make('draingym:draingym/SingleStore-v0', horizon=3)\n"
        "env.reset(seed=0)\n"
        "ends = [env.step(env.action_space.sample())[3] for _ in range(3)]\n"
        "print(ends, 'draingym/Placement-v0' in gymnasium.registry)\n"
        "print(sorted({'flax', 'matplotlib', 'optax', 'draingym.policies'} & sys.modules.keys()))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["[False, False, True] True", "[]"]


def test_the_closest_node_needs_no_flax():
    code = (
        "import sys, draingym.envs.us\n"
        "draingym.envs.us.placement(horizon=2)\n"
        "print(sorted({'flax', 'xarray'} & sys.modules.keys()))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_shipped_drain_model_is_small_and_is_what_its_command_makes():
    assert shipped.PATH.stat().st_size < shipped.MOST_BYTES
    checkpoint, loop = shipped.shipped_checkpoint(), shipped.config()
    assert checkpoint.config == loop.drain
    assert loop.data == "synthetic"
    network = make_problem("PlacementLearned").params
    # The nodes it was trained on are those of the environment.
    assert checkpoint.node_coordinates.shape[0] == network.parent.shape[0]
    assert checkpoint.train_periods == round(120 * loop.train_share)


@pytest.mark.slow
def test_customers_of_the_learned_model_leave_when_shelves_are_empty():
    env = simulator.make("draingym/PlacementLearned-v0", **US)

    def sold(share):
        _, state = env.reset(jax.random.key(0))
        actions = jnp.full(env.num_actions, share)
        _, moves = jax.lax.scan(
            lambda state, _: (lambda out: (out[1], out[4]["transition"]))(
                env.step(jax.random.key(0), state, actions)
            ),
            state,
            None,
            length=8,
        )
        return moves.outbound.sum(), moves.ship_cost.sum()

    units, cost = jax.jit(jax.vmap(sold))(jnp.array([0.0, 0.3]))
    assert units[0] == cost[0] == 0.0
    assert units[1] > 0.0
    assert 1.0 < cost[1] / units[1] < 20.0  # USD a unit


def test_pure_functions_by_name():
    env = simulator.make("draingym:draingym/SingleStore-v0", horizon=6)

    def play(share, key):
        _, state = env.reset(key)
        _, rewards = jax.lax.scan(
            lambda state, _: env.step(key, state, share)[1:3], state, None, length=6
        )
        return rewards.sum()

    keys = jax.random.split(jax.random.key(0), 16)
    returns = jax.jit(jax.vmap(play, in_axes=(None, 0)))(jnp.array([0.2]), keys)
    assert returns.shape == (16,)
    assert len(np.unique(returns)) == 16
    with pytest.raises(gymnasium.error.Error):
        simulator.make("draingym/Unknown-v0")
    with pytest.raises(TypeError, match="must name an InventoryEnv"):
        simulator.make("CartPole-v1")


def test_a_discount_sells_more():
    env = simulator.make("draingym/Pricing-v0", **US)
    nodes = env.num_actions - 1

    def sold(discount):
        _, state = env.reset(jax.random.key(0))
        total = 0.0
        for _ in range(8):
            action = jnp.concatenate([jnp.full(nodes, 0.5), discount[None]])
            _, state, _, _, info = env.step(jax.random.key(0), state, action)
            total = total + info["transition"].outbound.sum()
        return total

    totals = jax.jit(jax.vmap(sold))(jnp.linspace(0.0, 1.0, 5))
    assert (np.diff(totals) > 0).all()


def test_making_a_problem_compiles_next_to_nothing():
    """Arrays of the host go to the device as they are: a program for each shape takes seconds."""
    with compiled_once(little=3):
        gymnasium.make(IDS["OrderPerNodeLearned"], num_regions=23, horizon=11)

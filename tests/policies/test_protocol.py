"""One protocol: files, Gymnasium environments, the oracle's and the host's checks."""

from dataclasses import dataclass, replace

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import draingym  # noqa: F401  (registers the environments)
from draingym import simulator
from draingym.common.npz import read_npz, write_npz
from draingym.policies import (
    Agent,
    BaseStock,
    GaussianPolicy,
    NeuralPlacement,
    OrderUpTo,
    TransportPlacement,
    baseline_suite,
    checked_rollouts,
    load_parameters,
    load_policy,
    room_for,
    save_parameters,
    save_policy,
    tree_of,
)
from draingym.policies.capacity.prices import PriceResponsive
from draingym.policies.rules.suite import ship_cost_by_distance
from draingym.simulator import check_requests
from draingym.simulator.adapters.functional import episode_key
from draingym.world.network import NetworkConfig, build_network
from tests.policies.problems import observation, small_tree

KEY = jax.random.key(0)


def without_last_node(tree):
    return replace(
        tree,
        parent=tree.parent[:3],
        descends=tree.descends[:3, :3],
        serves=tree.serves[:3],
        distance=tree.distance[:3],
    )


def saved(path):
    policy = NeuralPlacement(tree=small_tree(), num_attributes=2, width=8, feasibility="softmax")
    params = policy.init(KEY)
    save_policy(path, policy, params)
    return policy, params


def test_a_policy_is_one_file(tmp_path):
    policy, params = saved(tmp_path / "policy.npz")
    loaded, found = load_policy(tmp_path / "policy.npz")
    jax.tree.map(np.testing.assert_array_equal, found, params)
    jax.tree.map(np.testing.assert_array_equal, loaded.tree, policy.tree)
    assert (loaded.width, loaded.feasibility) == (8, "softmax")
    seen = observation([2, 4, 3, 0])
    np.testing.assert_array_equal(loaded.apply(found, seen, KEY), policy.apply(params, seen, KEY))
    jax.tree.map(
        np.testing.assert_array_equal, load_parameters(tmp_path / "policy.npz", policy), params
    )


def test_every_baseline_survives_a_file(tmp_path):
    suite = baseline_suite(small_tree(), lead_time=np.eye(3)[[2, 1, 1, 1]])
    seen = observation([20, 4, 30, 0], forecast=(4.0, 3.0, 2.0, 1.0))
    for policy, _ in suite.values():
        params = policy.init(KEY)
        save_policy(tmp_path / "policy.npz", policy, params)
        loaded, found = load_policy(tmp_path / "policy.npz")
        assert type(loaded) is type(policy)
        np.testing.assert_array_equal(
            loaded.apply(found, seen, KEY), policy.apply(params, seen, KEY)
        )


def test_a_policy_inside_a_policy_survives_a_file(tmp_path):
    tree = small_tree()
    policy = PriceResponsive(base=OrderUpTo(tree=tree), tree=tree)
    save_policy(tmp_path / "policy.npz", policy, policy.init(KEY))
    loaded, _ = load_policy(tmp_path / "policy.npz")
    assert isinstance(loaded.base, OrderUpTo)


def test_a_policy_inside_a_policy_is_for_a_network_too(tmp_path):
    path, tree = tmp_path / "policy.npz", small_tree()
    small = without_last_node(tree)
    for policy in (
        GaussianPolicy(base=OrderUpTo(tree=tree)),
        PriceResponsive(base=OrderUpTo(tree=tree), tree=tree),
    ):
        save_policy(path, policy, policy.init(KEY))
        assert load_policy(path, tree=tree)[0] == policy
        with pytest.raises(ValueError, match="another action space: it has 4 nodes, must have 3"):
            load_policy(path, tree=small)
        moved, params = load_policy(path, tree=small, transfer=True)
        assert moved.base.tree == small
        assert moved.apply(params, observation([2, 4, 3]), KEY).shape == (3,)


def test_a_file_for_another_action_space_is_refused(tmp_path):
    path = tmp_path / "policy.npz"
    saved(path)
    small = without_last_node(small_tree())
    with pytest.raises(ValueError, match="another action space: it has 4 nodes, must have 3"):
        load_policy(path, tree=small)
    with pytest.raises(ValueError, match="another action space: it has 4 nodes, must have 3"):
        load_parameters(path, NeuralPlacement(tree=small, num_attributes=2, width=8))
    moved = replace(small_tree(), distance=small_tree().distance + 1.0)
    with pytest.raises(ValueError, match="lie elsewhere"):
        load_policy(path, tree=moved)
    fed = replace(small_tree(), serves=jnp.array([True, True, True, True]))
    with pytest.raises(ValueError, match="serves of node 0 is False, must be True"):
        load_policy(path, tree=fed)
    # Its weights are shared by nodes, so it can act on another network where that is meant.
    policy, found = load_policy(path, tree=small, transfer=True)
    seen = observation([2, 4, 3])
    assert policy.apply(found, seen, KEY).shape == (3,)


def test_a_policy_with_a_number_a_node_cannot_be_transferred(tmp_path):
    policy, _ = baseline_suite(small_tree())["order up to, per node"]
    save_policy(tmp_path / "policy.npz", policy, policy.init(KEY))
    with pytest.raises(ValueError, match=r"cover has shape \(4,\), must be \(3,\)"):
        load_policy(tmp_path / "policy.npz", tree=without_last_node(small_tree()), transfer=True)


def shop(**options):
    return gymnasium.make("draingym:draingym/SingleStore-v0", **options)


def test_a_policy_is_for_the_environment_that_it_was_saved_with(tmp_path):
    path = tmp_path / "policy.npz"
    save_policy(path, BaseStock(), 12.0, env=shop(backlog=True, horizon=9))
    vectors = gymnasium.make_vec("draingym/SingleStore-v0", num_envs=2, backlog=True, scaled=True)
    # Neither the length of an episode, nor how it is shown, nor a default makes another problem.
    for same in (shop(backlog=True, unmet_cost=9.0), vectors, None):
        assert float(load_policy(path, env=same)[1]) == 12.0
    words = (
        r"policy.npz was saved for draingym/SingleStore-v0, backlog=True, must be for {} \(trans"
    )
    for other, named in (
        (shop(), "draingym/SingleStore-v0"),
        (shop(backlog=True, lead_time=2), "draingym/SingleStore-v0, backlog=True, lead_time=2"),
        (simulator.make("draingym/LostSales-v0"), "draingym/LostSales-v0"),
    ):
        with pytest.raises(ValueError, match=words.format(named)):
            load_policy(path, env=other)
        assert load_policy(path, env=other, transfer=True)[0] == BaseStock()
    save_policy(path, BaseStock(), 12.0)  # as files of before: fitted to whatever it was
    assert load_policy(path, env=shop())[0] == BaseStock()
    with pytest.raises(ValueError, match="env is a str, must be an environment of draingym"):
        save_policy(path, BaseStock(), 12.0, env="SingleStore-v0")


@pytest.mark.parametrize("told", ["Placement", {"id": 3, "options": {}}, {"id": "a"}])
def test_a_file_of_an_environment_in_other_words_is_refused(tmp_path, told):
    path = tmp_path / "policy.npz"
    save_policy(path, BaseStock(), 12.0, env=shop())
    meta, arrays = read_npz(path, "policy")
    assert meta["environment"] == {"id": "draingym/SingleStore-v0", "options": {}}
    write_npz(path, arrays, meta | {"environment": told})
    with pytest.raises(ValueError, match=r"policy.npz: environment is .*must hold an id and opt"):
        load_policy(path)


@dataclass(frozen=True, eq=False)
class Own:
    """A policy that is not in the package."""

    level: float = 2.0
    rule: object = None

    def init(self, key):
        return jnp.float32(self.level)

    def apply(self, params, observation, key):
        return jnp.full_like(observation.on_hand, params)


def test_own_policies_are_named_when_they_are_loaded(tmp_path):
    path = tmp_path / "policy.npz"
    save_policy(path, Own(), jnp.float32(3.0))
    with pytest.raises(ValueError, match="is of a Own, must be of a class of policies"):
        load_policy(path)
    policy, params = load_policy(path, classes={"Own": Own})
    assert (policy.level, float(params)) == (2.0, 3.0)
    with pytest.raises(ValueError, match="setting rule is a object"):
        save_policy(path, Own(rule=object()), jnp.float32(3.0))
    with pytest.raises(ValueError, match="is of a Own, must be of a BaseStock"):
        load_parameters(path, BaseStock())


def test_parameters_alone_are_no_policy(tmp_path):
    save_parameters(tmp_path / "policy.npz", BaseStock().init(KEY))
    with pytest.raises(ValueError, match="must be written by save_policy"):
        load_policy(tmp_path / "policy.npz")


@pytest.fixture(scope="module")
def store():
    return simulator.make("draingym/SingleStore-v0", horizon=12)


def test_a_policy_earns_the_same_in_gymnasium_and_in_the_simulator(store):
    level = jnp.float32(12.0)
    env = simulator.InventoryEnv(store)
    agent = Agent(env, BaseStock(), level)
    seen, _ = env.reset(seed=3)
    rewards, over = [], False
    while not over:
        seen, reward, _, over, _ = env.step(agent(seen))
        rewards.append(reward)
    key = episode_key(np.uint32(3), 0)
    moves = store.simulator.rollout(store.params, BaseStock(), level, store.sample(key)).transitions
    np.testing.assert_allclose(rewards, moves.reward, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{"observation": "dict"}, {"symmetric_actions": True}], ids=str)
def test_agents_read_every_kind_of_observation_and_action(store, options):
    one, other = store, replace(store, **options)
    actions = []
    for problem in (one, other):
        env = simulator.InventoryEnv(problem)
        agent = Agent(env, BaseStock(), jnp.float32(12.0))
        action = agent(env.reset(seed=3)[0])
        actions.append((action - problem.action_low) / (1 - problem.action_low))
    np.testing.assert_allclose(*actions, rtol=1e-5)


def test_an_agent_acts_alike_in_both_precisions(store):
    actions = []
    for double in (False, True):
        with jax.enable_x64(double):
            env = simulator.InventoryEnv(store)
            agent = Agent(env, BaseStock(), jnp.float32(12.0))
            actions.append(agent(env.reset(seed=3)[0]))
    assert actions[0].dtype == actions[1].dtype == np.float32
    np.testing.assert_allclose(*actions, rtol=1e-5)


def test_an_agent_acts_in_many_trajectories_and_stays_on_the_device(store):
    for to_numpy in (True, False):
        env = simulator.InventoryVectorEnv(store, 3, to_numpy=to_numpy)
        agent = Agent(env, BaseStock(), jnp.float32(12.0))
        seen, _ = env.reset(seed=0)
        action = agent(seen)
        assert isinstance(action, np.ndarray) is to_numpy
        assert action.shape == (3, 1)
        env.step(action)


def test_linear_programs_act_in_gymnasium():
    env = gymnasium.make("draingym/Placement-v0", num_nodes=2, num_regions=4, horizon=5)
    tree = tree_of(build_network(NetworkConfig(num_nodes=2, num_regions=4)))
    policy = TransportPlacement(tree=tree, unit_ship_cost=ship_cost_by_distance(tree))
    # It requests more than the environment allows: room is made for it.
    env = simulator.InventoryEnv(room_for(env, policy, policy.init(KEY), episodes=2))
    agent = Agent(env, policy, policy.init(KEY))
    seen, _ = env.reset(seed=0)
    for _ in range(5):
        seen, _, _, _, info = env.step(agent(seen))
    assert info["shipped"].sum() > 0
    with pytest.raises(ValueError, match="does not act on the environment's 3 nodes"):
        Agent(env, Own(), jnp.ones(4))


def test_requests_are_checked_where_policies_are_evaluated(store):
    keys = jax.random.split(KEY, 2)
    scenarios = jax.vmap(store.sample)(keys)
    values, moves = checked_rollouts(
        store.simulator, store.params, BaseStock(), jnp.float32(12.0), scenarios
    )
    np.testing.assert_allclose(values, moves.reward.sum(axis=1), rtol=1e-5)
    with pytest.raises(
        ValueError, match=r"Own requests -3.0 units for node 0 \(store\) in period 0"
    ):
        checked_rollouts(
            store.simulator, store.params, Own(), jnp.float32(-3.0), scenarios,
            node_names=["store"],
        )  # fmt: skip
    env = simulator.InventoryEnv(store)
    agent = Agent(env, Own(), jnp.float32(jnp.nan))
    with pytest.raises(ValueError, match="nan units for node 0 in period 0"):
        agent(env.reset(seed=0)[0])


@pytest.mark.parametrize("value", [np.nan, -1.0, np.inf])
def test_the_first_bad_request_is_named(value):
    requests = np.zeros((2, 5, 3))
    requests[1, 4, 0] = requests[1, 2, 1] = value
    with pytest.raises(
        ValueError, match=f"p requests {value} units for node 1 .B. in period 12 of trajectory 1"
    ):
        check_requests(requests, start=10, node_names="ABC", who="p")
    check_requests(np.zeros((2, 5, 3)))

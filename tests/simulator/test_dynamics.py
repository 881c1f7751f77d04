"""Dynamics: hand-computed periods, conservation, and a slow reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simulator import make_params
from tests.simulator.worlds import (
    TREES,
    Requests,
    tree_scenario,
    tree_world,
)


def one_period(parent, on_hand, request, demand, lead, **costs):
    simulator, params = tree_world(parent, **costs)
    lead_time = np.eye(lead + 1)[[lead] * len(parent)]
    scenario = tree_scenario(
        parent,
        np.array([demand], np.float32),
        lead_time,
        0,
        on_hand=np.array(on_hand, np.float32),
        price=10.0,
        unit_cost=4.0,
    )
    trajectory = simulator.rollout(params, Requests([request]), jnp.zeros(()), scenario)
    return jax.tree.map(lambda leaf: np.asarray(leaf[0]), trajectory.transitions)


@pytest.mark.parametrize(
    ("parent", "on_hand", "request_", "demand", "lead", "expected"),
    [
        pytest.param(
            [-1],
            [3],
            [5],
            [4],
            0,
            {"shipped": [5], "stowed": [5], "available": [8], "outbound": [4], "on_hand": [4]},
            id="zero lead time: arrives before demand",
        ),
        pytest.param(
            [-1],
            [3],
            [5],
            [4],
            1,
            {"stowed": [0], "available": [3], "outbound": [3], "lost": [1], "on_hand": [0]},
            id="one period of lead time: too late, a unit is lost",
        ),
        pytest.param(
            [-1, 0, 0],
            [6, 0, 0],
            [0, 8, 4],
            [9, 9],
            0,
            {"shipped": [0, 4, 2], "transferred": [6, 0, 0], "outbound": [0, 4, 2]},
            id="a short parent rations in proportion",
        ),
        pytest.param(
            [-1, 0, 0],
            [6, 1, 1],
            [10, 2, 3],
            [1, 1],
            1,
            {"shipped": [10, 2, 3], "transferred": [5, 0, 0], "on_hand": [1, 0, 0]},
            id="a parent does not ship what arrives this period",
        ),
        pytest.param(
            [-1],
            [3],
            [-7],
            [1],
            0,
            {"ordered": [0], "shipped": [0], "on_hand": [2]},
            id="a negative request counts as none",
        ),
    ],
)
def test_one_period(parent, on_hand, request_, demand, lead, expected):
    got = one_period(parent, on_hand, request_, demand, lead)
    for name, value in expected.items():
        np.testing.assert_array_equal(getattr(got, name), value, err_msg=name)


def test_reward_adds_up_by_hand():
    got = one_period(
        [-1, 0], [6, 2], [3, 4], [5], 0,
        holding_cost=[0.1, 0.2], holding_rate=0.25, transfer_cost=0.3, unmet_cost=2.0,
        salvage_rate=0.5,
    )  # fmt: skip
    # Upstream: 6 - 4 + 3 = 5 left. Store: 2 + 4 = 6 available, 5 sold, 1 left. Price 10, cost 4.
    assert float(got.revenue) == 50.0
    assert float(got.purchase_cost) == 12.0
    assert float(got.transfer_cost) == pytest.approx(1.2)
    assert float(got.holding_cost) == pytest.approx(5 * (0.1 + 1.0) + 1 * (0.2 + 1.0))
    assert float(got.salvage) == 0.5 * 4 * 6
    assert float(got.reward) == pytest.approx(50 + 12 - 2.5 - 12 - 1.2 - 6.7, abs=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_values_are_equal_with_gradients_on_or_off_and_with_remat(seed):
    parent = np.array(TREES["vendor, upstream, nodes"])
    rng = np.random.default_rng(seed)
    simulator, params = tree_world(parent, holding_cost=1.0, unmet_cost=3.0)
    demand = rng.poisson(4, (5, 4)).astype(np.float32)
    scenario = tree_scenario(parent, demand, np.eye(2)[[1] * 6], seed, price=2.0)
    policy = Requests(rng.gamma(2.0, 3.0, (5, 6)))

    def rewards(scale, remat):
        class Scaled:
            def apply(self, params, observation, key):
                return params * policy.apply(None, observation, key)

        moves = simulator.rollout(params, Scaled(), scale, scenario, remat=remat).transitions
        return moves.reward.sum(), moves.reward

    plain = jax.jit(lambda s: rewards(s, False)[1])(1.3)
    (_, with_remat), slope_remat = jax.jit(
        jax.value_and_grad(lambda s: rewards(s, True), has_aux=True)
    )(1.3)
    (_, without), slope = jax.jit(jax.value_and_grad(lambda s: rewards(s, False), has_aux=True))(
        1.3
    )
    np.testing.assert_array_equal(plain, with_remat)
    np.testing.assert_array_equal(plain, without)
    np.testing.assert_allclose(slope, slope_remat, rtol=1e-6)


def test_a_node_that_is_not_open_yet_receives_nothing():
    simulator, params = tree_world([-1, 0, 0], active_from=[0, 0, 2])
    scenario = tree_scenario(
        [-1, 0, 0],
        np.zeros((4, 2), np.float32),
        np.eye(1)[[0] * 3],
        0,
        on_hand=np.array([30.0, 0, 0]),
    )
    moves = simulator.rollout(
        params, Requests([[0, 3, 3]] * 4), jnp.zeros(()), scenario
    ).transitions
    np.testing.assert_array_equal(moves.shipped[:, 2], [0, 0, 3, 3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parent": [-1, 2, 0]}, r"parent of node 1 is 2, must be in \[-1, 1\)"),
        ({"parent": [0]}, r"parent of node 0 is 0"),
        ({"parent": [-1], "holding_cost": -1.0}, "holding_cost is -1.0 at its smallest"),
        ({"parent": [-1], "unmet_cost": [1.0, 2.0]}, r"unmet_cost has shape \(2,\)"),
    ],
    ids=["cycle", "self", "negative cost", "shape"],
)
def test_bad_parameters_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_params(kernel=None, **arguments)

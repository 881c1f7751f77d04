"""Where a value or a derivative that is not finite comes from: trajectory, period, term, place."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym import Arc, Network, Node, Poisson
from draingym.networks.policy import base_stock
from draingym.simulator import LocalDemand, batch_returns, find_non_finite
from tests.simulator.worlds import tree_scenario, tree_world

PERIODS, BATCH = 5, 3


@dataclass(frozen=True)
class Requests:
    """Requests the same in all periods; what is on hand adds nothing, by way of a bad root."""

    trap: bool = False

    def init(self, key):
        return jnp.full(2, 2.0)

    def apply(self, params, observation, key):
        more = 0.0
        if self.trap:
            stock = observation.on_hand
            more = 0.0 * jnp.where(stock > 0, jnp.sqrt(stock), 0.0)
        return params + more


@dataclass(frozen=True, kw_only=True)
class RootCost(LocalDemand):
    """A node's ship cost is the root of the units it keeps: infinitely steep at none."""

    def drain(self, params, memory, available, exogenous, uniforms):
        memory, drain = super().drain(params, memory, available, exogenous, uniforms)
        return memory, replace(drain, ship_cost=jnp.sqrt(available - drain.outbound))


def stores(demand):
    """Two stores in one trajectory for each matrix [T, 2] of demand, and what was made of it."""
    simulator, params = tree_world([-1, -1], whole_units=False)
    lead = np.zeros((2, 2), np.float32)
    lead[:, 1] = 1.0
    drawn = [
        tree_scenario([-1, -1], jnp.asarray(table, jnp.float32), lead, 0, on_hand=jnp.full(2, 3.0))
        for table in demand
    ]
    return simulator, params, jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=-1), *drawn)


@pytest.fixture(scope="module")
def chain():
    network = Network(
        nodes=[Node("plant", on_hand=40), Node("shop", on_hand=8, price=9.0)],
        arcs=[Arc(None, "plant", lead_time=2), Arc("plant", "shop", ship_cost=[1.0, 2.0])],
        demand={"shop": Poisson(rate=5.0)},
    )
    scenario = network.built.sample(jax.random.key(0), PERIODS, BATCH)
    policy = base_stock(network)
    return network, policy, policy.init(jax.random.key(0)), scenario


def test_a_planted_nan_is_found_by_trajectory_period_term_and_arc(chain):
    network, policy, levels, scenario = chain
    terms = scenario.series.terms
    cost = jnp.broadcast_to(terms.ship_cost[..., None], (PERIODS, 2, BATCH))
    bad = replace(terms, ship_cost=cost.at[3, 1, 2].set(jnp.nan))
    planted = replace(scenario, series=replace(scenario.series, terms=bad))
    built = network.built
    returns = batch_returns(built.simulator, built.params, policy, levels, planted)
    assert list(np.isfinite(returns)) == [True, True, False]
    found = network.find_non_finite(policy, levels, planted)
    assert str(found) == (
        "trajectory 2, period 3: ledger.shipments of arc 'plant > shop' is nan; "
        "scenario.series.terms.ship_cost[3, 1] is nan"
    )


def test_where_all_is_finite_nothing_is_found(chain):
    network, policy, levels, scenario = chain
    assert network.find_non_finite(policy, levels, scenario) is None


def test_a_nan_that_requests_hide_is_found(chain):
    network, policy, levels, scenario = chain
    found = network.find_non_finite(policy, levels.at[0].set(jnp.nan), scenario)
    assert (found.trajectory, found.period, found.term) == (0, 0, "action")
    assert found.place == "arc 'vendor > plant'"
    assert found.given == "policy_params[0] is nan"


@pytest.mark.slow
def test_a_planted_nan_is_found_where_units_are_whole():
    # A path has a side of its own there, which is prepared along with demand.
    network = Network(
        nodes=[Node("shop", on_hand=3, holding_cost=1.0)],
        arcs=[Arc(None, "shop")],
        demand={"shop": [3, 3, 3]},
        whole_units=True,
    )
    policy, built = base_stock(network), network.built
    levels = policy.init(jax.random.key(0))
    scenario = built.sample(jax.random.key(0), 3)
    prepared = built.simulator.prepare(built.params, scenario)
    assert len(jax.tree.leaves(prepared.series.exogenous)) == 2
    with pytest.raises(ValueError, match=r"series\.exogenous is set, must be None"):
        network.find_non_finite(policy, levels, prepared)
    assert network.find_non_finite(policy, levels, scenario) is None
    views = scenario.series.glance_views.at[1, 0].set(jnp.nan)
    bad = replace(scenario, series=replace(scenario.series, glance_views=views))
    found = network.find_non_finite(policy, levels, bad)
    assert (found.period, found.place) == (1, "node 'shop'")
    assert found.term in ("outbound", "lost")  # by the path's side
    assert found.given == "scenario.series.glance_views[1, 0] is nan"


@pytest.mark.slow
def test_an_infinite_derivative_of_a_finite_value_is_found_by_period_and_node():
    demand = np.full((2, PERIODS, 2), 2.0)
    demand[1, 3, 1] = 9.0  # the second trajectory's second store sells out in period 3
    simulator, params, scenario = stores(demand)
    simulator = replace(simulator, kernel=RootCost())
    policy, requests = Requests(), jnp.full(2, 2.0)
    returns, slope = jax.value_and_grad(
        lambda requests: batch_returns(simulator, params, policy, requests, scenario).sum()
    )(requests)
    assert np.isfinite(returns)
    assert not np.isfinite(slope).all()
    found = find_non_finite(simulator, params, policy, requests, scenario)
    assert (found.trajectory, found.period, found.term) == (1, 3, "ship_cost")
    assert found.place == "node 1"
    assert found.towards
    assert not np.isfinite(found.value)


def test_the_side_of_a_where_that_is_not_taken_is_found():
    demand = np.full((1, PERIODS, 2), 2.0)
    demand[0, 1, 1] = 9.0  # all is sold, and in period 2 the root of nothing left is taken
    simulator, params, scenario = stores(demand)
    found = find_non_finite(simulator, params, Requests(trap=True), jnp.full(2, 2.0), scenario)
    assert (found.period, found.term) == (2, "action")
    assert found.towards == "state.on_hand of node 1"


def test_an_ensemble_is_refused(chain):
    network, policy, levels, scenario = chain

    class Ensemble(type(network.built.simulator)):
        def rollout(self, *args, **options):
            raise AssertionError

    built = network.built
    simulator = Ensemble(kernel=built.simulator.kernel, dynamics=built.simulator.dynamics)
    with pytest.raises(ValueError, match="simulator is Ensemble, must be one that rolls"):
        find_non_finite(simulator, built.params, policy, levels, scenario)

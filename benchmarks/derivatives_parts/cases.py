"""Problems of whole units with few of them at a node, where kinks matter most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from draingym import Arc, Network, Node, Poisson
from draingym.drain_model import ClosestNode, ClosestNodeParams
from draingym.networks.policy import base_stock
from draingym.policies import EchelonBaseStock, OrderUpTo, OrderUpToParams, Tree
from draingym.simulator import (
    Dynamics,
    LocalDemand,
    LocalDemandParams,
    Params,
    Policy,
    Scenario,
    Simulator,
    discounted_return,
    make_params,
    rounded_return,
    sample_supply,
    scenario_from_views,
)

# (params, policy's parameters, scenario, key) -> the return, and a derivative.
Return = Callable[[Params, Any, Scenario, Array], Array]
ONE_SIDE, SPLIT, BY_PATH = "one side", "split ties", "side by path"
SECANT = "secant of the gap"
REAL, BOTH_WAYS = "of real units", "rounded both ways"
TIES = {"demand": ONE_SIDE, "split": SPLIT, "by path": BY_PATH}  # of ``LocalDemand``


@dataclass(frozen=True, kw_only=True)
class Case:
    """A problem of whole units, and the ways in which its return is differentiated.

    Attributes:
        name: What it is.
        params: Of the simulator.
        sample: Draws a scenario.
        theta: The policy's parameters, the middle of a box.
        spread: Half of the box's edge, as a share of theta: about a unit or more.
        methods: Returns by the name of their derivative; the first one's values are the truth.
        default: The one that a user has who chooses nothing.
        ways: Which parameters are moved, 1 or 0, by a name; all of them when empty.
    """

    name: str
    params: Params
    sample: Callable[[Array], Scenario]
    theta: Any
    spread: Any
    methods: dict[str, Return]
    default: str
    ways: dict[str, Any] = field(default_factory=dict)


def played(simulator: Simulator, policy: Policy) -> Return:
    """Return the return of a rollout, whose derivative is autodiff's."""

    def value(params: Params, theta: Any, scenario: Scenario, key: Array) -> Array:
        del key
        return discounted_return(
            params, simulator.rollout(params, policy, theta, scenario).transitions
        )

    return value


def both_ways(simulator: Simulator, policy: Policy) -> Return:
    """Return the return whose derivative follows a rounding up and down."""

    def value(params: Params, theta: Any, scenario: Scenario, key: Array) -> Array:
        return rounded_return(simulator, params, policy, theta, scenario, key, draws=4)

    return value


def in_reals(simulator: Simulator) -> Simulator:
    """Return the same simulator on real units."""
    return replace(simulator, dynamics=replace(simulator.dynamics, whole_units=False))


def _local(
    name: str,
    simulator: Simulator,
    params: Params,
    sample: Callable[[Array], Scenario],
    policy: Policy,
    theta: Any,
) -> Case:
    """Return a case of local demand."""
    kernel: Any = simulator.kernel

    def served(ties: str) -> Return:
        return played(replace(simulator, kernel=replace(kernel, ties=ties)), policy)

    methods = {named: served(ties) for ties, named in TIES.items()}
    return Case(
        name=name,
        params=params,
        sample=sample,
        theta=theta,
        spread=0.1,
        methods=methods | {REAL: played(in_reals(simulator), policy)},
        default=TIES[kernel.ties],
    )


def _described(name: str, network: Network, levels: list[float], periods: int = 16) -> Case:
    built = network.built
    return _local(
        name,
        built.simulator,
        built.params,
        lambda key: built.sample(key, periods),
        base_stock(network),
        jnp.array(levels),
    )


def tree() -> Case:
    """Return a tree of local demand of depth 3 with every option on, about five units a period."""
    parent = [-1, -1, 0, 0, 1, 2]
    share = np.zeros((6, 3))
    share[[3, 4, 5], [0, 1, 2]] = 1.0
    params = make_params(
        parent,
        LocalDemandParams(share=jnp.asarray(share, jnp.float32), unit_ship_cost=jnp.full(6, 0.5)),
        holding_cost=0.3, holding_rate=0.02, transfer_cost=0.2, unmet_cost=4.0, transit_cost=0.1,
        capacity=7.5, capacity_price=0.1, overflow_price=0.7, salvage_rate=0.5, discount=0.99,
    )  # fmt: skip
    simulator = Simulator(
        kernel=LocalDemand(backlog=True),
        dynamics=Dynamics(whole_units=True, hold_requests=True, ship_arrivals=True),
    )
    lead = np.tile([0.3, 0.5, 0.2], (6, 1))

    def sample(key: Array) -> Scenario:
        key_views, key_noise, key_supply = jax.random.split(key, 3)
        views = jnp.floor(jax.random.gamma(key_views, 4.0, (20, 3)))
        made = scenario_from_views(views, lead, key_noise, price=6.0, unit_cost=2.0)
        supply = sample_supply(made.series, lead, key_supply, concentration=3.0, fill_mean=0.9)
        return replace(made, series=supply)

    levels = jnp.array([24.3, 12.2, 13.1, 9.7, 10.1, 8.3])
    policy = EchelonBaseStock(parent=tuple(parent))
    return _local("tree, every option", simulator, params, sample, policy, levels)


SELLS: dict[str, Any] = {"holding_cost": 0.5, "unmet_cost": 4.0, "on_hand": 4.0}


def _line(accepts: float = 1.0) -> Network:
    stages = [Node(name, holding_cost=0.2, on_hand=3.0) for name in ("1", "2")]
    return Network(
        nodes=[*stages, Node("shop", backlog=True, **SELLS)],
        arcs=[
            Arc(source, target, lead_time=1, accepts=accepts)
            for source, target in ((None, "1"), ("1", "2"), ("2", "shop"))
        ],
        demand={"shop": Poisson(rate=3.0)},
        whole_units=True,
    )


def _fan(**given: Any) -> Network:
    shops = ("a", "b", "c")
    return Network(
        nodes=[
            Node("warehouse", on_hand=8.0, holding_cost=0.2),
            *(Node(s, **SELLS) for s in shops),
        ],
        arcs=[
            Arc(None, "warehouse", lead_time=1),
            *(Arc("warehouse", s, lead_time=1, **given) for s in shops),
        ],
        demand={s: Poisson(rate=2.0) for s in shops},
        whole_units=True,
    )


def _mixed() -> Network:
    return Network(
        nodes=[
            Node("plant", on_hand=9.0, holding_cost=0.2, ship_limit=9.0),
            Node("a", price=6.0, **SELLS),
            Node("b", backlog=True, **SELLS),
        ],
        arcs=[
            Arc(None, "plant", lead_time=1, request_cost=1.0, delay=1),
            Arc("plant", "a", lead_time={1: 0.6, 2: 0.4}, ship_cost=0.3),
            Arc("plant", "b", lead_time=1, short_cost=0.5),
        ],
        demand={"a": Poisson(rate=3.0), "b": Poisson(rate=2.0)},
        rationing="rank",
        backorders=True,
        whole_units=True,
    )


def _store() -> Network:
    return Network(
        nodes=[Node("shop", **SELLS)],
        arcs=[Arc(None, "shop", lead_time=3)],
        demand={"shop": Poisson(rate=3.0)},
        whole_units=True,
    )


def closest() -> Case:
    """Return the closest node: about three orders a period, levels of one and two units a node."""
    x, z = np.array([0.0, 0.1, 1.0, 2.1]), np.array([0.0, 0.8, 1.7])
    distance = jnp.asarray(1000 * np.abs(x[:, None] - z[None, :]), jnp.float32)
    serves = jnp.array([False, True, True, True])
    kernel = ClosestNode(max_orders=12, num_nodes=4)
    kernel_params = ClosestNodeParams(
        distance_km=distance,
        serves=serves,
        active_from=jnp.zeros(4, jnp.int32),
        temperature=jnp.float32(0.003),
        rate_scale=jnp.float32(1.0),
        cost_fixed=jnp.float32(4.0),
        cost_per_km=jnp.float32(0.004),
    )
    params = make_params(
        [-1, 0, 0, 0], kernel_params, holding_cost=0.3, transfer_cost=0.2, salvage_rate=0.7
    )
    places = Tree(
        parent=params.parent,
        descends=jnp.eye(4, dtype=bool).at[0].set(True),
        serves=serves,
        distance=distance / 1000,
        population=jnp.full(3, 1 / 3),
    )

    def sample(key: Array) -> Scenario:
        key_views, key_noise = jax.random.split(key)
        views = jax.random.poisson(key_views, 9.0, (12, 3)).astype(jnp.float32)
        made = scenario_from_views(
            views,
            np.eye(2)[[1, 1, 1, 1]],
            key_noise,
            num_uniforms=kernel.num_uniforms,
            price=40.0,
            unit_cost=10.0,
            on_hand=np.array([6.0, 2.0, 2.0, 2.0]),
        )
        attributes, forecast = jnp.full((12, 3), jnp.log(0.1)), jnp.full((12, 3), 0.9)
        return replace(made, series=replace(made.series, attributes=attributes, forecast=forecast))

    def covers(buy: float, place: float, safety: float) -> OrderUpToParams:
        return OrderUpToParams(
            buy_cover=jnp.float32(buy),
            place_cover=jnp.float32(place),
            safety=jnp.float32(safety),
        )

    simulator, policy = Simulator(kernel=kernel), OrderUpTo(tree=places)
    real = replace(in_reals(simulator), kernel=replace(kernel, choices=4))
    return Case(
        name="closest node",
        params=params,
        sample=sample,
        theta=covers(2.6, 1.13, 0.37),
        spread=covers(0.1, 0.4, 0.2),
        methods={
            ONE_SIDE: played(simulator, policy),
            SECANT: played(simulator, replace(policy, secant=True)),
            REAL: played(real, policy),
            BOTH_WAYS: both_ways(simulator, policy),
        },
        default=SECANT if policy.secant else ONE_SIDE,
        ways={
            "all": covers(1, 1, 1),
            "what is bought": covers(1, 0, 0),
            "what is placed": covers(0, 1, 0),
            "safety": covers(0, 0, 1),
        },
    )


CASES: dict[str, Callable[[], Case]] = {
    "tree": tree,
    "lost-sales store": lambda: _described("lost-sales store, Poisson", _store(), [14.3]),
    "serial line": lambda: _described("serial line", _line(), [8.2, 7.1, 7.4]),
    "warehouse and stores": lambda: _described(
        "one warehouse with stores", _fan(), [14.3, 5.2, 5.6, 5.9]
    ),
    "part cancelled": lambda: _described(
        "one warehouse, part of every request cancelled", _fan(accepts=0.7), [14.3, 5.2, 5.6, 5.9]
    ),
    "mixed": lambda: _described(
        "network: delay, lead times drawn, owed, in order", _mixed(), [16.2, 8.3, 5.4]
    ),
    "closest node": closest,
}

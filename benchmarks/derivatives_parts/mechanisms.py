"""Every mechanism of a described network, path by path, against central differences in float64.

What is differentiated is the return of a path, to all requests, to everything that the network's
terms hold (costs, prices, limits, yields; no fee, minimum, batch or pause) and to the stock at the
start, in random directions. Steps are so small that they meet no kink.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from draingym import Arc, Network, Node, Normal, Store
from draingym.simulator import Scenario

PERIODS, STEP = 8, 1e-6
SELLS = {"holding_cost": 0.4, "unmet_cost": 5.0, "price": 9.0}
# They change a decision, or are there or not: a path jumps with them, or does not change.
NOT_MOVED = ("request_fee", "ship_fee", "minimum", "batch", "stands")


def _pair(**given: Any) -> Network:
    """Return a plant that a vendor replenishes and two shops that the plant does.

    ``plant``, ``shop``, ``inward`` and ``between`` hold fields of nodes and arcs, the rest is the
    network's.
    """
    parts = {name: given.pop(name, {}) for name in ("plant", "shop", "inward", "between")}
    more = [Arc(None, "b", **given.pop("second"))] if "second" in given else []
    shop = {"on_hand": 6.3} | SELLS | parts["shop"]
    between = {"lead_time": 1} | parts["between"]
    return Network(
        nodes=[
            Node("plant", **{"on_hand": 14.2, "holding_cost": 0.1} | parts["plant"]),
            Node("a", **shop),
            Node("b", **shop),
        ],
        arcs=[
            Arc(None, "plant", **{"lead_time": 1, "request_cost": 1.0} | parts["inward"]),
            Arc("plant", "a", **between),
            Arc("plant", "b", **between),
            *more,
        ],
        demand={("a", "b"): Normal(means=(5.0, 4.0), sds=(2.0, 1.5))},
        **given,
    )


def _products(**given: Any) -> Network:
    """Return two products of different volumes in a hall, and a plant that both come from."""
    apart = {"on_hand": 4.3, "store": "hall", "refuse_cost": 2.0} | SELLS
    return Network(
        nodes=[
            Node("plant", on_hand=9.1, holding_cost=0.1),
            Node("a", **apart),
            Node("b", volume=2.1, **apart),
        ],
        arcs=[Arc(None, "plant", lead_time=1), Arc("plant", "a"), Arc("plant", "b")],
        demand={("a", "b"): Normal(means=(5.0, 4.0), sds=(2.0, 1.5))},
        stores=[Store("hall", 18.7)],
        **given,
    )


def _carts() -> Network:
    """Return carts that are made of a wheel and two bolts."""
    arcs = [Arc(None, "a", lead_time=1, needs=need, dock_cost=0.3) for need in (1.0, 2.0)]
    return Network(
        nodes=[Node("a", on_hand=4.1, **SELLS)],
        arcs=arcs,
        demand={"a": Normal(means=(2.5,), sds=(1.0,))},
    )


LEAD = {1: 0.3, 2: 0.7}
COSTS = {"request_cost": 1.1, "ship_cost": 0.4, "receive_cost": 0.3, "transit_cost": 0.2}
MECHANISMS: dict[str, Callable[[], Network]] = {
    "lead times: fixed": lambda: _pair(inward={"lead_time": 3}),
    "lead times: by period": lambda: _pair(between={"lead_time": [2, 0, 1]}),
    "lead times: drawn": lambda: _pair(inward={"lead_time": LEAD}, between={"lead_time": LEAD}),
    "lead times of 0 through a chain": lambda: _pair(
        inward={"lead_time": 0}, between={"lead_time": 0}, arrivals="before shipping"
    ),
    "arrivals at the period's end": lambda: _pair(arrivals="end"),
    "a delay of requests": lambda: _pair(inward={"delay": 2, "on_order": [3.1, 2.2]}),
    "several suppliers a node": lambda: _pair(second={"request_cost": 6.0}),
    "rationing in proportion": lambda: _pair(plant={"on_hand": 5.3}),
    "rationing in order": lambda: _pair(plant={"on_hand": 5.3}, rationing="rank"),
    "what is not shipped is lost, at a cost": lambda: _pair(between={"short_cost": 0.7}),
    "what is not shipped is owed": lambda: _pair(
        between={"short_cost": 0.7, "owed": 1.3}, backorders=True
    ),
    "customers who wait": lambda: _pair(shop={"backlog": True, "waiting": 2.1, "on_hand": 0.0}),
    "substitution at the shelf": lambda: Network(
        nodes=[
            Node("a", on_hand=5.2, **SELLS),
            Node("b", on_hand=3.1, substitutes={"a": 0.6}, **SELLS),
        ],
        arcs=[Arc(None, "a"), Arc(None, "b")],
        demand={("a", "b"): Normal(means=(5.0, 6.0), sds=(2.0, 2.0))},
    ),
    "a limit of requests": lambda: _pair(inward={"request_limit": 6.3}),
    "a limit of an arc": lambda: _pair(between={"ship_limit": 4.7}),
    "a limit of a source": lambda: _pair(plant={"ship_limit": 6.1}),
    "a review, and a share accepted": lambda: _pair(inward={"review": 2, "accepts": 0.7}),
    "pauses of shipments": lambda: _pair(between={"leave_limit": [2.3, 9.1], "dock_cost": 0.3}),
    "pauses of transit": lambda: _pair(between={"lead_time": 2, "stands": [0, 1, 0]}),
    "pauses of receipts": lambda: _pair(between={"receive_limit": [2.3, 9.1], "dock_cost": 0.3}),
    "yields": lambda: _pair(plant={"yields": 0.8}),
    "costs a unit, and of transit": lambda: _pair(inward=COSTS, between=COSTS),
    "prices that vary": lambda: _pair(
        inward={"price": [2.0, 3.0]}, between={"price": 5.0}, shop={"price": [9.0, 7.0]}
    ),
    "salvage, and a discount": lambda: _pair(shop={"salvage": 1.5}, discount=0.95),
    "perishables, first in first out": lambda: _pair(shop={"shelf_life": 2, "waste_cost": 3.0}),
    "perishables, last in first out": lambda: _pair(
        shop={"shelf_life": 2, "waste_cost": 3.0, "lifo": True}
    ),
    "an age on arrival, and a limit of an age": lambda: _pair(
        between={"ages": [0.6, 0.4]},
        shop={"shelf_life": 3, "waste_cost": 3.0, "class_limit": 7.3},
    ),
    "a store that refuses": _products,
    "a store that sends back": lambda: _products(send_back=True),
    "assembly": _carts,
}


def _moved(terms: Any, leaf: Callable[[Array], Array]) -> Any:
    """Return a function of every term, with those that are not moved as zeros."""
    changed = jax.tree.map(lambda a: jnp.where(jnp.isfinite(a), leaf(a), 0.0), terms)
    named = {
        name: jnp.zeros_like(getattr(terms, name))
        for name in NOT_MOVED
        if getattr(terms, name) is not None
    }
    return replace(changed, **named)


def errors(network: Network, paths: int, directions: int, seed: int = 0) -> dict[str, float]:
    """Return the largest relative error of the derivative of a path, and its usual size.

    Errors are relative to the derivative, or to its mean size over paths where that is larger.

    Args:
        network: Of real units.
        paths: Scenarios, each with requests of its own.
        directions: In which each is moved.
        seed: Of all of them.
    """
    with jax.enable_x64(True):
        built = network.built
        wide = jax.tree.map(
            lambda x: x.astype(float) if jnp.issubdtype(x.dtype, jnp.floating) else x, built.params
        )
        ages = built.sample(jax.random.key(0), PERIODS).initial.ages

        def value(point: Any, scenario: Scenario) -> Array:
            requests, terms, stock = point
            initial, series, params = scenario.initial, scenario.series, wide
            if ages is None:
                initial = replace(initial, on_hand=stock)
            if series.terms is None:
                params = replace(params, terms=terms)
            else:
                series = replace(series, terms=terms)
            now = built.simulator.prepare(params, replace(scenario, initial=initial, series=series))

            def period(state: Any, given: Any) -> Any:
                state, moves = built.simulator.step(params, state, *given)
                return state, moves.reward

            start = built.simulator.reset(params, now)
            rewards = jax.lax.scan(period, start, (requests, now.series))[1]
            return jnp.sum(params.discount ** jnp.arange(PERIODS) * rewards)

        def one(key: Array) -> tuple[Array, Array]:
            keys = jax.random.split(key, 5)
            scenario = built.sample(keys[0], PERIODS)
            terms = wide.terms if scenario.series.terms is None else scenario.series.terms

            def near(leaf: Array) -> Array:  # off what limits and costs have in common
                return leaf * (1 + 0.02 * jax.random.uniform(keys[1], leaf.shape))

            requests = 9.0 * jax.random.uniform(keys[2], (PERIODS, len(network.arcs)))
            stock = near(scenario.initial.on_hand)
            fixed = jax.tree.map(jnp.add, terms, _moved(terms, lambda leaf: near(leaf) - leaf))
            point = (requests, fixed, stock)

            def along(key: Array) -> tuple[Array, Array]:
                def leaf(index: int) -> Callable[[Array], Array]:
                    own = jax.random.fold_in(key, index)
                    return lambda a: jax.random.normal(own, a.shape, a.dtype)

                way = (leaf(0)(requests), _moved(fixed, leaf(1)), leaf(2)(stock))

                def at(size: Array) -> tuple[Array, Array]:
                    there = jax.tree.map(lambda x, d: x + size * d, point, way)
                    return jax.jvp(lambda p: value(p, scenario), (there,), (way,))

                # One program for the path and its neighbours: most of the time is compiling.
                values, slopes = jax.vmap(at)(STEP * jnp.arange(-1.0, 2.0))
                return slopes[1], (values[2] - values[0]) / (2 * STEP)

            return jax.vmap(along)(jax.random.split(keys[3], directions))

        keys = jax.random.split(jax.random.key(seed), paths)
        ours, central = (np.asarray(each) for each in jax.jit(jax.vmap(one))(keys))
    size = float(np.abs(central).mean())
    apart = np.abs(ours - central) / np.maximum(np.abs(central), size)
    return {"error": float(apart.max()), "derivative": size}


def all_mechanisms(paths: int, directions: int) -> list[dict[str, Any]]:
    """Return a row for every mechanism; see ``errors``."""
    return [
        {"table": "mechanism", "mechanism": name} | errors(make(), paths, directions)
        for name, make in MECHANISMS.items()
    ]

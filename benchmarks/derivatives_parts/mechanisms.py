"""Every mechanism of a described network, path by path, against central differences in float64.

What is differentiated is the return of a path, to all requests, to everything that the network's
terms hold (costs, prices, limits, yields; no fee, minimum, batch or pause) and to the stock at the
start, in random directions. Steps are so small that they meet no kink.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array

from draingym import Arc, Network, Node, Normal, Store

PERIODS, STEP = 8, 1e-6
SELLS: dict[str, Any] = {"holding_cost": 0.4, "unmet_cost": 5.0, "price": 9.0}
# They change a decision, or are there or not: a path jumps with them, or does not change.
NOT_MOVED = ("request_fee", "ship_fee", "minimum", "batch", "stands")


def _pair(**given: Any) -> Network:
    """Return a plant that a vendor replenishes and two shops that the plant does.

    ``plant``, ``shop``, ``inward`` and ``between`` hold fields of nodes and arcs, the rest is the
    network's.
    """
    parts = {name: given.pop(name, {}) for name in ("plant", "shop", "inward", "between")}
    more = [Arc(None, "b", **given.pop("second"))] if "second" in given else []
    plant: dict[str, Any] = {"on_hand": 14.2, "holding_cost": 0.1} | parts["plant"]
    shop: dict[str, Any] = {"on_hand": 6.3} | SELLS | parts["shop"]
    inward: dict[str, Any] = {"lead_time": 1, "request_cost": 1.0} | parts["inward"]
    between: dict[str, Any] = {"lead_time": 1} | parts["between"]
    return Network(
        nodes=[
            Node("plant", **plant),
            Node("a", **shop),
            Node("b", **shop),
        ],
        arcs=[
            Arc(None, "plant", **inward),
            Arc("plant", "a", **between),
            Arc("plant", "b", **between),
            *more,
        ],
        demand={("a", "b"): Normal(means=(5.0, 4.0), sds=(2.0, 1.5))},
        **given,
    )


def _products(**given: Any) -> Network:
    """Return two products of different volumes in a hall, and a plant that both come from."""
    apart: dict[str, Any] = {"on_hand": 4.3, "store": "hall", "refuse_cost": 2.0} | SELLS
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
COSTS: dict[str, Any] = {
    "request_cost": 1.1,
    "ship_cost": 0.4,
    "receive_cost": 0.3,
    "transit_cost": 0.2,
}
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


def _moved(terms: Any, leaf: Callable[[Array], Any]) -> Any:
    """Return a function of every term; of those that are not moved, zeros."""

    def moved(value: Array) -> Array:
        return jnp.where(jnp.isfinite(value), jnp.asarray(leaf(value)), 0.0)

    named = {
        name: jnp.zeros_like(getattr(terms, name))
        for name in NOT_MOVED
        if getattr(terms, name) is not None
    }
    return replace(jax.tree.map(moved, terms), **named)


def _wide(tree: Any) -> Any:
    return jax.tree.map(
        lambda x: x.astype(float) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree
    )


def errors(network: Network, paths: int, directions: int, seed: int = 0) -> dict[str, float]:
    """Return the largest relative error of the derivative of a path, and its usual size.

    Errors are relative to the derivative, or to its mean size over paths where that is larger.

    Args:
        network: Of real units.
        paths: Demand, requests, terms and stock, drawn for each.
        directions: In which each is moved.
        seed: Of all of them.
    """
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):
        built = network.built
        scenario = _wide(built.sample(jax.random.key(seed), PERIODS))
        params = _wide(built.params)
        terms = params.terms if scenario.series.terms is None else scenario.series.terms
        simulator, ages = built.simulator, scenario.initial.ages

        def value(point: Any, views: Array) -> Array:
            requests, terms, stock = point
            initial, held = scenario.initial, params
            series = replace(scenario.series, glance_views=views)
            if ages is None:
                initial = replace(initial, on_hand=stock)
            if series.terms is None:
                held = replace(held, terms=terms)
            else:
                series = replace(series, terms=terms)
            now = simulator.prepare(held, replace(scenario, initial=initial, series=series))

            def period(state: Any, given: Any) -> Any:
                state, moves = simulator.step(held, state, *given)
                return state, moves.reward

            start = simulator.reset(held, now)
            rewards = jax.lax.scan(period, start, (requests, now.series))[1]
            total: Array = jnp.sum(held.discount ** jnp.arange(PERIODS) * rewards)
            return total

        def along(point: Any, way: Any, views: Array) -> tuple[Array, Array]:
            def at(size: Array) -> tuple[Array, Array]:
                there = jax.tree.map(lambda x, d: x + size * d, point, way)
                both: tuple[Array, Array] = jax.jvp(lambda p: value(p, views), (there,), (way,))
                return both

            # One program for the path and its neighbours: most of the time is compiling.
            values, slopes = jax.vmap(at)(STEP * jnp.arange(-1.0, 2.0))
            return slopes[1], (values[2] - values[0]) / (2 * STEP)

        compare = jax.jit(jax.vmap(along))
        entries = paths * directions

        def drawn(leaf: Array, draw: Callable[[tuple[int, ...]], Any]) -> Any:
            return jnp.asarray(leaf)[None] + draw((entries, *leaf.shape))

        def repeated(shape: tuple[int, ...]) -> Any:  # a path's own, the same in all directions
            return np.repeat(rng.random((paths, *shape[1:])), directions, axis=0)

        shape = (PERIODS, len(network.arcs))
        views = scenario.series.glance_views
        moving = drawn(jnp.zeros_like(views), lambda shape: 10.0 * repeated(shape))
        # Off what limits and costs have in common: kinks that all paths meet.
        off = _moved(terms, lambda leaf: 0.02 * leaf)
        point = (
            9.0 * jnp.asarray(repeated((entries, *shape))),
            jax.tree.map(
                lambda leaf, d: leaf[None] + d[None] * repeated((entries, *leaf.shape)), terms, off
            ),
            drawn(scenario.initial.on_hand, repeated),
        )
        ones = _moved(terms, jnp.ones_like)
        way = (
            jnp.asarray(rng.standard_normal((entries, *shape))),
            jax.tree.map(
                lambda leaf: leaf[None] * rng.standard_normal((entries, *leaf.shape)), ones
            ),
            jnp.asarray(rng.standard_normal((entries, *scenario.initial.on_hand.shape))),
        )
        ours, central = (np.asarray(each) for each in compare(point, way, moving))
    size = float(np.abs(central).mean())
    apart = np.abs(ours - central) / np.maximum(np.abs(central), size)
    return {"largest error": float(apart.max()), "size of the derivative": size}


def _alone(**arc: Any) -> Network:
    return Network(
        nodes=[Node("a", on_hand=3.0, **SELLS)],
        arcs=[Arc(None, "a", request_cost=1.0, **arc)],
        demand={"a": Normal(means=(4.0,), sds=(1.5,))},
    )


# Where a path jumps, or its derivative is straight through: only the mean's says anything.
JUMPS: dict[str, Callable[[], Network]] = {
    "a fee for an order of at least 4 units": lambda: _alone(minimum=4.0, request_fee=6.0),
    "a minimum of 4 units": lambda: _alone(minimum=4.0),
    "batches of 4 units, rounded down": lambda: _alone(batch=4.0),
    "batches of 4 units, to the nearest": lambda: replace(_alone(batch=4.0), rounding="nearest"),
}


def of_the_mean(network: Network, paths: int, step: float = 0.25, seed: int = 0) -> dict[str, Any]:
    """Return autodiff of the mean return to all requests, and its difference.

    Args:
        network: Of one node.
        paths: Each with demand and requests of its own, drawn from 0 to 7 units.
        step: Units, to either side.
        seed: Of all of them.
    """
    rng = np.random.default_rng(seed)
    requests = jnp.asarray(7.0 * rng.random((paths, PERIODS, len(network.arcs))), jnp.float32)
    built = network.built
    scenario = built.sample(jax.random.key(seed), PERIODS)
    views = scenario.series.glance_views
    moving = jnp.asarray(8.0 * rng.random((paths, *views.shape)), jnp.float32)

    def value(more: Array, requests: Array, views: Array) -> Array:
        series = replace(scenario.series, glance_views=views)
        now = built.simulator.prepare(built.params, replace(scenario, series=series))

        def period(state: Any, given: Any) -> Any:
            request, series = given
            state, moves = built.simulator.step(built.params, state, request + more, series)
            return state, moves.reward

        start = built.simulator.reset(built.params, now)
        return jnp.sum(jax.lax.scan(period, start, (requests, now.series))[1])

    def both(more: Array, requests: Array, views: Array) -> tuple[Array, Array]:
        return jax.jvp(lambda m: value(m, requests, views), (more,), (jnp.ones(()),))

    each = jax.vmap(jax.vmap(both, (0, None, None)), (None, 0, 0))
    values, slopes = jax.jit(each)(step * jnp.arange(-1.0, 2.0), requests, moving)
    differences = (values[:, 2] - values[:, 0]) / (2 * step)
    return {
        "autodiff": float(slopes[:, 1].mean()),
        "difference": float(differences.mean()),
        "s.e.": float(differences.std()) / paths**0.5,
    }


def main(out: Path, paths: int = 32, directions: int = 4) -> None:
    """Write a row for every mechanism; see ``errors`` and ``of_the_mean``.

    Args:
        out: JSON file.
        paths: A mechanism.
        directions: A path.
    """
    rows: list[dict[str, Any]] = []
    for name, make in MECHANISMS.items():
        found = errors(make(), paths, directions)
        rows.append({"table": "mechanism", "mechanism": name} | found)
        print(f"{name}: {found['largest error']:.1e}", flush=True)
    for name, make in JUMPS.items():
        found = of_the_mean(make(), 1000 * paths)
        rows.append({"table": "mean of jumps", "mechanism": name} | found)
        print(f"{name}: {found['autodiff']:.3g}, {found['difference']:.3g}", flush=True)
    out.write_text(json.dumps(rows), encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)

"""What a description says, as tables of numbers: terms by period, demand downstream, ages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from draingym.networks.ages import AgeOdds
from draingym.networks.amounts import Amount
from draingym.networks.plan import Plan
from draingym.simulator import LARGEST, MOST_UNITS, Terms, precision

Numbers = NDArray[np.float64]


def real(values: Any) -> Array:
    """Return numbers, in a list or an array, as the simulator's reals."""
    return precision.real(values if isinstance(values, jax.Array) else np.asarray(values))


def selling(network: Plan) -> dict[str, tuple[Any, int]]:
    """Return the demand of each selling node, and its place in it."""
    found: dict[str, tuple[Any, int]] = {}
    for key in network.demand:
        for i, name in enumerate(key if isinstance(key, tuple) else (key,)):
            found[name] = (key, i)
    return found


# Fields of terms, where they are described, and what stands for None.
_ARC_TERMS = {
    "request_limit": ("request_limit", np.inf),
    "minimum": ("minimum", 0.0),
    "batch": ("batch", 0.0),
    "ship_limit": ("ship_limit", np.inf),
    "leave_limit": ("leave_limit", np.inf),
    "stands": ("stands", 0.0),
    "receive_limit": ("receive_limit", np.inf),
    "request_cost": ("request_cost", 0.0),
    "request_fee": ("request_fee", 0.0),
    "ship_cost": ("ship_cost", 0.0),
    "ship_fee": ("ship_fee", 0.0),
    "receive_cost": ("receive_cost", 0.0),
    "transfer_price": ("price", 0.0),
    "short_cost": ("short_cost", 0.0),
    "dock_cost": ("dock_cost", 0.0),
    "transit_price": ("transit_cost", 0.0),
}
_NODE_TERMS = {
    "source_limit": ("ship_limit", np.inf),
    "yields": ("yields", 1.0),
    "refuse_cost": ("refuse_cost", 0.0),
    "waste_cost": ("waste_cost", 0.0),
    "sale_price": ("price", 0.0),
    "unmet_price": ("unmet_cost", 0.0),
    "held_price": ("holding_cost", 0.0),
    "salvage": ("salvage", 0.0),
}

_OWN = ("unmet_price", "held_price", "transit_price")


def _described(network: Plan) -> dict[str, list[Amount]]:
    """Return what the terms say of each arc or node; fields that say nothing are left out."""
    found: dict[str, list[Amount]] = {}
    for table, owners in ((_ARC_TERMS, network.arcs), (_NODE_TERMS, network.nodes)):
        for term, (name, none) in table.items():
            values = [getattr(owner, name) for owner in owners]
            said = [none if value is None else value for value in values]
            if term in _OWN and fixed(said) is not None:
                continue  # a cost of the simulator's own: nothing more to compute
            if any(value != none for value in said):
                found[term] = said
    return found


def fixed(said: list[Amount]) -> list[float] | None:
    """Return amounts that are the same in all periods; None where one differs."""
    same = [value for value in said if isinstance(value, int | float)]
    return same if len(same) == len(said) else None


def varies(network: Plan) -> bool:
    """Return whether any amount differs from period to period."""
    return any(isinstance(value, tuple) for said in _described(network).values() for value in said)


def terms_by_period(network: Plan) -> Callable[[int], Terms]:
    """Return a function of the periods that gives the terms, leaves [T, ...]."""
    return partial(_terms, _described(network))


def _terms(described: Mapping[str, list[Amount]], periods: int) -> Terms:
    return Terms(**{name: columns(said, periods) for name, said in described.items()})


def columns(said: list[Amount], periods: int) -> Any:
    """Return amounts as [T, entries]; lists start again when they end."""
    return np.stack([np.resize(np.atleast_1d(value), periods) for value in said], axis=1)


def longest_lead(network: Plan) -> int:
    """Return how many periods ahead anything is in transit."""
    return max([max(arc.longest_lead, len(arc.in_transit)) for arc in network.arcs], default=0)


def longest_delay(network: Plan) -> int:
    """Return after how many periods the last source sees a request."""
    return max([arc.delay for arc in network.arcs], default=0)


def life(network: Plan) -> int:
    """Return the longest shelf life; 0 where nothing ages."""
    return max(node.shelf_life or 0 for node in network.nodes)


def first(network: Plan) -> list[int]:
    """Return the row of each node's youngest units: rows end with the last period of its life."""
    longest = life(network)
    return [0 if node.shelf_life is None else longest - node.shelf_life for node in network.nodes]


def drawn_ages(network: Plan) -> dict[int, AgeOdds]:
    """Return the odds of the arcs whose units come in an age that is drawn, by the arc's place."""
    return {e: arc.ages for e, arc in enumerate(network.arcs) if isinstance(arc.ages, AgeOdds)}


def downstream(network: Plan) -> Numbers:
    """Return [N] the mean demand of each node and of all that it feeds, units a period."""
    index = network.index
    demand = np.zeros(len(network.nodes))
    for name, (key, i) in selling(network).items():
        what = network.demand[key]
        if hasattr(what, "mean"):
            demand[index[name]] = what.mean[i]
        else:
            table = np.asarray(what, np.float64)
            demand[index[name]] = np.abs(table.reshape(len(table), -1)[:, i]).mean()
    below, known = demand, np.full_like(demand, np.nan)
    while not np.array_equal(below, known):  # a level further with every turn: there is no circle
        known, below = below, demand.copy()
        for arc in network.arcs:
            if arc.source is not None:
                units = known[index[arc.target]] * (arc.needs or 1.0)
                below[index[arc.source]] += units / network.nodes[index[arc.source]].yields
    return below


def most(network: Plan) -> Numbers:
    """Return what an action of 1 requests, or as told.

    Four times the mean demand downstream between two reviews, at least a batch and the minimum, at
    most the limit.
    """
    below = downstream(network)
    bound = MOST_UNITS if network.whole_units else LARGEST
    units = []
    for arc in network.arcs:
        usual = 4.0 * below[network.index[arc.target]] * (arc.needs or 1.0) * arc.review
        least = [np.max(value) for value in (arc.batch, arc.minimum) if value is not None]
        limit = np.inf if arc.request_limit is None else float(np.max(arc.request_limit))
        usual = min(max(usual, 1.0, *least), limit, bound)
        units.append(arc.most if arc.most is not None else max(usual, 1e-6))
    return np.array(units)

"""Echelon levels of lines whose orders take time, and of assembly trees: how their optima act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from draingym.common.arrays import FloatArray
from draingym.policies.bounds.optimal import serial_optimum
from draingym.simulator import Observation


@dataclass(frozen=True, kw_only=True, slots=True)
class EchelonLevels:
    """Raise the echelon position of every item to its level, in a tree that ends in one item.

    An item's echelon position is all of it, ordered and not yet sold, in whatever it has become. A
    line is such a tree, with an item a stage. The parameters are a level an item. Gradients are
    exact almost everywhere.

    Attributes:
        feeds: Item that each is a part of; -1 for the last.
        into: Arcs into each item, which all request the same.
        out: Arc on which each item leaves; -1 for the last.
        lead_times: Periods from each item's order to its arrival.
        reach: Periods from each item's order until it can be sold.
        balanced: No item is ordered up to more than will be there of the one with the next longer
            reach: parts do not wait for each other. Lines, whose sources owe what they lack, need
            it not.
        levels: To start from.

    Source:
        Clark and Scarf (1960); Rosling (1989), where balanced.
    """

    feeds: tuple[int, ...]
    into: tuple[tuple[int, ...], ...]
    out: tuple[int, ...]
    lead_times: tuple[int, ...]
    reach: tuple[int, ...]
    balanced: bool
    levels: tuple[float, ...]

    def init(self, key: Array) -> Float[Array, " N"]:
        """Return the levels to start from."""
        del key
        return jnp.asarray(self.levels, jnp.float32)

    def apply(
        self, params: Float[Array, " N"], observation: Observation, key: Array
    ) -> Float[Array, " E"]:
        """Return the units requested on every arc."""
        del key
        way = jnp.sum(observation.pipeline, axis=0)
        way = way if observation.parts is None else way + observation.parts
        ordered = way if observation.owed is None else way + observation.owed
        if observation.queue is not None:
            ordered = ordered + jnp.sum(observation.queue, axis=0)
        below: dict[int, Array] = {}  # of an item, on hand and in what it has become
        while len(below) < len(self.feeds):
            for i, after in enumerate(self.feeds):
                if after < 0:
                    below[i] = observation.on_hand[i] - observation.waiting[i]
                elif after in below:
                    below[i] = observation.on_hand[i] + way[self.out[i]] + below[after]
        position = {i: below[i] + ordered[arcs[0]] for i, arcs in enumerate(self.into)}
        longest = sorted(range(len(self.feeds)), key=lambda i: self.reach[i])[::-1]
        request = {longest[0]: jnp.maximum(params[longest[0]] - position[longest[0]], 0.0)}
        for longer, i in pairwise(longest):
            level = params[i]
            if self.balanced:
                there = self._there(observation, position[longer], longer, i, request[longer])
                level = jnp.minimum(level, there)
            request[i] = jnp.maximum(level - position[i], 0.0)
        units = jnp.zeros(way.shape)
        for i, arcs in enumerate(self.into):
            units = units.at[np.array(arcs)].set(request[i])
        return units

    def _there(
        self, observation: Observation, position: Array, longer: int, i: int, request: Array
    ) -> Array:
        """Return what was ordered of an item by as much earlier as its reach is longer."""
        earlier = self.reach[longer] - self.reach[i]
        if earlier == 0:
            return position + request
        lead = self.lead_times[longer]
        recent = observation.pipeline[lead - earlier + 1 : lead, self.into[longer][0]]
        return position - jnp.sum(recent)


def tree_optimum(
    pmf: FloatArray,
    *,
    feeds: Sequence[int],
    lead_times: Sequence[int],
    transit_times: Sequence[int],
    holding_costs: Sequence[float],
    unmet_cost: float,
) -> tuple[list[float], float, list[int]]:
    """Return the least cost of a tree that ends in one item, by the line that it is equal to.

    Items in order of their reach are the stages of a line; those of the same reach are one stage,
    whose echelon costs add up. The line's least cost, goods on their way included, becomes the
    tree's by what is on hand and what is not: an item is on its shelf as long after its order as
    its lead time, and not as the line's; goods on their way are free.

    Args:
        pmf: [K] probability of k units a period.
        feeds: Item that each is a part of; -1 for the last.
        lead_times: Periods from each item's order to its arrival.
        transit_times: Periods of them that goods are on their way.
        holding_costs: Currency a unit on hand, or waiting for other parts, at a period's end.
        unmet_cost: Currency a unit that customers wait for at a period's end.

    Returns:
        Echelon levels, the cost a period, and the reach of each item.

    Source:
        Clark and Scarf (1960); Rosling (1989). Assumes a start in long-run balance.
    """
    items = range(len(feeds))
    reach: dict[int, int] = {}
    ahead: dict[int, int] = {}  # periods from an item's departure until it can be sold
    echelon = list(holding_costs)
    for i in items:
        if feeds[i] >= 0:
            echelon[feeds[i]] -= holding_costs[i]
    while len(reach) < len(feeds):
        for i, after in enumerate(feeds):
            if after < 0 or after in reach:
                further = 0 if after < 0 else ahead[after]
                reach[i] = lead_times[i] + further
                ahead[i] = transit_times[i] + further
    stages = sorted(set(reach.values()))[::-1]  # the longest reach is upstream
    gaps = [a - b for a, b in pairwise([*stages, 0])]
    added = [sum(echelon[i] for i in items if reach[i] == stage) for stage in stages]
    local = np.cumsum(added)
    best = serial_optimum(
        pmf, 1.0, lead_times=gaps, holding_cost=local.tolist(), unmet_cost=unmet_cost
    )
    mean = float(pmf @ np.arange(len(pmf)))
    periods = [*gaps[:-1], gaps[-1] + 1]
    cost = best.cost + mean * float(np.dot(local[:-1], periods[1:]))
    for i in items:
        if feeds[i] >= 0:
            later = lead_times[i] + 1 - gaps[stages.index(reach[i])]
            cost -= mean * (echelon[i] * later + holding_costs[i] * transit_times[feeds[i]])
    levels = [float(best.levels[stages.index(reach[i])]) for i in items]
    return levels, cost, [reach[i] for i in items]

"""A base stock for any network of arcs: what is there, and due, is filled up to a level."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from draingym.networks.plan import Plan
from draingym.networks.tables import downstream
from draingym.simulator import Observation
from draingym.simulator.network.arcs import in_transit


@dataclass(frozen=True)
class ArcBaseStock:
    """``request = max(level - position, 0)`` of a node, on the first of its arcs that is listed.

    ``position = on hand + in transit + owed to it + on order - customers who wait - what it owes``.
    An assembler requests what its parts need of every one. Parameters are [N] levels.

    Attributes:
        source: [E] node that ships on each arc, -1 for a vendor.
        target: [E] node that it replenishes.
        weight: [E] units requested on the arc for a unit that its target is short of.
        levels: [N] to start from.

    Gradients: exact almost everywhere; the kink is where the position is the level.

    Example:
        >>> arcs = {"source": (-1, 0), "target": (0, 1), "weight": (1.0, 1.0)}
        >>> policy = ArcBaseStock(**arcs, levels=(20.0, 8.0))
        >>> policy.init(jax.random.key(0)).tolist()
        [20.0, 8.0]
    """

    source: tuple[int, ...]
    target: tuple[int, ...]
    weight: tuple[float, ...]
    levels: tuple[float, ...]

    def init(self, key: Array) -> Float[Array, " N"]:
        """Return the levels to start from."""
        del key
        return jnp.asarray(self.levels, float)

    def apply(
        self, params: Float[Array, " N"], observation: Observation, key: Array
    ) -> Float[Array, " E"]:
        """Return requests; see the class."""
        del key
        weight = jnp.asarray(self.weight, float)
        coming = in_transit(observation.pipeline)
        owed = jnp.zeros_like(coming) if observation.owed is None else observation.owed
        for waits in (observation.gate, observation.door, observation.parts):
            coming = coming if waits is None else coming + waits
        if observation.queue is not None:
            coming = coming + jnp.sum(observation.queue, axis=0)
        # Of an assembler's parts the one that there is least of counts; arcs without weight do not.
        per_unit = (coming + owed) / jnp.where(weight > 0, weight, jnp.inf)
        nodes = observation.on_hand.shape[0]
        target, source = np.array(self.target), np.array(self.source)
        counts = (target[None, :] == np.arange(nodes)[:, None]) & (np.array(self.weight) > 0)[None]
        least = jnp.min(jnp.where(counts, per_unit[None, :], jnp.inf), axis=1)
        leaves = jnp.asarray(source[None, :] == np.arange(nodes)[:, None])
        behind = jnp.sum(jnp.where(leaves, owed[None, :], 0.0), axis=1)
        position = observation.on_hand + jnp.where(least < jnp.inf, least, 0.0)
        short = jax.nn.relu(params - (position - observation.waiting - behind))
        return weight * short[target]


def base_stock(network: Plan, *, cover: float = 1.0) -> ArcBaseStock:
    """Return a base stock whose levels cover the mean demand downstream over a node's lead time.

    ``level = mean demand downstream * (lead time + delay + 1 + cover)``: a rule of thumb to start
    from; tune it for anything else.

    Args:
        network: What it is for.
        cover: Periods of demand beyond the lead time.
    """
    index = network.index
    weight, first = [], set()
    lead = np.zeros(len(network.nodes))
    for arc in network.arcs:
        n = index[arc.target]
        chosen = arc.needs is not None or n not in first
        weight.append((arc.needs or 1.0) if chosen else 0.0)
        if chosen:
            lead[n] = max(lead[n], arc.longest_lead + arc.delay)
            if arc.needs is None:
                first.add(n)
    levels = downstream(network) * (lead + 1.0 + cover)
    return ArcBaseStock(
        source=tuple(-1 if arc.source is None else index[arc.source] for arc in network.arcs),
        target=tuple(index[arc.target] for arc in network.arcs),
        weight=tuple(weight),
        levels=tuple(levels.tolist()),
    )

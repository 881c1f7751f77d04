"""What the network computes once per geography, once per scenario, and in every period."""

from __future__ import annotations

from dataclasses import dataclass

import jax
from jaxtyping import Array, Bool, Float

from draingym.drain_model.data.statistics import Statistics


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Static:
    """What a geography alone determines, computed once, and the data's statistics."""

    statistics: Statistics
    node: Float[Array, "N W"]  # embedding of the place
    coordinates: Float[Array, "N 2"]  # of the nodes, normalised
    region: Float[Array, "Z 2"]  # coordinates of the regions, normalised
    bias_outbound: Float[Array, "A N Z"] | None  # attention bias by head
    bias_cost: Float[Array, "A N Z"] | None
    lane: Float[Array, "B N Z"]  # log preference by lane head
    haul: Float[Array, "B N Z"]  # log cost feature of a lane
    reach: Float[Array, "B N Z"]  # share of orders that are placed under the lane's promise


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Exogenous:
    """What no action can change: the whole location stream, by period."""

    active: Bool[Array, "*b N"]
    scale: Float[Array, "*b"]  # units: 1 + expected orders per active node
    context: Float[Array, "*b W"]
    keys_outbound: Float[Array, "*b Z A D"]
    values_outbound: Float[Array, "*b Z A D"]
    keys_cost: Float[Array, "*b Z A D"]
    values_cost: Float[Array, "*b Z A D"]
    lane_query: Float[Array, "*b Z B D"]
    lane_range: Float[Array, "*b B"]
    demand: Float[Array, "*b Z"]  # units expected to be ordered
    usual: Float[Array, "*b Z"]  # units a period, of late


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Nodes:
    """The nodes of a period, once they have met each other and the regions."""

    tokens: Float[Array, "*b N W"]
    routed: Float[Array, "*b N G"]  # features of the lanes
    mean: Float[Array, "*b N"]  # units routed to the node, were its stock no limit
    served: Float[Array, "*b N"]  # units routed to it that it has stock for
    flow: Float[Array, "*b N Z"] | None  # those units by region; none without lanes

"""Customers who buy at one node: the transition of the classic inventory problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from draingym.simulator.draws import lesser
from draingym.simulator.network.arcs import total_of
from draingym.simulator.ratio import ratio
from draingym.simulator.types import Drain, History, PyTree, Series

Ties = Literal["demand", "split", "by path"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class LocalDemandParams:
    """Which node serves a region, and the cost of a unit shipped."""

    # [N, Z]: share of a region's views that is demand at the node. Or [Z]: the node at which all of
    # a region buys, so that there is no table of as many nodes as regions.
    share: Float[Array, "N Z"] | Int[Array, " Z"]
    unit_ship_cost: Float[Array, " N"]  # currency per unit
    # Where a kernel has a backlog, the nodes whose customers wait; None is all of them.
    waits: Bool[Array, " N"] | None = None
    # [n, m]: share of the customers of m who find nothing there and take n instead; None is nobody.
    substitute: Float[Array, "N N"] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalDemand:
    """Demand arrives at a node and is served from that node's stock alone.

    ``demand_n = sum_z share[n, z] * glance_views[z]``. What stock cannot serve is lost, or waits
    (``backlog``) and is served first in later periods. No draw is made: demand is the scenario's.

    Where customers substitute, what is left at n after its own customers is sold to those who find
    nothing at m and accept n: ``min(left_n, sum_m substitute[n, m] * unmet_m)``. They are expected
    numbers, not draws.

    Gradients: exact almost everywhere. At a tie of need and stock there are two sides, and ``ties``
    says which is taken; values are the same. Stock's side is 1 with respect to stock, demand's is
    0: one more unit would have stayed on the shelf.

    - ``"demand"``: demand's side.
    - ``"split"``: half of each. Where whole units are rounded at random, a tie comes about as often
      from above as from below.
    - ``"by path"``: one side in all ties of a path, demand's in half of the paths. A unit more is
      still there at the next tie, where it must count again, so that halves of halves are wrong and
      their mean over paths is not. It takes the uniforms of whole units, and means of many paths.

    Attributes:
        backlog: What stock cannot serve waits.
        ties: Whose derivative is taken where need equals stock.
    """

    backlog: bool = False
    ties: Ties = "demand"

    def __post_init__(self) -> None:
        """Refuse a way that there is not.

        Raises:
            ValueError: If ``ties`` is none of the three.
        """
        if self.ties not in get_args(Ties):
            raise ValueError(f"ties is {self.ties!r}, must be one of {get_args(Ties)}")

    @property
    def num_uniforms(self) -> int:
        """Demand is drawn when the scenario is, so none."""
        return 0

    def prepare(self, params: LocalDemandParams, series: Series) -> PyTree:
        """Return the demand of every period at every node [T, N], units, and the path's side.

        The side [T], where it is the path's, is 1 for demand's and -1 for stock's.
        """
        demand = self._demand(params, series.glance_views)
        if self.ties != "by path":
            return demand
        # Of the first rounding's uniform only digits that decide nothing.
        odd = jnp.floor(2.0**12 * series.round_uniform[0, 0]) % 2.0
        return demand, jnp.broadcast_to(2.0 * odd - 1.0, demand.shape[:1])

    def _demand(self, params: LocalDemandParams, views: Float[Array, "T Z"]) -> Float[Array, "T N"]:
        if params.share.ndim == 2:
            return views @ params.share.T
        none = jnp.zeros((views.shape[0], params.unit_ship_cost.shape[0]), views.dtype)
        return none.at[:, params.share].add(views)

    def init(self, params: LocalDemandParams, history: History) -> Float[Array, " N"]:
        """Return the units of demand that wait at the start."""
        waiting = history.waiting
        return jnp.zeros_like(params.unit_ship_cost) if waiting is None else waiting

    def drain(
        self,
        params: LocalDemandParams,
        memory: Float[Array, " N"],
        available: Float[Array, " N"],
        exogenous: PyTree,
        uniforms: Float[Array, " K"],
    ) -> tuple[Float[Array, " N"], Drain]:
        """Serve ``min(demand + waiting, available)`` at every node."""
        del uniforms
        demand, side = exogenous if self.ties == "by path" else (exogenous, None)
        need = demand + memory
        if side is not None:
            outbound = jnp.where(side > 0, lesser(need, available), lesser(available, need))
        elif self.ties == "split":  # JAX's own minimum takes half of each side at a tie
            outbound = jnp.minimum(need, available)
        else:
            outbound = lesser(need, available)
        unmet = need - outbound
        if params.substitute is not None:
            asked = total_of(params.substitute, unmet)
            sold = lesser(asked, available - outbound)
            served = total_of(params.substitute.T, ratio(sold, asked))
            outbound, unmet = outbound + sold, unmet - unmet * served
        none = jnp.zeros_like(unmet)
        lost, waiting = (none, unmet) if self.backlog else (unmet, none)
        if self.backlog and params.waits is not None:
            lost = jnp.where(params.waits, 0.0, unmet)
            waiting = jnp.where(params.waits, unmet, 0.0)
        drain = Drain(
            outbound=outbound,
            ship_cost=params.unit_ship_cost * outbound,
            lost=lost,
            waiting=waiting,
        )
        return drain.waiting, drain

"""The closest node: every order goes to a near node with stock. The baseline, and a kernel.

Orders of a period: ``n_z ~ Binomial(GV_z, rate)``, shuffled; each takes node n with probability
softmax(-lambda distance) over the nodes with stock, until stock is gone. Drawn as follows, with the
same distribution: the total is Binomial(sum GV_z, rate) by inverse CDF, and the orders are views
without replacement, so each comes from a region with the probability of its views still left.

Source: Outbound, Appendix E; METHODS section 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from draingym.simulator import Drain, History, Series


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class ClosestNodeParams:
    """What the closest node knows of a network, and its few fitted numbers."""

    distance_km: Float[Array, "N Z"]
    serves: Bool[Array, " N"]  # whether customers are served from the node
    active_from: Int[Array, " N"]  # first period in which the node exists
    temperature: Float[Array, ""]  # lambda, 1 / km; large is the closest node with stock
    rate_scale: Float[Array, ""]  # units per view over the conversion attribute
    cost_fixed: Float[Array, ""]  # currency a unit
    cost_per_km: Float[Array, ""]  # currency a unit and km


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Orders:
    """The orders of a period, in the order in which they come; no action changes them."""

    region: Int[Array, "*b M"]  # -1 after the last order
    active: Bool[Array, "*b N"]
    overflow: Int[Array, "*b"]  # 1 where more than M orders were drawn, and M kept


def draw_orders(
    views: Float[Array, " Z"],
    rate: Float[Array, ""],
    uniforms: Float[Array, " K"],
) -> tuple[Int[Array, " M"], Int[Array, ""]]:
    """Draw one period's orders.

    Args:
        views: [Z] page views; the whole part counts.
        rate: Units ordered per view, in [0, 1].
        uniforms: [1 + M] in [0, 1): of the total, then of every order's region.

    Returns:
        [M] region of every order, -1 after the last; and 1 if the total was above M, else 0.
    """
    most = uniforms.shape[0] - 1
    views = jnp.floor(views)
    total = jnp.sum(views)
    rate = jnp.clip(rate, 1e-7, 1.0 - 1e-6)
    # log pmf by its own recursion: log-gamma of many views has no digits left in float32.
    k = jnp.arange(most, dtype=views.dtype)
    ratio = jnp.log(jnp.maximum(total - k, 0.0) / (k + 1.0)) + jnp.log(rate) - jnp.log1p(-rate)
    log_pmf = total * jnp.log1p(-rate) + jnp.concatenate([jnp.zeros((1,)), jnp.cumsum(ratio)])
    cumulative = jnp.cumsum(jnp.exp(log_pmf))
    # What is missing to 1 by rounding alone is no overflow.
    whole = (cumulative[-1] > 1.0 - 1e-4) | (total <= most)
    number = jnp.sum(jnp.where(whole, cumulative[-1], 1.0) * uniforms[0] > cumulative)
    overflow = number > most
    number = jnp.minimum(number, most)

    def one(left: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        u, index = now
        reached = jnp.cumsum(left)
        region = jnp.sum(u * reached[-1] >= reached)
        region = jnp.minimum(region, left.shape[0] - 1)
        taken = jnp.arange(left.shape[0]) == region
        return left - taken, jnp.where(index < number, region, -1)

    _, region = jax.lax.scan(one, views, (uniforms[1:], jnp.arange(most)))
    return region.astype(jnp.int32), overflow.astype(jnp.int32)


def fill_orders(
    params: ClosestNodeParams,
    region: Int[Array, " M"],
    active: Bool[Array, " N"],
    available: Float[Array, " N"],
    uniforms: Float[Array, " M"],
    *,
    choices: int,
) -> tuple[Float[Array, " N"], Float[Array, " N"], Float[Array, " N"]]:
    """Let every order in turn take a unit.

    An order takes ``min(remaining, stock)`` of a node drawn by softmax(-lambda distance) from
    those with stock; what remains goes to the next node drawn the same way (the position of the
    uniform inside the atom is a uniform again), ``choices`` nodes at most.

    Args:
        params: The closest node's.
        region: [M] of every order, -1 for none.
        active: [N] nodes that serve customers.
        available: [N] units.
        uniforms: [M] in [0, 1).
        choices: Whole units are filled by one; two carry the derivative; N for real units.

    Returns:
        [N] units shipped, their cost in currency, and units lost, these by the closest active
        node.

    Gradients:
        Pathwise, with respect to ``available``, given the uniforms. At a tie of stock and what
        remains (always, when the last whole unit goes) the stock's side is taken: the derivative
        is that of one unit *less*, which the order would have taken from its next choice.
    """
    nodes = available.shape[0]
    stock = jnp.where(active, available, 0.0)
    nearest = jnp.where(active[:, None], params.distance_km, jnp.inf)
    closest = jnp.argmin(nearest, axis=0)

    def order(
        carry: tuple[Array, Array, Array], now: tuple[Array, Array]
    ) -> tuple[tuple[Array, Array, Array], None]:
        left, cost, lost = carry
        z, u = now
        distance = params.distance_km[:, z]
        remaining = jnp.where(z >= 0, 1.0, 0.0)
        candidates = left > 0
        for _ in range(choices):
            score = jnp.where(candidates, -params.temperature * distance, -jnp.inf)
            best = jnp.max(score)
            weight = jnp.where(candidates, jnp.exp(score - jnp.where(best > -1e30, best, 0.0)), 0.0)
            reached = jnp.cumsum(weight)
            node = jnp.minimum(jnp.sum(u * reached[-1] >= reached), nodes - 1)
            chosen = (jnp.arange(nodes) == node) & candidates
            mass = jnp.sum(jnp.where(chosen, weight, 0.0))
            before = jnp.sum(jnp.where(jnp.arange(nodes) < node, weight, 0.0))
            u = jnp.clip((u * reached[-1] - before) / jnp.maximum(mass, 1e-30), 0.0, 1.0 - 1e-7)
            take = jnp.where(chosen, jnp.where(left <= remaining, left, remaining), 0.0)
            left = left - take
            cost = cost + take * (params.cost_fixed + params.cost_per_km * distance)
            remaining = remaining - jnp.sum(take)
            candidates = candidates & ~chosen
        lost = lost + jnp.where(jnp.arange(nodes) == closest[z], remaining, 0.0)
        return (left, cost, lost), None

    none = jnp.zeros_like(stock)
    (left, cost, lost), _ = jax.lax.scan(order, (stock, none, none), (region, uniforms))
    # Not the sum of what was taken, which rounding may lift above the stock.
    return stock - left, cost, jnp.where(active, lost, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosestNode:
    """The closest node as a ``DrainKernel``, for comparison with the learned one.

    Orders are exogenous and drawn in ``prepare``; a period's drain fills them from stock. At most
    ``max_orders`` orders a period are kept. Outside of ``jit`` and ``vmap`` a period that needs
    more raises; inside, ``Orders.overflow`` counts such periods. ``max_orders_for`` gives a
    bound.

    Uniforms: 1 of the total, M of regions, M of nodes.

    Gradients: see ``fill_orders``. Exact one-sided derivatives of the path, given the uniforms;
    the derivative with respect to views is zero (orders are whole).
    """

    max_orders: int
    num_nodes: int
    conversion_column: int = 2  # attribute that is the log of units per view
    choices: int = 2  # nodes an order may draw on; N for stock in real units

    def __post_init__(self) -> None:
        """Check the bounds."""
        for name in ("max_orders", "num_nodes", "choices"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")

    @property
    def num_uniforms(self) -> int:
        """How many uniforms a period's draw uses, ``1 + 2 M``."""
        return 1 + 2 * self.max_orders

    @property
    def backlog(self) -> bool:
        """No: what finds no stock is lost."""
        return False

    def prepare(self, params: ClosestNodeParams, series: Series) -> Orders:
        """Draw the orders of all periods.

        Raises:
            ValueError: If, outside of ``jit`` and ``vmap``, a period has more orders than
                ``max_orders``, naming the first such period.
        """
        rate = jnp.exp(series.attributes[:, self.conversion_column]) * params.rate_scale
        region, overflow = jax.vmap(draw_orders)(
            series.glance_views, rate, series.drain_uniform[:, : 1 + self.max_orders]
        )
        if not isinstance(overflow, jax.core.Tracer) and bool(jnp.any(overflow > 0)):
            first = int(jnp.argmax(overflow > 0))
            raise ValueError(
                f"period {first} has more than max_orders {self.max_orders}, must be at "
                "most that many (max_orders_for gives a bound)"
            )
        active = params.serves[None, :] & (series.period[:, None] >= params.active_from[None, :])
        return Orders(region=region, active=active, overflow=overflow)

    def init(self, params: ClosestNodeParams, history: History) -> tuple[()]:
        """Return no memory: orders do not depend on the past."""
        del params, history
        return ()

    def drain(
        self,
        params: ClosestNodeParams,
        memory: tuple[()],
        available: Float[Array, " N"],
        exogenous: Orders,
        uniforms: Float[Array, " K"],
    ) -> tuple[tuple[()], Drain]:
        """Fill the period's orders from stock."""
        shipped, cost, lost = fill_orders(
            params,
            exogenous.region,
            exogenous.active,
            available,
            uniforms[1 + self.max_orders :],
            choices=self.choices,
        )
        drain = Drain(outbound=shipped, ship_cost=cost, lost=lost, waiting=jnp.zeros_like(shipped))
        return memory, drain

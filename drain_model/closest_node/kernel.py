"""The closest node: every order goes to a near node with stock. The baseline, and a kernel.

Orders of a period: ``n_z ~ Binomial(GV_z, rate)``, shuffled; each takes node n with probability
softmax(-lambda distance) over the nodes with stock, until stock is gone. Drawn as follows, with the
same distribution: the total is Binomial(sum GV_z, rate) by inverse CDF, and the orders are views
without replacement, so each comes from a region with the probability of its views still left.

Source: Outbound, Appendix E; METHODS section 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Int

from draingym.simulator import Drain, History, Series


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class ClosestNodeParams:
    """What the closest node knows of a network, and its few fitted numbers.

    >>> params = ClosestNodeParams(
    ...     distance_km=jnp.array([[100.0, 900.0], [900.0, 100.0]]),
    ...     serves=jnp.ones(2, bool),
    ...     active_from=jnp.zeros(2, int),
    ...     temperature=jnp.float32(0.005),  # a kilometre more is half a percent less likely
    ...     rate_scale=jnp.float32(1.0),
    ...     cost_fixed=jnp.float32(4.0),
    ...     cost_per_km=jnp.float32(0.01),
    ... )
    >>> float(params.cost_fixed + params.cost_per_km * params.distance_km[0, 1])
    13.0
    """

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


@custom_vmap
def _most(number: Int[Array, "*b"]) -> Int[Array, ""]:
    """Return the largest of all entries, those of ``jax.vmap``'s batch included.

    A loop that runs as often leaves no iteration out, and has one length for the whole batch.
    """
    return jnp.max(number)


@_most.def_vmap
def _most_of_batch(size: int, batched: list[bool], number: Array) -> tuple[Array, bool]:
    del size, batched
    return _most(number), False


def draw_orders(
    views: Float[Array, "Z ..."],
    rate: Float[Array, "*b"],
    uniforms: Float[Array, "K ..."],
) -> tuple[Int[Array, "M ..."], Int[Array, "*b"]]:
    """Draw the orders of one period, or of many, which are the last axes.

    Args:
        views: [Z, *b] page views; the whole part counts. Sums are exact up to 2**24.
        rate: [*b] units ordered per view, in [0, 1].
        uniforms: [1 + M, *b] in [0, 1): of the total, then of every order's region.

    Returns:
        [M, *b] region of every order, -1 after the last; and [*b] 1 if the total was above M, else
        0.
    """
    most, regions = uniforms.shape[0] - 1, views.shape[0]
    views = jnp.floor(views)
    reached = jnp.cumsum(views, axis=0)
    total = jnp.sum(views, axis=0)
    rate = jnp.clip(rate, 1e-7, 1.0 - 1e-6)

    def column(count: int) -> Array:
        return jnp.arange(count).reshape((count,) + (1,) * total.ndim)

    # log pmf by its own recursion: log-gamma of many views has no digits left in float32.
    k = column(most).astype(views.dtype)
    ratio = jnp.log(jnp.maximum(total[None] - k, 0.0) / (k + 1.0))
    ratio = ratio + jnp.log(rate)[None] - jnp.log1p(-rate)[None]
    none = jnp.zeros_like(total)[None]
    log_pmf = jnp.concatenate([none, jnp.cumsum(ratio, axis=0)])
    log_pmf = (total * jnp.log1p(-rate))[None] + log_pmf
    cumulative = jnp.cumsum(jnp.exp(log_pmf), axis=0)
    # What is missing to 1 by rounding alone is no overflow.
    whole = (cumulative[-1] > 1.0 - 1e-4) | (total <= most)
    target = jnp.where(whole, cumulative[-1], 1.0) * uniforms[0]
    number = jnp.sum(target[None] > cumulative, axis=0)
    overflow = number > most
    number = jnp.minimum(number, most)
    last = column(regions)

    def one(index: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        reached, region = carry  # views up to each region that have not ordered yet
        target = uniforms[1 + index] * reached[-1]
        drawn = jnp.sum(target[None] >= reached, axis=0, dtype=jnp.int32)
        drawn = jnp.minimum(drawn, regions - 1)
        region = region.at[index].set(jnp.where(index < number, drawn, -1))
        return reached - (last >= drawn[None]), region

    nowhere = jnp.full((most, *total.shape), -1, jnp.int32)
    _, region = jax.lax.fori_loop(0, _most(number), one, (reached, nowhere))
    return region, overflow.astype(jnp.int32)


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
        choices: N for real units. Fewer are for whole ones, which one fills; two carry the
            derivative.

    Returns:
        [N] units shipped, their cost in currency, and units lost, these by the closest active
        node.

    Gradients:
        Pathwise, with respect to ``available``, given the uniforms. At a tie of stock and what
        remains (always, when the last whole unit goes) the stock's side is taken: the derivative
        is that of one unit *less*, which the order would have taken from its next choice.
    """
    stock = jnp.where(active, available, 0.0)
    if choices < stock.shape[0]:
        left, cost, lost = _filled_whole(params, region, active, stock, uniforms, choices)
    else:
        left, cost, lost = _filled(params, region, active, stock, uniforms, choices)
    # Not the sum of what was taken, which rounding may lift above the stock.
    return stock - left, cost, jnp.where(active, lost, 0.0)


def _filled(
    params: ClosestNodeParams,
    region: Int[Array, " M"],
    active: Bool[Array, " N"],
    stock: Float[Array, " N"],
    uniforms: Float[Array, " M"],
    choices: int,
) -> tuple[Float[Array, " N"], Float[Array, " N"], Float[Array, " N"]]:
    """Return what is left of the stock, the cost and the units lost; see ``fill_orders``."""
    nodes = stock.shape[0]
    closest = _closest(params, active)

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
    filled, _ = jax.lax.scan(order, (stock, none, none), (region, uniforms))
    left, cost, lost = filled
    return left, cost, lost


def _closest(params: ClosestNodeParams, active: Bool[Array, "N ..."]) -> Int[Array, "Z ..."]:
    """Return the closest active node of every region; the first where none is."""
    distance = params.distance_km.reshape(*params.distance_km.shape, *(1,) * (active.ndim - 1))
    closest: Array = jnp.argmin(jnp.where(active[:, None], distance, jnp.inf), axis=0)
    return closest


@partial(jax.custom_jvp, nondiff_argnums=(5,))
def _filled_whole(
    params: ClosestNodeParams,
    region: Int[Array, " M"],
    active: Bool[Array, " N"],
    stock: Float[Array, " N"],
    uniforms: Float[Array, " M"],
    choices: int,
) -> tuple[Float[Array, " N"], Float[Array, " N"], Float[Array, " N"]]:
    """Return what ``_filled`` returns where units are whole: only derivatives need more choices."""
    del choices
    filled: tuple[Array, Array, Array] = _fill_whole(params, region, active, stock, uniforms)
    return filled


@_filled_whole.defjvp
def _filled_whole_jvp(choices: int, primals: Any, tangents: Any) -> tuple[Any, Any]:
    _, moved = jax.jvp(partial(_filled, choices=choices), primals, tangents)
    return _fill_whole(*primals), moved


def _fill_each(
    params: ClosestNodeParams,
    region: Int[Array, "M ..."],
    active: Bool[Array, "N ..."],
    stock: Float[Array, "N ..."],
    uniforms: Float[Array, "M ..."],
) -> tuple[Float[Array, "N ..."], Float[Array, "N ..."], Float[Array, "N ..."]]:
    """Fill whole orders by one choice each, as many as there are at most in the batch.

    The batch is the last axes, where processors handle many entries at once.
    """
    nodes, batch = stock.shape[0], stock.shape[1:]
    closest = _closest(params, active)
    every = jnp.arange(nodes).reshape(nodes, *(1,) * len(batch))

    def order(index: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        left, cost, lost = carry
        z, u = region[index], uniforms[index]
        distance = params.distance_km[:, z]
        candidates = left > 0
        score = jnp.where(candidates, -params.temperature * distance, -jnp.inf)
        best = jnp.max(score, axis=0)
        best = jnp.where(best > -1e30, best, 0.0)
        weight = jnp.where(candidates, jnp.exp(score - best[None]), 0.0)
        reached = _running_sum(weight)
        node = jnp.minimum(jnp.sum((u * reached[-1])[None] >= reached, axis=0), nodes - 1)
        taken = (every == node[None]) & candidates & (z >= 0)[None]
        take = jnp.where(taken, jnp.minimum(left, 1.0), 0.0)
        missed = jnp.where(z >= 0, 1.0, 0.0) - jnp.sum(take, axis=0)
        near = jnp.take_along_axis(closest, jnp.broadcast_to(z, (1, *batch)), axis=0)
        left = left - take
        cost = cost + take * (params.cost_fixed + params.cost_per_km * distance)
        lost = lost + jnp.where(every == near, missed[None], 0.0)
        return left, cost, lost

    none = jnp.zeros_like(stock)
    place = jnp.arange(1, region.shape[0] + 1).reshape(-1, *(1,) * len(batch))
    number = jnp.max(jnp.where(region >= 0, place, 0), initial=0)
    left, cost, lost = jax.lax.fori_loop(0, _most(number), order, (stock, none, none))
    return left, cost, lost


_fill_whole = custom_vmap(_fill_each)


@_fill_whole.def_vmap
def _fill_whole_batch(size: int, batched: Any, *args: Any) -> tuple[Any, Any]:
    """Put the batch last, and the parameters as they are where all share them."""
    out = (True, True, True)
    if any(jax.tree.leaves(batched[0])):
        axes = jax.tree.map(lambda there: 0 if there else None, list(batched))
        return jax.vmap(_fill_each, in_axes=axes)(*args), out

    def last(there: bool, leaf: Array) -> Array:
        if there:
            return jnp.moveaxis(leaf, 0, -1)
        return jnp.broadcast_to(leaf[..., None], (*leaf.shape, size))

    rest = [last(*pair) for pair in zip(batched[1:], args[1:], strict=True)]
    filled = _fill_whole(args[0], *rest)
    return tuple(jnp.moveaxis(leaf, -1, 0) for leaf in filled), out


def _running_sum(values: Float[Array, "N ..."]) -> Float[Array, "N ..."]:
    """Return the cumulated sum over the first axis, one after the other where they are few."""
    if values.shape[0] > 16:
        return jnp.cumsum(values, axis=0)
    sums = [values[0]]
    for value in values[1:]:
        sums.append(sums[-1] + value)
    return jnp.stack(sums)


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

    Example:
        >>> kernel = ClosestNode(max_orders=40, num_nodes=3)
        >>> kernel.num_uniforms, kernel.backlog
        (81, False)
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
        region, overflow = draw_orders(
            series.glance_views.T, rate, series.drain_uniform[:, : 1 + self.max_orders].T
        )
        if not isinstance(overflow, jax.core.Tracer) and bool(jnp.any(overflow > 0)):
            first = int(jnp.argmax(overflow > 0))
            raise ValueError(
                f"period {first} has more than max_orders {self.max_orders}, must be at "
                "most that many (max_orders_for gives a bound)"
            )
        active = params.serves[None, :] & (series.period[:, None] >= params.active_from[None, :])
        return Orders(region=region.T, active=active, overflow=overflow)

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

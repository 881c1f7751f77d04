"""The losses of the drain model, with the likelihood of what stock cut off."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from draingym.drain_model.distributions.coherent import Coherent
from draingym.drain_model.distributions.copula import Copula
from draingym.drain_model.distributions.cost_quantiles import cost_log_mass
from draingym.drain_model.distributions.hybrid import Hybrid
from draingym.drain_model.distributions.independent import Independent
from draingym.drain_model.distributions.levels import LEVELS, NUM_LEVELS
from draingym.drain_model.distributions.marginals import Cap

# The likelihood of a cost is that of the cost within about this share (not from the paper).
COST_HALF_WIDTH = 0.05
_LEAST_FLOW = 1e-9  # units; keeps logarithms finite


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Losses:
    """Sums over entries, means or weights, one number for each part; or every entry's losses.

    Entries of the outbound terms are nodes, or networks where the joint draws a total.

    Source: Outbound, section 4.3 and Appendix A.2; METHODS section 2. The last three are not from
    the paper.
    """

    cost_nll: Float[Array, "*b"]  # of the log cost of a unit
    cost_quantile: Float[Array, "*b"]  # currency
    cross_entropy: Float[Array, "*b"]  # of min(outbound, K)
    tail_nll: Float[Array, "*b"]  # of outbound given that it is at least K
    tail_quantile: Float[Array, "*b"]  # units
    dependence: Float[Array, "*b"]  # nll of what a joint adds to its hybrids, by network
    lane_choice: Float[Array, "*b"]  # nll of a unit's node given its region, by unit
    region_units: Float[Array, "*b"]  # half a Poisson deviance of regions' units, by network

    @classmethod
    def zeros(cls) -> Losses:
        """Return 0 for every part."""
        return cls(**{field.name: jnp.zeros(()) for field in fields(cls)})


def pinball(
    actual: Float[Array, "*b"], quantile: Float[Array, "*b"], level: Float[Array, "*b"]
) -> Float[Array, "*b"]:
    """Return ``max(tau (y - q), (tau - 1)(y - q))``."""
    error = actual - quantile
    return jnp.maximum(level * error, (level - 1.0) * error)


Entries = tuple[dict[str, Array], dict[str, Array]]  # losses by name, and where they count


def outbound_entries(
    dist: Hybrid,
    outbound: Float[Array, "*b"],
    available: Float[Array, "*b"],
    mask: Bool[Array, "*b"],
    cap: Cap = "censored",
) -> Entries:
    """Return the outbound losses of every entry, and which entries they count for.

    Censored: outbound is ``min(draw, available)``; where it equals the stock only
    ``draw >= available`` is known, and the likelihood is that probability. Truncated: the
    likelihood is that of the draw given that stock suffices. A quantile beyond the stock counts as
    the stock. Tail terms are of entries with at least K units.

    Args:
        dist: Of the draw, before stock cuts it off.
        outbound: Units.
        available: Units.
        mask: Entries that count; entries without stock never do.
        cap: How stock limits a draw.
    """
    mask = mask & (available > 0)
    levels = jnp.asarray(LEVELS, outbound.dtype).reshape((1,) * outbound.ndim + (NUM_LEVELS,))
    atom, tail = dist.log_atom(outbound), dist.log_tail_prob(outbound)
    if cap == "truncated":
        atom = atom - dist.log_cdf(available)
    else:
        bound = outbound >= available
        atom = jnp.where(bound, dist.log_atoms_at_least(outbound), atom)
        tail = jnp.where(bound, dist.log_tail_at_least(outbound), tail)
    in_tail = mask & (outbound >= dist.num_atoms)
    cut = jnp.minimum(dist.tail.knots, available[..., None])
    tail_quantile = jnp.mean(pinball(outbound[..., None], cut, levels), axis=-1)
    values = {"cross_entropy": -atom, "tail_nll": -tail, "tail_quantile": tail_quantile}
    return values, {"cross_entropy": mask, "tail_nll": in_tail, "tail_quantile": in_tail}


def cost_entries(
    knots: Float[Array, "*b 9"],
    outbound: Float[Array, "*b"],
    ship_cost: Float[Array, "*b"],
    mask: Bool[Array, "*b"],
) -> Entries:
    """Return the cost losses of every entry; they count for entries that shipped something.

    Args:
        knots: Log quantiles of the cost of a unit.
        outbound: Units.
        ship_cost: Currency.
        mask: Entries that count.
    """
    levels = jnp.asarray(LEVELS, outbound.dtype).reshape((1,) * outbound.ndim + (NUM_LEVELS,))
    shipped = mask & (outbound > 0) & (ship_cost > 0)
    unit_cost = jnp.where(shipped, ship_cost / jnp.maximum(outbound, 1.0), 1.0)
    cost_nll = -cost_log_mass(knots, unit_cost, COST_HALF_WIDTH)
    cost_quantile = jnp.mean(
        pinball(ship_cost[..., None], outbound[..., None] * jnp.exp(knots), levels), axis=-1
    )
    values = {"cost_nll": cost_nll, "cost_quantile": cost_quantile}
    return values, {"cost_nll": shipped, "cost_quantile": shipped}


LaneEntries = tuple[Float[Array, "*b N Z"], Int[Array, "*b S"], Float[Array, "*b S"]]


def lane_sums(
    flow: Float[Array, "*b N Z"],
    lane: Int[Array, "*b S"],
    units: Float[Array, "*b S"],
    mask: Bool[Array, "*b"],
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the losses of what lanes shipped, and how many units and networks they count for.

    With m_nz units expected on a lane, and y_nz shipped: ``-sum_nz y_nz log(m_nz / sum_k m_kz)``
    asks which node served a unit of region z, ``sum_z m_z - y_z + y_z log(y_z / m_z)`` how many
    units a region got in all.

    Args:
        flow: Units that the lanes serve.
        lane: Lanes that shipped units, ``n Z + z``.
        units: Shipped on each.
        mask: Products and periods that count.
    """
    nodes, regions = flow.shape[-2:]
    rows = mask.size
    flow = flow.reshape(rows, nodes, regions)
    lane, units = lane.reshape(rows, -1), jnp.where(mask[..., None], units, 0.0).reshape(rows, -1)
    region = lane % regions
    expected = jnp.sum(flow, axis=1)
    at_lane = jnp.take_along_axis(flow.reshape(rows, -1), lane, axis=1)
    at_region = jnp.take_along_axis(expected, region, axis=1)
    choice = jnp.log(at_region + _LEAST_FLOW) - jnp.log(at_lane + _LEAST_FLOW)
    shipped = jnp.zeros_like(expected).at[jnp.arange(rows)[:, None], region].add(units)
    log_ratio = jnp.log(jnp.maximum(shipped, _LEAST_FLOW)) - jnp.log(expected + _LEAST_FLOW)
    deviance = jnp.sum(expected - shipped + shipped * log_ratio, axis=1)
    sums = {
        "lane_choice": jnp.sum(units * choice),
        "region_units": jnp.sum(jnp.where(mask.reshape(rows), deviance, 0.0)),
    }
    return sums, {"lane_choice": jnp.sum(units), "region_units": jnp.sum(mask.astype(units.dtype))}


def loss_sums(
    joint: Independent | Copula | Coherent,
    knots: Float[Array, "*b N 9"],
    outbound: Float[Array, "*b N"],
    ship_cost: Float[Array, "*b N"],
    available: Float[Array, "*b N"],
    active: Bool[Array, "*b N"],
    mask: Bool[Array, "*b"],
    lanes: LaneEntries | None = None,
) -> tuple[Losses, Losses]:
    """Return every loss summed over its entries, and how many entries there are.

    Args:
        joint: Of all nodes.
        knots: Log quantiles of the cost of a unit.
        outbound: Units.
        ship_cost: Currency.
        available: Units.
        active: Nodes that are open and serve customers.
        mask: Products and periods that count.
        lanes: Units that lanes serve, and those shipped: ``flow``, ``lane`` and ``units`` of
            ``lane_sums``. Without them its losses are 0, and count nothing.

    Returns:
        Sums, and counts.
    """
    counted = active & mask[..., None]
    if isinstance(joint, Coherent):
        own = jnp.where(active, available, 0.0)
        total, stock = jnp.sum(outbound, axis=-1), jnp.sum(own, axis=-1)
        values, where = outbound_entries(joint.total, total, stock, mask, "censored")
    else:
        values, where = outbound_entries(joint.dist, outbound, available, counted, joint.cap)
    costs = cost_entries(knots, outbound, ship_cost, counted & (available > 0))
    served = (mask & jnp.any(available > 0, axis=-1)) & (not isinstance(joint, Independent))
    # Randomises the PIT of discrete units. Which numbers does not matter, as long as a product's do
    # not depend on what else is in its batch.
    uniforms = jax.random.uniform(jax.random.key(0), outbound.shape[-2:])
    uniforms = jnp.broadcast_to(uniforms, outbound.shape)
    dependence = -joint.log_dependence(outbound, available, active, uniforms)
    values = {**values, **costs[0], "dependence": dependence}
    where = {**where, **costs[1], "dependence": served}
    sums = {k: jnp.sum(jnp.where(where[k], x, 0.0)) for k, x in values.items()}
    counts = {k: jnp.sum(w.astype(outbound.dtype)) for k, w in where.items()}
    nothing = dict.fromkeys(("lane_choice", "region_units"), jnp.zeros(()))
    more = (nothing, nothing) if lanes is None else lane_sums(*lanes, mask=mask)
    return Losses(**sums, **more[0]), Losses(**counts, **more[1])


def means(sums: Losses, counts: Losses) -> Losses:
    """Return the mean of every loss; 0 where nothing counts."""
    result: Losses = jax.tree.map(lambda s, c: s / jnp.maximum(c, 1.0), sums, counts)
    return result


def initial_weights(
    initial: Losses, dependence: float | Float[Array, ""] = 1.0, floor: float = 0.05
) -> Losses:
    """Return ``1 / max(|loss at initialisation|, floor)``, to be kept from then on.

    Args:
        initial: Mean losses at initialisation.
        dependence: What that of ``dependence`` is multiplied by: a coherent joint's split is one
            loss beside the total's three, and says where all units come from.
        floor: Below it, a loss weighs no more.
    """
    result: Losses = jax.tree.map(lambda x: 1.0 / jnp.maximum(jnp.abs(x), floor), initial)
    return replace(result, dependence=result.dependence * dependence)


def weighted(losses: Losses, weights: Losses) -> Float[Array, ""]:
    """Return the weighted sum of the losses, on the device or on the host: wherever they are."""
    parts = jax.tree.map(lambda loss, weight: loss * weight, losses, weights)
    found: list[Array] = jax.tree.leaves(parts)
    total = found[0]
    for part in found[1:]:
        total = total + part
    return total

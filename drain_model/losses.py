"""The five losses of the drain model, with the likelihood of what stock cut off."""

from __future__ import annotations

from dataclasses import dataclass, fields

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from drain_model import heads
from drain_model.heads import LEVELS, NUM_LEVELS, Hybrid

# The likelihood of a cost is that of the cost within about this share (not from the paper).
COST_HALF_WIDTH = 0.05


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Losses:
    """Sums over entries, means or weights, one number for each part; or every entry's losses.

    Source: Outbound, section 4.3 and Appendix A.2; METHODS section 2.
    """

    cost_nll: Float[Array, "*b"]  # of the log cost of a unit
    cost_quantile: Float[Array, "*b"]  # currency
    cross_entropy: Float[Array, "*b"]  # of min(outbound, K)
    tail_nll: Float[Array, "*b"]  # of outbound given that it is at least K
    tail_quantile: Float[Array, "*b"]  # units

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


def loss_entries(
    dist: Hybrid,
    knots: Float[Array, "*b 9"],
    outbound: Float[Array, "*b"],
    ship_cost: Float[Array, "*b"],
    available: Float[Array, "*b"],
    mask: Bool[Array, "*b"],
) -> tuple[Losses, Losses]:
    """Return every loss of every entry, and which entries it counts for.

    Outbound is ``min(draw, available)``: where it equals the stock, only ``draw >= available`` is
    known, and the likelihood is that probability; a quantile beyond the stock counts as the
    stock. Cost terms are of entries that shipped something; tail terms of entries with at least
    K units.

    Args:
        dist: Of the draw, before stock cuts it off.
        knots: Log quantiles of the cost of a unit.
        outbound: Units.
        ship_cost: Currency.
        available: Units.
        mask: Entries that count; entries without stock never do.

    Returns:
        Losses [...], and booleans [...].
    """
    mask = mask & (available > 0)
    levels = jnp.asarray(LEVELS, outbound.dtype).reshape((1,) * outbound.ndim + (NUM_LEVELS,))
    bound = outbound >= available
    atom = jnp.where(
        bound, heads.log_atoms_at_least(dist, outbound), heads.log_atom(dist, outbound)
    )
    in_tail = mask & (outbound >= dist.num_atoms)
    tail = jnp.where(
        bound, heads.log_tail_at_least(dist, outbound), heads.log_tail_prob(dist, outbound)
    )
    cut = jnp.minimum(dist.knots, available[..., None])
    tail_quantile = jnp.mean(pinball(outbound[..., None], cut, levels), axis=-1)

    shipped = mask & (outbound > 0) & (ship_cost > 0)
    unit_cost = jnp.where(shipped, ship_cost / jnp.maximum(outbound, 1.0), 1.0)
    cost_nll = -heads.cost_log_mass(knots, unit_cost, COST_HALF_WIDTH)
    cost_quantile = jnp.mean(
        pinball(ship_cost[..., None], outbound[..., None] * jnp.exp(knots), levels), axis=-1
    )

    values = Losses(
        cost_nll=cost_nll,
        cost_quantile=cost_quantile,
        cross_entropy=-atom,
        tail_nll=-tail,
        tail_quantile=tail_quantile,
    )
    where = Losses(
        cost_nll=shipped,
        cost_quantile=shipped,
        cross_entropy=mask,
        tail_nll=in_tail,
        tail_quantile=in_tail,
    )
    return values, where


def loss_sums(
    dist: Hybrid,
    knots: Float[Array, "*b 9"],
    outbound: Float[Array, "*b"],
    ship_cost: Float[Array, "*b"],
    available: Float[Array, "*b"],
    mask: Bool[Array, "*b"],
) -> tuple[Losses, Losses]:
    """Return every loss summed over its entries, and how many entries there are.

    Arguments as of ``loss_entries``.
    """
    values, where = loss_entries(dist, knots, outbound, ship_cost, available, mask)
    sums = jax.tree.map(lambda x, w: jnp.sum(jnp.where(w, x, 0.0)), values, where)
    counts = jax.tree.map(lambda w: jnp.sum(w.astype(outbound.dtype)), where)
    return sums, counts


def means(sums: Losses, counts: Losses) -> Losses:
    """Return the mean of every loss; 0 where nothing counts."""
    result: Losses = jax.tree.map(lambda s, c: s / jnp.maximum(c, 1.0), sums, counts)
    return result


def initial_weights(initial: Losses, floor: float = 0.05) -> Losses:
    """Return ``1 / max(|loss at initialisation|, floor)``, to be kept from then on."""
    result: Losses = jax.tree.map(lambda x: 1.0 / jnp.maximum(jnp.abs(x), floor), initial)
    return result


def weighted(losses: Losses, weights: Losses) -> Float[Array, ""]:
    """Return the weighted sum of the losses."""
    parts = jax.tree.map(jnp.multiply, losses, weights)
    total: Array = sum(jax.tree.leaves(parts), start=jnp.zeros(()))
    return total

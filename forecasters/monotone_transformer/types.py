"""What goes into the monotone transformer, and the demand curves that come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from draingym.common.arrays import require
from draingym.common.price_steps import MAX_DISCOUNT, risen

# 0 to 70% in steps of 5 percentage points.
GRID = tuple(round(0.05 * step, 2) for step in range(15))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """T periods of history and what is known of the H that follow; demand is on the log scale."""

    demand: Float[Array, "*b T"]  # log(1 + demand / scale)
    discount: Float[Array, "*b T"]  # share off the list price, in [0, 0.7]
    past: Float[Array, "*b T P"]  # known of the past alone, such as stock
    known: Float[Array, "*b T+H K"]  # known of the future too
    dynamic: Int[Array, "*b T+H D"]  # categories of a period
    static: Float[Array, "*b S"]  # of a series, such as the log of its list price
    codes: Int[Array, "*b C"]  # categories of a series
    position: Int[Array, "*b T+H"]  # periods, counted from anywhere
    mask: Bool[Array, "*b T"]  # periods with data and with stock: no other has any influence
    future_discount: Float[Array, "*b H"]  # what the demand layer alone sees


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class DemandCurves:
    """Log-scale demand of every future period as a function of its discount.

    ``xi(d) = base + scale * [sum_{n <= m} delta_n + (d - 0.1 m) delta_{m+1} / 0.1]``.

    Source: Zalando, section 3.2.6, equations 10 and 11, in the continuous form of METHODS section
    8: as printed, equation 10 jumps at every tenth.
    """

    base: Float[Array, "*b H"]  # without a discount, at least 0
    scale: Float[Array, "*b H"]  # of all pieces, at least 0
    delta: Float[Array, "*b H pieces"]  # rise over each tenth, at least 0 unless the curve is free


def log_demand(curves: DemandCurves, discount: Float[Array, "*b H"]) -> Float[Array, "*b H"]:
    """Return ``xi(d)``, on the scale of ``Inputs.demand``.

    Gradients: exact almost everywhere; at a kink see ``common.price_steps.risen``.
    """
    return curves.base + curves.scale * risen(curves.delta, discount)


def demand_grid(curves: DemandCurves, discounts: Sequence[float] = GRID) -> Float[Array, "*b H D"]:
    """Return log-scale demand at each of several discounts, all else equal.

    Args:
        curves: Of any series and periods.
        discounts: [D] in [0, 0.7].

    Raises:
        ValueError: If a discount is out of range.

    Source: Zalando, section 3.5: 0 to 70% in steps of 5 percentage points.
    """
    grid = np.asarray(discounts, np.float32)
    require_discount("discounts", grid)
    lead = (1,) * curves.base.ndim
    rise = risen(curves.delta[..., None, :], jnp.asarray(grid).reshape((*lead, -1)))
    return curves.base[..., None] + curves.scale[..., None] * rise


def require_discount(field: str, values: Any) -> None:
    """Raise ``ValueError`` naming the first discount that is not in [0, 0.7]."""
    found = np.asarray(values, np.float64)
    inside = (found >= 0) & (found <= MAX_DISCOUNT + 1e-6)  # NaN is neither
    require(inside, field, found, f"in [0, {MAX_DISCOUNT}]")

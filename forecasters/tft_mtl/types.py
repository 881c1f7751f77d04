"""What goes into TFT-MTL and what comes out, with what explains it."""

from __future__ import annotations

from dataclasses import dataclass

import jax
from jaxtyping import Array, Bool, Float, Int


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """T periods of history and what is known of the H that follow."""

    past: Float[Array, "*b T P"]  # known of the past alone, the targets among them
    known: Float[Array, "*b T+H K"]  # known of the future too
    calendar: Float[Array, "*b T+H C"]  # features of the date
    dynamic: Int[Array, "*b T+H D"]  # categories of a period
    static: Float[Array, "*b S"]  # of a series
    codes: Int[Array, "*b C"]  # categories of a series
    mask: Bool[Array, "*b T"]  # periods with data: no other has any influence


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Predictions:
    """What the heads say; a task that the config leaves out has no channel, or is zero."""

    mean: Float[Array, "*b H A"]  # of sales and inventory, on the scale of the targets
    quantiles: Float[Array, "*b H A L"]  # of the same at the config's levels, in order
    turnover: Float[Array, "*b H"]  # log(1 + turnover)
    stockout: Float[Array, "*b H"]  # log odds of no stock at the end of the period


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What drove a forecast: weights that sum to 1 over variables, and over periods."""

    past: Float[Array, "*b T V"]  # of each variable of the past, 0 where a period is masked
    future: Float[Array, "*b H F"]  # of each variable of the future
    attention: Float[Array, "*b H T+H"]  # of each period seen, mean over heads

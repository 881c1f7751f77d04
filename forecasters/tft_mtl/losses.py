"""Losses of the four tasks, weights that adapt to them, and the paper's score of both targets."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from draingym.forecasters.quantiles import pinball
from draingym.forecasters.tft_mtl.config import TFTConfig
from draingym.forecasters.tft_mtl.types import Predictions

# exp(-s) stays within about 1e-4 and 1e4, so that a task that is solved does not take over.
_MOST = 9.0


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """What happened in the H future periods, each with where it is known."""

    amounts: Float[Array, "*b H A"]  # sales, inventory: those of the config's tasks
    amounts_known: Bool[Array, "*b H A"]
    turnover: Float[Array, "*b H"]  # units sold over mean inventory
    turnover_known: Bool[Array, "*b H"]
    stockout: Float[Array, "*b H"]  # 1 where no stock was left, else 0
    stockout_known: Bool[Array, "*b H"]


def inventory_turnover(
    sales: Float[Array, "*b"], opening: Float[Array, "*b"], closing: Float[Array, "*b"]
) -> Float[Array, "*b"]:
    """Return the inventory turnover of a period: units sold over the mean inventory.

    Args:
        sales: Units.
        opening: Units of inventory at the end of the period before.
        closing: Units of inventory at the end of the period.

    Returns:
        The turnover; 0 where there was no inventory.

    Source: TFT-MTL names it; the mean of opening and closing inventory is not from the paper.

    >>> float(inventory_turnover(jnp.asarray(6.0), jnp.asarray(8.0), jnp.asarray(4.0)))
    1.0
    """
    mean = (opening + closing) / 2
    return jnp.where(mean > 0, sales / jnp.where(mean > 0, mean, 1.0), 0.0)


def task_losses(
    predictions: Predictions, targets: Targets, config: TFTConfig
) -> Float[Array, " tasks"]:
    """Return the loss of every task of the config, in its order, each a mean over what is known.

    Sales and inventory have the squared error of the mean, and twice the mean pinball loss of the
    quantiles where there are any; turnover the squared error of its log; stock-outs the binary
    cross-entropy.

    Source: TFT-MTL, equation 7, and METHODS section 8; quantiles are not from the paper.
    """

    def mean(values: Array, known: Array) -> Array:
        # What is not known is replaced before: it may be nan, and so would its gradient be.
        return jnp.sum(jnp.where(known, values, 0.0)) / jnp.maximum(jnp.sum(known), 1)

    found = {}
    for i, task in enumerate(config.amounts):
        known = targets.amounts_known[..., i]
        actual = jnp.where(known, targets.amounts[..., i], 0.0)
        loss = (predictions.mean[..., i] - actual) ** 2
        if config.levels:
            loss = loss + 2 * pinball(predictions.quantiles[..., i, :], actual, config.levels)
        found[task] = mean(loss, known)
    turnover = jnp.log1p(jnp.where(targets.turnover_known, targets.turnover, 0.0))
    found["turnover"] = mean((predictions.turnover - turnover) ** 2, targets.turnover_known)
    odds, out = predictions.stockout, jnp.where(targets.stockout_known, targets.stockout, 0.0)
    entropy = jax.nn.softplus(odds) - out * odds
    found["stockout"] = mean(entropy, targets.stockout_known)
    return jnp.stack([found[task] for task in config.learned])


def task_weights(log_variance: Float[Array, " tasks"]) -> Float[Array, " tasks"]:
    """Return ``exp(-s)``, the weight of each task, above 0 for any s."""
    return jnp.exp(-jnp.clip(log_variance, -_MOST, _MOST))


def balanced(
    losses: Float[Array, " tasks"], log_variance: Float[Array, " tasks"]
) -> Float[Array, ""]:
    """Return ``sum_k exp(-s_k) L_k + s_k``: each task weighs what its loss lets it.

    With the losses as they are, its least is at ``exp(-s_k) = 1 / L_k``.

    Source: TFT-MTL, equation 6, adaptive; this form is METHODS section 8's.
    """
    bounded = jnp.clip(log_variance, -_MOST, _MOST)
    return jnp.sum(task_weights(log_variance) * losses + bounded)


def efficiency_score(sales_mape: float, inventory_mape: float) -> float:
    """Return MTES: the harmonic mean of both targets' accuracy, ``1 - MAPE``, each at least 0.

    Source: TFT-MTL, section 4.3; its table's .894 does not follow from its MAPEs, which give .914.

    >>> round(efficiency_score(0.0868, 0.0843), 3)
    0.914
    """
    a, b = max(1.0 - sales_mape, 0.0), max(1.0 - inventory_mape, 0.0)
    return 2 * a * b / (a + b) if a + b else 0.0

"""Everything that the paper's Tables 2 and 3 and Figures 2 and 3 say about one model.

All models are scored alike, from joint samples; a neural model's own likelihood is scored beside.
Every figure has a bootstrap interval over products, which are very unequal: ``compare`` relates a
model to the noise floor and the closest node on the same resampled products, which is sharper.

Source: Outbound, section 6; METHODS section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from draingym.common.arrays import require_shape
from draingym.common.bootstrap import Interval, interval, multiplicities, plain, ratios
from draingym.drain_model.data.dataset import DrainData
from draingym.drain_model.data.regions import node_groups
from draingym.drain_model.distributions.hybrid import Hybrid
from draingym.drain_model.distributions.levels import LEVELS
from draingym.drain_model.evaluation.calibration import (
    coverage,
    observed_classes,
    reliability_bins,
    reliability_over_time,
    slope_draws,
)
from draingym.drain_model.evaluation.entry_scores import (
    AGGREGATIONS,
    TABLE_LEVELS,
    aggregated,
    masks_of,
    score_chunk,
    sums,
    sums_by_product,
)
from draingym.drain_model.evaluation.metrics import quantile_loss
from draingym.drain_model.training.losses import Losses, cost_entries, outbound_entries

FloatArray = NDArray[np.float64]
_PIT_BINS = 20
_PIT_LEVELS = tuple(round(0.05 * i, 2) for i in range(1, 20))
# Scores that are never negative, so that a ratio to another model's means something.
RATIO_SCORES = (
    *(f"crps_{name}" for name in AGGREGATIONS),
    *(f"{kind}_q{round(100 * t)}" for kind in ("outbound", "cost") for t in TABLE_LEVELS),
    "crps_cost_node",
    "energy",
    "outbound_ce",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExactScores:
    """The losses of a model's own distribution, given the actual units, entry by entry."""

    values: Mapping[str, FloatArray]  # [P, T, N] each, by the name of the loss
    where: Mapping[str, NDArray[np.bool_]]  # [P, T, N] each: entries that count
    cost_quantiles: FloatArray  # [3, P, T, N] currency at TABLE_LEVELS, of the actual units

    @classmethod
    def from_distribution(
        cls, dist: Hybrid, knots: Float[Array, "P T N 9"], data: DrainData
    ) -> ExactScores:
        """Score a distribution.

        Args:
            dist: Of outbound before stock cuts it off, [P, T, N].
            knots: Log quantiles of the cost of a unit, given the actual units.
            data: The same products and periods.
        """
        mask = np.broadcast_to(data.active, data.outbound.shape)
        arrays = (data.outbound, data.ship_cost, data.available, mask)
        values, where = _entries(dist, knots, *(jnp.asarray(x) for x in arrays))
        at = [LEVELS.index(t) for t in TABLE_LEVELS]
        unit = np.exp(np.asarray(knots, np.float64)[..., at])
        return cls(
            values={name: np.asarray(x) for name, x in values.items()},
            where={name: np.asarray(x) for name, x in where.items()},
            cost_quantiles=np.moveaxis(unit, -1, 0) * data.outbound,
        )


@jax.jit
def _entries(
    dist: Hybrid, knots: Array, outbound: Array, ship_cost: Array, available: Array, mask: Array
) -> tuple[dict[str, Array], dict[str, Array]]:
    units = outbound_entries(dist, outbound, available, mask)
    costs = cost_entries(knots, outbound, ship_cost, mask & (available > 0))
    return units[0] | costs[0], units[1] | costs[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """One model on some products and periods."""

    name: str
    # By score: its interval. Table 2: cost_q10, cost_q50, cost_q90, cost_nll, outbound_q10,
    # outbound_q50, outbound_q90 (sums of losses over sums of what happened), outbound_nll,
    # outbound_ce, loss; crps_total, crps_regional, crps_node (units); crps_cost_node (currency);
    # energy (units); plain_ and a quantile loss: its mean over entries; own_ and a column of
    # Table 2: by the model's own distribution, given the actual units.
    scores: Mapping[str, Interval]
    # By aggregation, then p10, p50, p90, ols.
    slopes: Mapping[str, Mapping[str, Interval]]
    # By score (loss apart): sums and numbers by product, [P] each.
    by_product: Mapping[str, tuple[FloatArray, FloatArray]]
    pit: Mapping[str, FloatArray]  # node, total: shares in _PIT_BINS bins
    coverage: Mapping[str, FloatArray]  # node, total: shares up to _PIT_LEVELS
    coverage_over_time: Mapping[str, FloatArray]  # node, total: [T, 3] at TABLE_LEVELS
    predicted_over_time: FloatArray  # [T, K+1] mean probability of 0, .., K - 1, K or more
    observed_over_time: FloatArray  # [T, K+1] frequency
    reliability: tuple[
        FloatArray, FloatArray, FloatArray
    ]  # prediction, frequency, number [10, K+1]
    node_share: FloatArray  # [N] of the units drained, in the mean of the samples
    groups: NDArray[np.int64]  # [N] group of each node for "regional"; -1 for none
    num_samples: int
    resamples: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, ready for JSON; what is not finite is None."""
        over_time = {
            "coverage": self.coverage_over_time,
            "predicted": self.predicted_over_time,
            "observed": self.observed_over_time,
        }
        found: dict[str, Any] = plain(
            {
                "name": self.name,
                "samples": self.num_samples,
                "scores": self.scores,
                "slopes": self.slopes,
                "pit": self.pit,
                "coverage": {"nominal": list(_PIT_LEVELS), **self.coverage},
                "over_time": {"levels": list(TABLE_LEVELS), **over_time},
                "reliability": dict(
                    zip(("predicted", "observed", "number"), self.reliability, strict=True)
                ),
                "node_share": self.node_share,
                "groups": self.groups,
            }
        )
        return found


def evaluate(
    name: str,
    outbound: NDArray[Any],
    cost: NDArray[Any],
    data: DrainData,
    *,
    groups: NDArray[np.int64] | None = None,
    num_atoms: int = 6,
    own: ExactScores | None = None,
    weights: Losses | None = None,
    resamples: int = 1000,
    seed: int = 0,
    chunk_products: int = 64,
) -> Evaluation:
    """Score joint samples of outbound and cost.

    Entries with stock in active nodes count. "Total" and "regional" sum each joint sample over
    all nodes and over each group of nodes. Cost is scored as drawn (with the units drawn), and by
    ``own`` given the actual units, as the paper does. Losses and likelihoods that need a
    distribution are estimated from the samples (``sample_likelihood``). The total loss is
    ``sum w_i loss_i`` of the drain model's losses, a joint's own apart.

    Args:
        name: Of the model.
        outbound: [S, P, T, N] units; the paper has S = 128.
        cost: [S, P, T, N] currency.
        data: The same products and periods.
        groups: [N] group of every node, -1 for none; ``node_groups`` when not given.
        num_atoms: K, where the discrete part of the distribution ends.
        own: The losses of the model's own distribution.
        weights: Of the total loss; 1 each when not given.
        resamples: Bootstrap resamples of products.
        seed: Of the resamples (the same for all models of one seed) and of the PIT's ties.
        chunk_products: Products scored at once, which bounds memory.

    Returns:
        The evaluation.

    Raises:
        ValueError: If shapes disagree, samples ship more than there is, no entry counts, or
            nothing was shipped.
    """
    shape = data.outbound.shape
    for field, samples in (("outbound", outbound), ("cost", cost)):
        if samples.ndim != 4 or samples.shape[1:] != shape or samples.shape[0] < 2:
            raise ValueError(
                f"{field} has shape {samples.shape}, must be (S, P, T, N) = (S >= 2, *{shape})"
            )
    counted = np.broadcast_to(data.active, shape) & (data.available > 0)
    if not counted.any() or not data.outbound[counted].any():
        raise ValueError("data.outbound sums to 0 where there is stock, must be above 0 to score")
    groups = node_groups(data) if groups is None else np.asarray(groups)
    require_shape("groups", groups, (shape[2],))
    unit_cost = data.ship_cost[data.outbound > 0] / data.outbound[data.outbound > 0]
    unit_cost = unit_cost[unit_cost > 0]
    logs = np.log(unit_cost) if unit_cost.size else np.zeros(1)
    chunks = []
    for start in range(0, shape[0], chunk_products):
        part = slice(start, min(start + chunk_products, shape[0]))
        chunks.append(
            score_chunk(
                outbound[:, part],
                cost[:, part],
                data.products(part),
                groups,
                num_atoms,
                (float(logs.min()), float(logs.max())),
                seed + start,
            )
        )
    points = {key: np.concatenate([chunk[key] for chunk in chunks]) for key in chunks[0]}
    masks = masks_of(data, counted, groups, num_atoms)
    actual = aggregated(data.outbound * counted, groups)
    by_product = sums_by_product(points, data, counted, masks)
    if own is not None:
        by_product |= _own_by_product(own, data, masks["node"])
    drawn = multiplicities(shape[0], resamples, seed)
    scores = _score_intervals(by_product, weights, own is not None, drawn)
    slopes = {
        level: _slopes(points, actual[level], masks[level], level, drawn) for level in AGGREGATIONS
    }
    happened = observed_classes(data.outbound, num_atoms)
    predicted, observed = reliability_over_time(points["classes"], happened, counted)
    transforms = {level: points[f"pit_{level}"] for level in ("node", "total")}
    shares = points["mean_node"].sum(axis=(0, 1))
    return Evaluation(
        name=name,
        scores=scores,
        slopes=slopes,
        by_product=by_product,
        pit={k: _histogram(v[_squeeze(masks[k])]) for k, v in transforms.items()},
        coverage={
            k: np.array([(v[_squeeze(masks[k])] <= t).mean() for t in _PIT_LEVELS])
            for k, v in transforms.items()
        },
        coverage_over_time={
            k: coverage(v, TABLE_LEVELS, _squeeze(masks[k])) for k, v in transforms.items()
        },
        predicted_over_time=predicted,
        observed_over_time=observed,
        reliability=reliability_bins(points["classes"], happened, counted),
        node_share=shares / max(float(shares.sum()), 1e-12),
        groups=groups,
        num_samples=outbound.shape[0],
        resamples=resamples,
        seed=seed,
    )


def _squeeze(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return mask[..., 0] if mask.shape[-1] == 1 else mask


def _histogram(transforms: FloatArray) -> FloatArray:
    counts = np.histogram(transforms, _PIT_BINS, (0.0, 1.0))[0]
    return np.asarray(counts / max(transforms.size, 1))


def _own_by_product(
    own: ExactScores, data: DrainData, counted: NDArray[np.bool_]
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return sums and denominators of the losses of a model's own distribution."""
    found = {}
    for column, part in _PARTS.items():
        values, where = own.values[part], own.where[part]
        require_shape(f"own.values.{part}", values, data.outbound.shape)
        found[f"own_{column}"] = (sums(values, where), sums(where, where))
    for level, quantile in zip(TABLE_LEVELS, own.cost_quantiles, strict=True):
        loss = quantile_loss(data.ship_cost, quantile, level)
        paid = sums(data.ship_cost, counted)
        found[f"own_cost_q{round(100 * level)}"] = (sums(loss, counted), paid)
    return found


# Scores that make up the total loss: the drain model's name for each.
_PARTS = {
    "cost_nll": "cost_nll",
    "cost_quantile": "cost_quantile",
    "outbound_ce": "cross_entropy",
    "outbound_nll": "tail_nll",
    "tail_quantile": "tail_quantile",
}


def _score_intervals(
    by_product: Mapping[str, tuple[FloatArray, FloatArray]],
    weights: Losses | None,
    own: bool,
    drawn: FloatArray,
) -> dict[str, Interval]:
    names = list(by_product)
    above, below = (np.stack([by_product[n][i] for n in names]) for i in (0, 1))
    values, draws = ratios(above, below, drawn)
    found = {n: interval(values[i], draws[:, i]) for i, n in enumerate(names)}
    weight = {
        column: 1.0 if weights is None else float(getattr(weights, part))
        for column, part in _PARTS.items()
    }
    for prefix in ("", "own_") if own else ("",):
        index = [names.index(prefix + column) for column in _PARTS]
        # A part without entries, such as a tail nobody reached, adds nothing.
        w = np.array(list(weight.values()))
        total = float(np.nansum(values[index] * w))
        found[f"{prefix}loss"] = interval(total, np.nansum(draws[:, index] * w, axis=1))
    return found


def _slopes(
    points: Mapping[str, NDArray[Any]],
    actual: NDArray[Any],
    mask: NDArray[np.bool_],
    level: str,
    drawn: FloatArray,
) -> dict[str, Interval]:
    """Return the calibration slopes and the OLS slope of one aggregation."""
    owner = np.broadcast_to(np.arange(actual.shape[0])[:, None, None], actual.shape)[mask]
    y, once = actual[mask], np.ones((1, actual.shape[0]))
    found = {}
    for tau in TABLE_LEVELS:
        name = f"{round(100 * tau)}"
        q = points[f"q{name}_{level}"][mask]
        value = slope_draws(y, q, owner, tau, once)[0]
        found[f"p{name}"] = interval(value, slope_draws(y, q, owner, tau, drawn))
    mean = points[f"mean_{level}"]
    above, below = sums(actual * mean, mask)[None], sums(np.square(mean), mask)[None]
    ols, draws = ratios(above, below, drawn)
    found["ols"] = interval(ols[0], draws[:, 0])
    return found

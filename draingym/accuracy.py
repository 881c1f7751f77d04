"""How well the drain model predicts held-out periods, beside its baseline and the noise floor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from drain_model import (
    Checkpoint,
    DrainData,
    fit_closest_node,
    sample_closest_node,
    sample_panel,
)
from drain_model.metrics import (
    bootstrap,
    crps,
    pit,
    quantile_loss,
    sample_quantile,
    score,
)
from draingym.config import LoopConfig
from draingym.stages import Advance
from oracle.noise_floor import ViewProfile, resample_drain
from oracle.systems import Systems
from world.orders import World

Samples = tuple[NDArray[Any], NDArray[Any]]  # outbound and ship cost, [S, P, T, N]
MODELS = ("learned", "closest node", "noise floor")
_NOMINAL = np.round(np.arange(0.05, 1.0, 0.05), 2)
_BINS = 20


def score_models(
    checkpoint: Checkpoint,
    data: DrainData,
    world: World,
    systems: Systems,
    split: int,
    config: LoopConfig,
    advance: Advance,
) -> dict[str, Any]:
    """Score three forecasts of the drain of the periods from ``split`` on, given actual stock.

    The learned model and the closest node know the log of the periods before. The noise floor is
    the hidden truth's own systems on the same stock and regional view counts, with customers,
    times, latents, quantities, baskets and costs drawn anew: the best that any model can do.

    Args:
        checkpoint: The trained drain model.
        data: The panel, all periods.
        world: The hidden truth.
        systems: Its systems.
        split: First held-out period.
        config: Sample sizes and seed.
        advance: Called with (models done, models).

    Returns:
        Figures of every model, and the share of the gap between closest node and noise floor
        that the learned model closes.
    """
    periods = (split, data.num_periods)
    key_learned, key_closest = jax.random.split(jax.random.key(config.seed))

    def learned() -> Samples:
        return sample_panel(checkpoint, data, periods, config.samples, key_learned)

    closest = fit_closest_node(data.periods(0, split), seed=config.seed)

    def closest_node() -> Samples:
        return sample_closest_node(closest, data, periods, config.samples, key_closest)

    def noise_floor() -> Samples:
        drawn = resample_drain(
            systems,
            ViewProfile.from_views(systems, world.views, world.places),
            data.available[:, split:].astype(np.int64),
            world.glance_views()[:, split:],
            start=split,
            period_days=world.period_days,
            num_samples=config.floor_samples,
            seed=config.seed,
        )
        return drawn.outbound, drawn.ship_cost

    sources: dict[str, Callable[[], Samples]] = {
        "learned": learned,
        "closest node": closest_node,
        "noise floor": noise_floor,
    }
    part = data.periods(*periods)
    models: dict[str, Any] = {}
    by_product: dict[str, NDArray[np.float64]] = {}
    for done, (name, draw) in enumerate(sources.items(), start=1):
        outbound, cost = draw()
        models[name], by_product[name] = _figures(outbound, cost, part)
        advance(done, len(sources))
    gap = bootstrap(
        by_product["closest node"] - by_product["learned"],
        by_product["closest node"] - by_product["noise floor"],
    )
    return {
        "periods": list(periods),
        "samples": config.samples,
        "floor_samples": config.floor_samples,
        "closest_node": {
            "temperature_per_km": float(closest.temperature),
            "rate_scale": float(closest.rate_scale),
            "cost_fixed": float(closest.cost_fixed),
            "cost_per_km": float(closest.cost_per_km),
        },
        "models": models,
        "gap_closed": {"mean": gap.value, "low": gap.low, "high": gap.high},
    }


def _figures(
    outbound: NDArray[Any], cost: NDArray[Any], actual: DrainData
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Return one model's figures, and its node-level CRPS summed by product."""
    active = np.broadcast_to(actual.active, actual.outbound.shape)
    total_drawn, total = outbound.sum(axis=-1), actual.outbound.sum(axis=-1)
    node = score(outbound, actual.outbound, active)
    whole = score(total_drawn, total)
    spent = np.where(active, crps(cost, actual.ship_cost), 0.0).sum(axis=(1, 2))

    def mean(numerator: NDArray[Any], denominator: NDArray[Any]) -> dict[str, float]:
        interval = bootstrap(numerator, denominator)
        return {"mean": interval.value, "low": interval.low, "high": interval.high}

    units = total.sum(axis=1)
    losses = {}
    for level in (0.1, 0.5, 0.9):
        loss = quantile_loss(actual.outbound, sample_quantile(outbound, level), level)
        losses[f"p{round(100 * level)}"] = mean(np.where(active, loss, 0.0).sum(axis=(1, 2)), units)

    def slopes(scores: Any) -> dict[str, float]:
        return {f"p{round(100 * t)}": s for t, s in scores.slope.items()} | {
            "ols": scores.ols_slope
        }

    ranks = pit(outbound, actual.outbound)[active]
    total_ranks = pit(total_drawn, total)
    figures = {
        "crps_node": mean(node.crps_by_product, node.entries_by_product),
        "crps_total": mean(whole.crps_by_product, whole.entries_by_product),
        "cost_crps_node": mean(spent, node.entries_by_product),
        "quantile_loss": losses,
        "slopes_node": slopes(node),
        "slopes_total": slopes(whole),
        "pit": (np.histogram(ranks, _BINS, (0.0, 1.0))[0] / ranks.size).tolist(),
        "coverage": {
            "nominal": _NOMINAL.tolist(),
            "node": [float((ranks <= level).mean()) for level in _NOMINAL],
            "total": [float((total_ranks <= level).mean()) for level in _NOMINAL],
        },
    }
    return figures, node.crps_by_product

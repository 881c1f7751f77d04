"""How well the drain model predicts held-out periods, beside its baseline and the noise floor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from draingym.demo.config import LoopConfig
from draingym.demo.stages import Advance
from draingym.drain_model import (
    Checkpoint,
    DrainData,
    fit_closest_node,
    sample_closest_node,
    sample_panel,
)
from draingym.drain_model.evaluation.comparison import compare
from draingym.drain_model.evaluation.evaluate import Evaluation, evaluate
from draingym.oracle.replays.noise_floor import ViewProfile, resample_drain
from draingym.oracle.systems import Systems
from draingym.world.orders import World

Samples = tuple[NDArray[Any], NDArray[Any]]  # outbound and ship cost, [S, P, T, N]
MODELS = ("learned", "closest node", "noise floor")


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
        Figures of every model, and how the learned model compares with closest node and noise
        floor: ratios, and the share of the gap between the two that it closes.
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
    found: dict[str, Evaluation] = {}
    models: dict[str, Any] = {}
    for done, (name, draw) in enumerate(sources.items(), start=1):
        outbound, cost = draw()
        found[name] = evaluate(name, outbound, cost, part, seed=config.seed)
        models[name] = _figures(found[name])
        advance(done, len(sources))
    compared = compare(*(found[name] for name in MODELS))
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
        "gap_closed": compared["crps_node"].gap_closed.to_dict(),
        "compared": {name: comparison.to_dict() for name, comparison in compared.items()},
    }


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    """Return one model's figures as the report has them, and the whole evaluation."""
    whole = evaluation.to_dict()
    scores, slopes = whole["scores"], whole["slopes"]

    def values(level: str) -> dict[str, float]:
        return {name: slope["mean"] for name, slope in slopes[level].items()}

    return {
        "crps_node": scores["crps_node"],
        "crps_total": scores["crps_total"],
        "cost_crps_node": scores["crps_cost_node"],
        "quantile_loss": {f"p{t}": scores[f"outbound_q{t}"] for t in (10, 50, 90)},
        "slopes_node": values("node"),
        "slopes_total": values("total"),
        "pit": whole["pit"]["node"],
        "coverage": whole["coverage"],
        "evaluation": whole,
    }

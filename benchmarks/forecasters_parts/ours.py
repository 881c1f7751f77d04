"""Our own models as the benchmark runs them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from benchmarks.forecasters_parts.datasets import Dataset
from benchmarks.forecasters_parts.methods import LEVELS, Method, Predict, Said, Settings
from benchmarks.forecasters_parts.sizes import Effort, Sizes
from draingym.forecasters import (
    ARMDN,
    LSTM,
    TFTMTL,
    Fitted,
    Groups,
    Model,
    MonotoneTransformer,
    TrainConfig,
    fit,
)

OURS = ("LSTM", "ARMDN", "MonotoneTransformer", "TFTMTL")
# The independent implementation of each one's family.
FAMILY = {"LSTM": "NF-LSTM", "ARMDN": "DeepAR", "MonotoneTransformer": "TFT", "TFTMTL": "TFT"}
SAMPLES = 400
_HEAD = 8  # channels of one of the transformer's heads


def model_of(
    name: str,
    dataset: Dataset,
    context: int,
    effort: Effort,
    settings: Settings,
    **other: Any,
) -> Model:
    """Return one of our models for a data set.

    Args:
        name: One of ``OURS``.
        dataset: Its horizon and columns.
        context: Periods before an origin.
        effort: Of training; the transformer's near stage has it, the far one a quarter of it.
        settings: The width; what else there is, is training's.
        other: Fields of the model, such as those of an ablation.
    """
    horizon, size = dataset.horizon, settings["size"]
    made: dict[str, Any] = {"horizon": horizon}
    if name == "LSTM":
        window = round(1.25 * horizon)
        made |= {"window": window, "steps": max(context - window + 1, 1), "cell": size}
        return LSTM(**made | {"ahead": bool(dataset.data.known)} | other)
    made["context"] = context
    if name == "ARMDN":
        return ARMDN(**made | {"width": size} | other)
    if name == "TFTMTL":
        return TFTMTL(**made | {"width": size} | other)
    made |= {"heads": size // _HEAD, "head_width": _HEAD, "layers": 2, "discount": dataset.discount}
    made |= {"near": min(5, (horizon + 1) // 2), "far": horizon}
    made |= {"near_epochs": effort.epochs, "far_epochs": max(effort.epochs // 4, 1)}
    return MonotoneTransformer(**made | other)


def fitted(
    name: str,
    effort: Effort,
    dataset: Dataset,
    origin: int,
    settings: Settings,
    seed: int,
    *,
    groups: Groups | None = None,
    config: Mapping[str, Any] | None = None,
    **other: Any,
) -> Fitted:
    """Return one of our models, fitted to what is known at an origin."""
    context = effort.context_at(origin, dataset.horizon)
    seen = _seen(name, dataset)
    model = model_of(name, seen, context, effort, settings, **other)
    training: dict[str, Any] = dict(
        epochs=effort.epochs,
        batch=effort.batch,
        windows=effort.windows,
        patience=effort.patience,
        **{name: value for name, value in settings.items() if name != "size"},
    )
    made = TrainConfig(**training | dict(config or {}))
    return fit(seen.data.until(origin), model, config=made, groups=groups, seed=seed)


def _seen(name: str, dataset: Dataset) -> Dataset:
    """Return the data set as a model wants it: prices are discounts to the transformer."""
    return dataset.with_discount() if name == "MonotoneTransformer" else dataset


def ours(
    name: str,
    effort: Effort,
    dataset: Dataset,
    origin: int,
    settings: Settings,
    seed: int,
    **other: Any,
) -> Predict:
    """Return one of our models as the runs take it."""
    return forecasts_of(fitted(name, effort, dataset, origin, settings, seed, **other), seed)


def forecasts_of(found: Fitted, seed: int) -> Predict:
    """Return what a fitted model forecasts, as quantiles and points."""
    name = type(found.model).__name__

    def predict(dataset: Dataset, origin: int) -> Said:
        known = _seen(name, dataset).data.until(origin)
        forecast = found.predict(known, samples=SAMPLES, seed=seed)
        return forecast.quantiles(LEVELS), np.asarray(forecast.point)

    return predict


def our_methods(sizes: Sizes, *, quantiles: bool = True) -> list[Method]:
    """Return our four models, and the settings that are tried.

    Args:
        sizes: Effort and settings.
        quantiles: Whether the LSTM learns quantiles, as the independent one does, and not the
            paper's points.
    """
    made = []
    for name in OURS:
        levels: dict[str, Any] = {"levels": LEVELS} if quantiles and name == "LSTM" else {}
        method = Method(
            name=name,
            fit=partial(ours, name, sizes.effort, **levels),
            tried=sizes.tried_of_ours,
            random=True,
            effort=(sizes.effort, "quantiles") if levels else sizes.effort,
        )
        made.append(method)
    return made

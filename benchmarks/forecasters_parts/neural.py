"""DeepAR, TFT and LSTM of NeuralForecast, by as many updates of as many windows as ours have."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.forecasters_parts.datasets import Dataset
from benchmarks.forecasters_parts.frames import in_order, known_names, long_frame
from benchmarks.forecasters_parts.methods import LEVELS, Method, Predict, Said, Settings, quiet
from benchmarks.forecasters_parts.sizes import Effort, Sizes

NEURAL = ("DeepAR", "TFT", "NF-LSTM")
_FEW = 16  # values of a label that becomes columns; these networks take numbers


def neural_model(
    name: str, dataset: Dataset, context: int, effort: Effort, settings: Settings, seed: int
) -> Any:
    """Return an untrained model of NeuralForecast."""
    from neuralforecast.losses.pytorch import DistributionLoss, MQLoss
    from neuralforecast.models import LSTM, TFT, DeepAR

    size = settings["size"]
    shared = dict(
        h=dataset.horizon,
        input_size=context,
        futr_exog_list=known_names(dataset) or None,
        stat_exog_list=_static_names(dataset) or None,
        max_steps=effort.updates,
        learning_rate=settings["learning_rate"],
        windows_batch_size=effort.batch,
        start_padding_enabled=True,
        scaler_type="standard",
        random_seed=seed + 1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    levels = list(LEVELS)
    if name == "DeepAR":
        loss = DistributionLoss("StudentT", quantiles=levels, return_params=False)
        return DeepAR(lstm_hidden_size=size, loss=loss, **shared)
    if name == "TFT":
        return TFT(hidden_size=size, loss=MQLoss(quantiles=levels), **shared)
    loss = MQLoss(quantiles=levels)
    return LSTM(encoder_hidden_size=size, decoder_hidden_size=size, loss=loss, **shared)


def neural(
    name: str, effort: Effort, dataset: Dataset, origin: int, settings: Settings, seed: int
) -> Predict:
    """Return a network of NeuralForecast, trained on everything before an origin."""
    from neuralforecast import NeuralForecast

    context = effort.context_at(origin, dataset.horizon)
    with quiet():
        model = neural_model(name, dataset, context, effort, settings, seed)
        forecast = NeuralForecast(models=[model], freq=1)
        forecast.fit(_history(dataset, origin), static_df=_static(dataset), val_size=0)

    def predict(dataset: Dataset, origin: int) -> Said:
        ahead = long_frame(dataset, origin + dataset.horizon, first=origin)
        with quiet():
            found = forecast.predict(
                df=_history(dataset, origin),
                static_df=_static(dataset),
                futr_df=ahead[["unique_id", "ds", *known_names(dataset)]],
            )
        wanted = [column_of(type(model).__name__, level) for level in LEVELS]
        quantiles = np.sort(np.maximum(in_order(found, dataset, wanted), 0.0), axis=0)
        return quantiles, quantiles[len(LEVELS) // 2]

    return predict


def column_of(model: str, level: float) -> str:
    """Return the column of a level: the median, or an end of a central interval."""
    if level == 0.5:
        return f"{model}-median"
    side = "lo" if level < 0.5 else "hi"
    return f"{model}-{side}-{round(100 * abs(2 * level - 1), 2)}"


def _history(dataset: Dataset, origin: int) -> Any:
    return long_frame(dataset, origin)[["unique_id", "ds", "y", *known_names(dataset)]]


def _static_names(dataset: Dataset) -> list[str]:
    frame = _static(dataset)
    return [] if frame is None else [str(name) for name in frame.columns if name != "unique_id"]


def _static(dataset: Dataset) -> Any:
    """Return labels of few values as columns of zeros and ones; None where there are none."""
    import pandas as pd

    columns = {
        f"{name}_{word}": (words == word).astype(np.float32)
        for name, words in dataset.data.labels.items()
        if len(np.unique(words)) <= _FEW
        for word in np.unique(words)
    }
    return pd.DataFrame({"unique_id": list(dataset.data.ids), **columns}) if columns else None


def neural_peers(sizes: Sizes) -> list[Method]:
    """Return the three networks, with the same settings and effort as ours."""
    effort = sizes.effort
    return [
        Method(
            name=name,
            fit=partial(neural, name, effort),
            tried=sizes.tried,
            random=True,
            effort=effort,
            needs=("neuralforecast",),
        )
        for name in NEURAL
    ]

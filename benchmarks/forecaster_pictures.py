"""Pictures of docs/forecasters.md: a forecast of each model, as a planner looks at it.

Daily units of Ta-Feng's best-selling products, which anyone has from PyPI, with the price paid of
late; the last two weeks are forecast, and what came is drawn beside it.

    python -m benchmarks.forecaster_pictures          # a few minutes on 2 cores
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmarks._common import Clock
from benchmarks.forecasters_parts.datasets import ta_feng
from draingym.common.atomic import atomic_file
from draingym.forecasters import (
    ARMDN,
    LSTM,
    TFTMTL,
    Model,
    MonotoneTransformer,
    SeriesData,
    TrainConfig,
    drivers,
    explain,
    fit,
    plot_forecast,
    price_curves,
)

HORIZON, CONTEXT = 14, 42


def models(width: int) -> dict[str, Model]:
    """Return the forecasters by the name of their picture."""
    return {
        "lstm": LSTM(horizon=HORIZON, window=18, steps=CONTEXT - 17, cell=width, ahead=True),
        "armdn": ARMDN(horizon=HORIZON, context=CONTEXT, width=width, dropout=0.2),
        "monotone": MonotoneTransformer(
            horizon=HORIZON,
            context=CONTEXT,
            layers=1,
            heads=4,
            head_width=8,
            near=7,
            far=HORIZON,
            discount="discount",
            near_epochs=20,
            far_epochs=5,
        ),
        "tft": TFTMTL(horizon=HORIZON, context=CONTEXT, width=width),
    }


def discounted(data: SeriesData) -> SeriesData:
    """Return series whose price is told as the share off each product's highest."""
    price = data.known["price"]
    discount = np.clip(1.0 - price / price.max(axis=1, keepdims=True), 0.0, 0.7)
    return replace(data, known={"discount": discount})


def picture(name: str, model: Model, data: SeriesData, epochs: int, seed: int) -> Any:
    """Fit a model to all but the last horizon; draw its forecast of what sells day by day."""
    origin = data.num_periods - HORIZON
    seen = discounted(data) if name == "monotone" else data
    history = seen.until(origin)
    config = TrainConfig(epochs=epochs, windows=1024, batch=64, learning_rate=3e-3)
    fitted = fit(history, model, config=config, seed=seed)
    forecast = fitted.predict(history, HORIZON, seed=seed)
    why: Any
    if name == "monotone":
        why = price_curves(fitted, history, HORIZON)
    elif name == "tft":
        why = explain(fitted, history, HORIZON)
    else:
        why = drivers(fitted, history, HORIZON, seed=seed)
    steady = int(np.median(history.target[:, -4 * HORIZON :], axis=1).argmax())
    return plot_forecast(
        history,
        forecast,
        why,
        series=history.ids[steady],
        actual=seen.actual(origin, HORIZON),
    )


def main(
    series: int = 60,
    epochs: int = 20,
    width: int = 32,
    only: tuple[str, ...] = (),
    seed: int = 0,
    out: Path = Path("docs/images"),
) -> None:
    """Draw the pictures.

    Args:
        series: Products that models are fitted to, the best-selling ones.
        epochs: Of training, at most.
        width: Of the networks.
        only: Models; all when not given.
        seed: Of training and samples.
        out: Folder of ``forecast_MODEL.png``.
    """
    clock, data = Clock(), ta_feng(Path(), series).data
    for name, model in models(width).items():
        if only and name not in only:
            continue
        figure = picture(name, model, data, epochs, seed)
        with atomic_file(out / f"forecast_{name}.png") as draft:
            figure.savefig(draft, dpi=80, format="png")
        clock(name)


if __name__ == "__main__":
    tyro.cli(main)

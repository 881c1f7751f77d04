"""Verbs on series: forecasts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import tyro

from draingym.cli.terminal import Outcome, terminal


def forecast(
    file: Annotated[Path, tyro.conf.Positional],
    model: Literal["lstm", "armdn", "monotone", "tft"] = "lstm",
    horizon: int = 8,
    id: str = "unique_id",
    time: str = "ds",
    target: str = "y",
    static: tuple[str, ...] = (),
    past: tuple[str, ...] = (),
    known: tuple[str, ...] = (),
    discount: str = "",
    stock: str = "",
    future: Path | None = None,
    freq: str | None = None,
    gaps: Literal["missing", "zero", "error"] = "missing",
    duplicates: Literal["error", "sum"] = "error",
    negative: Literal["error", "zero", "missing", "keep"] = "error",
    groups: Literal["none", "sales", "cluster"] = "none",
    fine_tune: str = "",
    most_series: int | None = None,
    epochs: int = 30,
    samples: int = 200,
    seed: int = 0,
    out: Path = Path("runs/forecast"),
) -> Outcome:
    """Fit a forecaster to series of a file, and forecast what comes next.

    A fit that was interrupted goes on after its last epoch.

    Args:
        file: CSV or Parquet, a row for each series and period (unique_id, ds, y), or for each
            order line with --duplicates sum and --freq.
        model: lstm (moving windows, global), armdn (mixture density), monotone (transformer whose
            demand never falls with the discount) or tft (temporal fusion transformer).
        horizon: Periods to forecast.
        id: Column of the series' names.
        time: Column of time stamps: dates as in ISO 8601, or whole numbers.
        target: Column of demand.
        static: Columns with one value for each series.
        past: Columns of numbers that are known once a period is over.
        known: Columns that are known ahead, such as prices and events.
        discount: Known column of the share off the list price, in [0, 0.7], for monotone.
        stock: Past column of units in stock: monotone leaves periods without any out, tft learns
            it beside sales.
        future: File with the known columns of the horizon.
        freq: Length of a period, such as D, W or MS; told from the time stamps when not given.
        gaps: What a period without a row is.
        duplicates: What two rows of one period are.
        negative: What demand below 0 is, such as returns.
        groups: A network for each group by sales and sparsity, or for each cluster.
        fine_tune: Static column of text, such as a product's category: the network is tuned to
            each.
        most_series: Keep those with the highest sums; all when not given.
        epochs: Of training, at most.
        samples: Joint samples of the forecast.
        seed: Of training and samples.
        out: Folder of forecast.csv, forecast.png and forecaster.npz.
    """
    from draingym.commands.forecast import ForecastConfig, forecast_file
    from draingym.forecasters import Columns, Rules

    config = ForecastConfig(
        model=model,
        horizon=horizon,
        columns=Columns(id=id, time=time, target=target, static=static, past=past, known=known),
        rules=Rules(
            freq=int(freq) if freq is not None and freq.isdigit() else freq,
            gaps=gaps,
            duplicates=duplicates,
            negative=negative,
        ),
        discount=discount,
        stock=stock,
        groups=groups,
        fine_tune=fine_tune,
        most_series=most_series,
        epochs=epochs,
        samples=samples,
        seed=seed,
    )
    try:
        forecast_file(file, future, config, out, terminal())
    except ValueError as error:  # of Python's arguments, which are options here
        said = re.sub(r"\b(id|time|target|gaps|duplicates|negative)='", r"--\1='", str(error))
        raise ValueError(re.sub(r"(--\w+)='([^']*)'", r"\1 \2", said)) from error
    names = ("forecast.png", "forecast.csv", "forecaster.npz")
    return Outcome(
        files=tuple(out / name for name in names),
        next=("draingym", "train-policy", "RUN", "--forecaster", str(out / names[-1])),
    )

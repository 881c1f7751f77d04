"""``draingym forecast``: from a file of series to a table and a picture of what comes next."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console

from draingym.commands.progress import training_bar
from draingym.common.arrays import require_seed, require_whole
from draingym.common.atomic import atomic_file, require_writable
from draingym.common.config import require_fields
from draingym.common.files import reading
from draingym.forecasters import (
    ARMDN,
    LSTM,
    TFTMTL,
    Columns,
    Forecast,
    Groups,
    Model,
    MonotoneTransformer,
    Progress,
    Rules,
    SeriesData,
    TrainConfig,
    fit,
    read_frame,
    save_forecaster,
    verticals,
)
from draingym.forecasters.data.future import require_known

_SHOWN = 6  # series of the picture


@dataclass(frozen=True, kw_only=True, slots=True)
class ForecastConfig:
    """What is forecast, and how.

    Raises:
        ValueError: If a value is out of its bounds.
    """

    model: Literal["lstm", "armdn", "monotone", "tft"] = "lstm"
    horizon: int = 8
    columns: Columns = field(default_factory=Columns)
    rules: Rules = field(default_factory=Rules)
    discount: str = ""
    stock: str = ""
    groups: Literal["none", "sales", "cluster"] = "none"
    fine_tune: str = ""
    most_series: int | None = None
    epochs: int = 30
    samples: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        """Check types and bounds; see the class."""
        require_fields(self)
        require_whole("horizon", self.horizon, low=1, high=1000)
        require_whole("epochs", self.epochs, low=1)
        require_whole("samples", self.samples, low=2, high=10_000)
        require_seed(self.seed)
        if self.most_series is not None:
            require_whole("most_series", self.most_series, low=1)
        for name, models, kind, columns in (
            ("discount", ("monotone",), "known", self.columns.known),
            ("stock", ("monotone", "tft"), "past", self.columns.past),
        ):
            column = getattr(self, name)
            if column and self.model not in models:
                raise ValueError(
                    f"{name} is {column!r}, must not be given for {self.model}: it is for "
                    f"{' and '.join(models)}"
                )
            if column and column not in columns:
                raise ValueError(f"{name} is {column!r}, must be one of {kind} = {columns}")
        if self.groups != "none" and self.fine_tune:
            raise ValueError(
                f"groups is {self.groups} and fine_tune {self.fine_tune!r}, one must not be given"
            )

    def grouping(self) -> Groups | None:
        """Return how series are grouped."""
        if self.fine_tune:
            return verticals(self.fine_tune)
        return None if self.groups == "none" else Groups(kind=self.groups)

    def forecaster(self, periods: int) -> Model:
        """Return the model, its context no longer than some periods fill."""
        window = round(1.25 * self.horizon)
        room = max(periods - 2 * self.horizon, 1)
        if self.model == "armdn":
            return ARMDN(horizon=self.horizon, context=min(64, room))
        if self.model == "monotone":
            return MonotoneTransformer(
                horizon=self.horizon,
                context=min(52, room),
                discount=self.discount or None,
                stock=self.stock or None,
                # The paper's has 6 layers of 23 heads: for millions of series, on GPUs.
                layers=2,
                heads=8,
                near_epochs=self.epochs,
                far_epochs=-(-self.epochs // 4),
            )
        if self.model == "tft":
            return TFTMTL(
                horizon=self.horizon,
                context=min(56, room),
                width=32,
                inventory=self.stock or None,
            )
        return LSTM(
            horizon=self.horizon,
            window=window,
            steps=min(64, max(room - window, 1)),
            ahead=bool(self.columns.known),
        )


def read_table(path: Path) -> Any:
    """Return a CSV or Parquet file as an Arrow table.

    Raises:
        ValueError: If it cannot be read, or is neither.
    """
    with reading("file", path, "a CSV or Parquet file"):
        if path.suffix.lower() in (".parquet", ".pq"):
            from pyarrow import parquet

            return parquet.read_table(path)
        from pyarrow import csv

        return csv.read_csv(path)


def forecast_file(
    file: Path, future: Path | None, config: ForecastConfig, out: Path, console: Console
) -> Forecast:
    """Fit, forecast, and write ``forecast.csv``, ``forecast.png`` and ``forecaster.npz``.

    Raises:
        ValueError: If a file or a value is bad, naming series, column, time and bound.
    """
    require_writable(out, "folder")
    data = read_frame(read_table(file), config.columns, config.rules)
    if config.most_series is not None and config.most_series < data.num_series:
        total = np.nansum(data.target, axis=1)
        data = data.take(np.sort(np.argsort(-total, kind="stable")[: config.most_series]))
    data = data.take(np.flatnonzero(data.observed.any(axis=1)))
    ahead = None if future is None else read_table(future)
    if (data.known or data.known_labels) and ahead is None:
        require_known(data, config.horizon)  # before the work, not after it
    console.print(
        f"{data.num_series} series over {data.num_periods} periods of {data.grid.step}, from "
        f"{data.grid.shown(0)} to {data.grid.shown(data.num_periods - 1)}"
    )
    with training_bar(console) as bar:
        task = bar.add_task("Epochs", total=config.epochs, losses="compiling")

        def show(progress: Progress) -> None:
            losses = f"{progress.part}  {progress.losses()}".strip()
            bar.update(task, completed=progress.epoch, total=progress.epochs, losses=losses)

        fitted = fit(
            data,
            config.forecaster(data.num_periods),
            columns=config.columns,
            rules=config.rules,
            config=TrainConfig(epochs=config.epochs),
            groups=config.grouping(),
            seed=config.seed,
            folder=out / "training",
            progress=show,
        )
    found = fitted.predict(data, config.horizon, ahead, samples=config.samples, seed=config.seed)
    save_forecaster(fitted, out / "forecaster.npz")
    with atomic_file(out / "forecast.csv") as fresh:
        write_csv(found, fresh)
    with atomic_file(out / "forecast.png") as fresh:
        fresh.write_bytes(picture(data, found).png())
    return found


def write_csv(forecast: Forecast, path: Path) -> None:
    """Write a forecast as a long table; time stamps that are all at midnight as days."""
    import pyarrow as pa
    from pyarrow import csv

    table = forecast.to_frame(backend="pyarrow")
    if forecast.times.dtype.kind == "M":
        days = forecast.times == forecast.times.astype("datetime64[D]")
        kind = pa.date32() if days.all() else pa.timestamp("s")
        place = table.column_names.index("ds")
        table = table.set_column(place, "ds", table["ds"].cast(kind))
    csv.write_csv(table, path)


def picture(data: SeriesData, forecast: Forecast) -> Any:
    """Return the figure of the series with the highest sums: history, and quantiles as a fan."""
    from draingym.forecasters.plots import draw_fan
    from draingym.report.style import Figure, Key, Panel, Where

    total = np.nansum(data.target, axis=1)
    shown = [int(s) for s in np.argsort(-total, kind="stable")[:_SHOWN]]

    def panel(s: int) -> Panel:
        def draw(where: Where) -> None:
            axes = where.subplots()
            draw_fan(axes, data, forecast, data.ids[s])
            axes.grid(visible=True, axis="y")

        return Panel(draw=draw, size=(4.0, 2.6))

    series = [data.ids[s] for s in shown]
    return Figure(
        name="forecast",
        title=f"Forecast of {forecast.horizon} periods",
        caption="History, the median of the forecast, and its central 50% and 90%.",
        panels=tuple(panel(s) for s in shown),
        data={"series": series},
        legend=(
            Key(label="history", colour="ink"),
            Key(label="median; shaded, 50% and 90%", colour="orderupto"),
        ),
        columns=2,
    )

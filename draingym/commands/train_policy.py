"""``draingym train-policy``: a policy of a finished run's world that sees a model's forecasts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from rich.console import Console
from rich.table import Table

from draingym.commands.forecast import ForecastConfig
from draingym.commands.progress import training_bar
from draingym.commands.validate import run_config
from draingym.common.alone import alone
from draingym.common.arrays import require_seed, require_whole
from draingym.common.atomic import require_writable
from draingym.common.bootstrap import draw_means, interval
from draingym.common.config import require_fields
from draingym.common.files import write_json
from draingym.demo.config import MOST_REPLICATIONS
from draingym.demo.run import Run, Setting, some_products
from draingym.forecasters import (
    Fitted,
    Progress,
    TrainConfig,
    fit,
    load_forecaster,
    read_panel,
    save_forecaster,
)
from draingym.policies import (
    NeuralPlacement,
    Validation,
    forecast_windows,
    generated_windows,
    save_policy,
    train_by_gradient,
    validate,
)
from draingym.policies.forecasting.observed import VIEWS
from draingym.simulator import Policy, PyTree, Windows

TODAY = "moving average"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainPolicyConfig:
    """Which forecasts a policy sees, and how it is trained.

    Raises:
        ValueError: If a value is out of its bounds, or both a model and a file are given.
    """

    model: Literal["lstm", "armdn", "monotone", "tft"] | None = None
    forecaster: Path | None = None  # a fitted one, in place of a model
    periods: int = 7  # that a forecast is the mean of
    generated: int = 0  # paths of each product and window to train on; the log's own when 0
    updates: int | None = None  # of the policy; the run's when not given
    epochs: int = 30  # of the forecaster
    replications: int = 1  # of customers, lead times and costs that judge
    seed: int = 0

    def __post_init__(self) -> None:
        """Check types and bounds; see the class."""
        require_fields(self)
        require_whole("periods", self.periods, low=1, high=1000)
        require_whole("generated", self.generated, high=1000)
        if self.updates is not None:
            require_whole("updates", self.updates)
        require_whole("epochs", self.epochs, low=1)
        require_whole("replications", self.replications, low=1, high=MOST_REPLICATIONS)
        require_seed(self.seed)
        if self.forecaster is not None and self.model is not None:
            raise ValueError(
                f"forecaster is {self.forecaster} and model {self.model}, one must not be given"
            )
        if self.generated and not self.forecasts:
            raise ValueError(
                f"generated is {self.generated}, must be 0 without a model that draws paths"
            )

    @property
    def forecasts(self) -> bool:
        """Whether a model says what the policy sees."""
        return self.model is not None or self.forecaster is not None


def train_policy_folder(
    folder: Path, config: TrainPolicyConfig, out: Path, console: Console
) -> dict[str, Any]:
    """Train a neural policy in a run's simulator; write it, the forecaster and ``values.json``.

    It is judged on the periods that the run holds out, beside the run's own policy, which sees the
    moving average: in the simulator, the oracle and the hidden truth.

    Returns:
        What ``values.json`` holds: the value of both by column, and their difference.

    Raises:
        ValueError: If the run is not finished, or the forecaster is of other series.
    """
    require_writable(out, "folder")
    run = Run(run_config(folder), folder).final
    setting, own = run.setting, run.policies["neural"]
    policy: Policy = own
    train, test = setting.train, setting.test
    if config.forecasts:
        fitted = _forecaster(run, config, out, console)
        save_forecaster(fitted, out / "forecaster.npz")
        policy = replace(cast(NeuralPlacement, own), forecast_cv=True)
        train, test = _informed(run, setting, fitted, config)
    settings = run.config.train.with_updates(config.updates, config.seed)
    with alone(out), training_bar(console) as bar:
        task = bar.add_task("Updates", total=settings.updates, losses="compiling")
        trained = train_by_gradient(
            setting.simulator,
            setting.params,
            policy,
            train,
            run.config.training_horizon,
            settings,
            progress=lambda done, total: bar.update(task, completed=done, total=total, losses=""),
        )
    save_policy(out / "neural.npz", policy, trained.params, world=run.identity)
    judged = partial(_judged, run, setting, config)
    today = judged(TODAY, (own, run.parameters["neural"]), setting.test)
    found = judged("this policy", (policy, trained.params), test)
    figures: dict[str, Any] = {"rollouts": trained.rollouts, "value": {}, "difference": {}}
    table = Table("", *found.columns, title="USD per product, held-out periods")
    for name, one in ((TODAY, today), ("this policy", found)):
        values = {column: one.estimate(name, column) for column in one.columns}
        figures["value"][name] = {column: v.to_dict() for column, v in values.items()}
        table.add_row(name, *(f"{v.value:,.1f}" for v in values.values()))
    apart = [found.of("this policy", c) - today.of(TODAY, c) for c in found.columns]
    gains = [interval(float(a.mean()), draw_means(a[None])[:, 0]) for a in apart]
    figures["difference"] = {c: g.to_dict() for c, g in zip(found.columns, gains, strict=True)}
    table.add_row("difference", *(f"{g.value:,.1f} [{g.low:,.1f}, {g.high:,.1f}]" for g in gains))
    write_json(out / "values.json", figures)
    console.print(table)
    return figures


def _forecaster(run: Run, config: TrainPolicyConfig, out: Path, console: Console) -> Fitted:
    """Return the forecaster of a file, or fit one to the views of the periods before the split."""
    if config.forecaster is not None:
        return load_forecaster(config.forecaster)
    if config.model is None:
        raise ValueError("model is None, must be one that forecasts")
    days = run.world.num_periods * run.world.period_days
    data = read_panel(run.panel, VIEWS, yearly=days > 730).until(run.split)
    ahead = config.periods
    if config.generated:
        ahead = max(ahead, run.config.training_horizon)
    model = ForecastConfig(model=config.model, horizon=ahead).forecaster(data.num_periods)
    with training_bar(console) as bar:
        task = bar.add_task("Epochs", total=config.epochs, losses="compiling")

        def show(progress: Progress) -> None:
            bar.update(
                task, completed=progress.epoch, total=progress.epochs, losses=progress.losses()
            )

        return fit(
            data,
            model,
            config=TrainConfig(epochs=config.epochs),
            seed=config.seed,
            folder=out / "training",
            progress=show,
        )


def _informed(
    run: Run, setting: Setting, fitted: Fitted, config: TrainPolicyConfig
) -> tuple[Windows, Windows]:
    """Return windows to train in and to be judged in, whose forecasts are the model's."""
    given: dict[str, Any] = {
        "known_periods": run.split,
        "periods": config.periods,
        "seed": config.seed,
    }
    trained = np.flatnonzero(run.trained_products)
    panel = run.panel.isel(product=trained)
    test = forecast_windows(
        setting.test, fitted, run.panel, first=int(np.asarray(setting.train.start).min()), **given
    )
    if config.generated:
        return generated_windows(
            setting.simulator,
            setting.params,
            setting.train,
            fitted,
            panel,
            run.config.training_horizon,
            paths=config.generated,
            **given,
        ), test
    some = some_products(test, trained)
    market = replace(
        setting.train.market,
        forecast=some.market.forecast,
        forecast_cv=some.market.forecast_cv,
    )
    return replace(setting.train, market=market), test


def _judged(
    run: Run,
    setting: Setting,
    config: TrainPolicyConfig,
    name: str,
    policy: tuple[Policy, PyTree],
    windows: Windows,
) -> Validation:
    """Return what a policy does in the periods held out; the draws depend on the seed alone."""
    return validate(
        {name: policy},
        setting.simulator,
        setting.params,
        windows,
        run.test_horizon,
        run.oracle(config.replications, config.seed),
        run.truth(config.replications),
        judges=run.judges,
        seed=config.seed,
    )

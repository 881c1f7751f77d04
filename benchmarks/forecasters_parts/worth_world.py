"""One seed of the benchmark of worth: world, forecasters, policies, and what they are worth.

What is finished is kept in the folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks._common import Clock
from benchmarks.forecasters_parts.methods import LEVELS
from draingym.common.arrays import FloatArray
from draingym.common.npz import read_npz, write_npz
from draingym.demo.config import LoopConfig
from draingym.demo.data_stage import get_orders, write_history
from draingym.demo.learning_stages import train_drain_model
from draingym.demo.run import Run, Setting, some_products
from draingym.demo.stages import Stages
from draingym.forecasters import (
    ARMDN,
    LSTM,
    TFTMTL,
    Fitted,
    Model,
    MonotoneTransformer,
    TrainConfig,
    fit,
    load_forecaster,
    read_panel,
    save_forecaster,
)
from draingym.oracle.replays.environment import run as run_truth
from draingym.policies import (
    Baseline,
    TuneConfig,
    baseline_suite,
    forecast_market,
    generated_windows,
    load_parameters,
    save_policy,
    tree_of,
    tune,
)
from draingym.simulator import Market, Windows, window
from draingym.simulator.scenarios.series import units_a_view
from draingym.world.orders import WorldConfig

TODAY, INFORMED, GENERATED = "moving average", "who knows the demand to come", "generated"
AHEAD = 7  # periods that a forecast is the mean of: two weeks
POLICIES = ("newsvendor", "order up to, per node")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How large the part is."""

    world: WorldConfig = field(
        default_factory=lambda: WorldConfig(
            period_days=2, num_products=150, num_nodes=6, num_regions=30
        )
    )
    data: Literal["ta-feng", "synthetic"] = "ta-feng"
    drain_epochs: int = 4
    epochs: int = 40  # of a forecaster, at most
    windows: int = 1024  # that an epoch of it draws
    searched: int = 50  # products that searches roll out, evenly over sales
    rollouts: int = 10_000  # of each search
    paths: int = 1  # generated, of each product and start
    width: int = 32


SIZES = {
    "small": Sizes(),
    "tiny": Sizes(
        world=WorldConfig(period_days=2, num_products=12, num_nodes=4, num_regions=12),
        data="synthetic",
        drain_epochs=1,
        epochs=2,
        windows=64,
        searched=4,
        rollouts=200,
        width=8,
    ),
}


def models(width: int) -> dict[str, Model]:
    """Return the forecasters; none knows a product by its name, or the time of the year."""
    seen = 14  # periods of history: four weeks
    return {
        "LSTM": LSTM(
            horizon=AHEAD, window=8, steps=seen - 7, cell=width, ahead=True, levels=LEVELS
        ),
        "ARMDN": ARMDN(
            horizon=2 * AHEAD, context=seen, width=width, product=False, dropout=0.1, mixtures=5
        ),
        "TFT": TFTMTL(horizon=AHEAD, context=seen, width=width, heads=2),
        "monotone transformer": MonotoneTransformer(
            horizon=AHEAD, context=seen, near=AHEAD, layers=1, heads=4, head_width=8,
            near_epochs=40,
        ),
    }  # fmt: skip


class Worth:
    """One seed's world, forecasters and policies."""

    def __init__(self, sizes: Sizes, seed: int, folder: Path, clock: Clock) -> None:
        """Make world, log and drain model, or what is left of them."""
        self.sizes, self.seed, self.out, self.clock = sizes, seed, folder, clock
        base = LoopConfig()
        config = LoopConfig(
            data=sizes.data,
            seed=seed,
            world=replace(sizes.world, seed=seed),
            oracle=replace(base.oracle, seed=seed),
            drain=replace(base.drain, epochs=sizes.drain_epochs),
            diverse_stock=False,
        )
        self.run = Run(config, folder)
        folder.mkdir(parents=True, exist_ok=True)
        stages = Stages(
            folder=folder, fingerprint=config.fingerprint(repr(sizes)), console=Console()
        )
        for name, title, work in (
            ("data", "world", get_orders),
            ("history", "history", write_history),
            ("drain", "drain model", train_drain_model),
        ):
            stages.run(name, f"Seed {seed}: {title}", partial(work, self.run))
            clock(f"seed {seed}: {title}")

    @cached_property
    def setting(self) -> Setting:
        """The simulator of the log's drain model, and its windows; the moving average is seen."""
        return self.run.setting

    @cached_property
    def suite(self) -> Mapping[str, Baseline]:
        """The policies and the boxes that they are tuned in."""
        tree, days = tree_of(self.run.world.network), self.run.world.period_days
        suite = baseline_suite(tree, period_days=days, programs=False)
        return {name: suite[name] for name in POLICIES}

    def fitted(self, name: str) -> Fitted:
        """Return a forecaster of the products' views, fitted to the periods before the split."""
        path = self.out / f"{_file(name)}.forecaster.npz"
        if not path.exists():
            data = read_panel(self.run.panel, "glance_views", yearly=False)
            config = TrainConfig(
                epochs=self.sizes.epochs, windows=self.sizes.windows, batch=64, learning_rate=3e-3
            )
            found = fit(
                replace(data.until(self.run.split), labels={}),
                models(self.sizes.width)[name],
                config=config,
                seed=self.seed,
            )
            save_forecaster(found, path)
            self.clock(f"seed {self.seed}: {name} fitted")
        return load_forecaster(path)

    def market(self, name: str) -> Market:
        """Return the market with a forecast: of all products and periods."""
        market = self.setting.test.market
        path = self.out / f"{_file(name)}.forecast.npz"
        if not path.exists():
            told = self._seen(name, market)
            arrays = {n: np.asarray(getattr(told, n)) for n in ("forecast", "forecast_cv")}
            write_npz(path, arrays, {"version": 1})
            self.clock(f"seed {self.seed}: forecasts of {name}")
        _, arrays = read_npz(path, "forecasts")
        seen: Any = {n: jnp.asarray(values) for n, values in arrays.items()}
        return replace(market, **seen)

    def _seen(self, name: str, market: Market) -> Market:
        run = self.run
        if name == TODAY:  # a policy's own cv times one: the same program for all forecasts
            return replace(market, forecast_cv=jnp.ones(market.price.shape))
        if name == INFORMED:
            views = np.asarray(run.panel["glance_views"], np.float64)
            worth = units_a_view(run.panel, run.split)[:, :, None]
            coming = [views[:, t : t + AHEAD].mean(axis=1) for t in range(views.shape[1])]
            return replace(
                market,
                forecast=jnp.asarray(np.stack(coming, axis=1) * worth, jnp.float32),
                forecast_cv=jnp.zeros(market.price.shape),
            )
        return forecast_market(
            market,
            self.fitted(name),
            run.panel,
            known_periods=run.split,
            periods=AHEAD,
            first=4,  # no window begins before
            seed=self.seed,
        )

    def searched(self, name: str) -> Windows:
        """Return the windows that a search rolls out: of some products, real or generated."""
        if name.startswith(GENERATED):
            base = name.removeprefix(f"{GENERATED}, ")
            windows = some_products(self._train(base), self.some)
            return generated_windows(
                self.setting.simulator,
                self.setting.params,
                windows,
                self.fitted(base),
                self.run.panel.isel(product=self.some),
                self.run.config.training_horizon,
                paths=self.sizes.paths,
                known_periods=self.run.split,
                periods=AHEAD,
                seed=self.seed,
            )
        return some_products(self._train(name), self.some)

    @property
    def some(self) -> NDArray[np.int64]:
        """Products that searches roll out, evenly over their sales."""
        every = self.run.world.products.num_products
        return np.unique(np.linspace(0, every - 1, self.sizes.searched).round().astype(np.int64))

    def _train(self, name: str) -> Windows:
        market = self.market(name)
        return replace(
            self.setting.train,
            market=replace(
                self.setting.train.market,
                forecast=market.forecast,
                forecast_cv=market.forecast_cv,
            ),
        )

    def tuned(self, policy: str, name: str) -> Any:
        """Return the parameters of a policy that are best in the simulator with a forecast."""
        kind, bounds = self.suite[policy]
        path = self.out / f"{_file(policy)}.{_file(name)}.npz"
        if not path.exists():
            setting, config = self.setting, self.run.config
            found = tune(
                replace(setting, train=self.searched(name)).task(config.training_horizon),
                kind,
                bounds,
                TuneConfig(rollouts=self.sizes.rollouts, seed=self.seed),
            )
            save_policy(path, kind, found.params)
            print(f"  {policy}, {name}: {found.value:.1f} in the simulator", flush=True)
        return load_parameters(path, kind)

    def values(self, policy: str, name: str) -> FloatArray:
        """Return [P] what a policy is worth in the hidden truth, in the periods held out."""
        path = self.out / f"{_file(policy)}.{_file(name)}.truth.npz"
        if not path.exists():
            run, setting = self.run, self.setting
            market = self.market(name.removeprefix(f"{GENERATED}, "))
            windows = replace(setting.test, market=market)
            key_noise, key_policy = jax.random.split(jax.random.key(self.seed))
            truth = run.truth(1)
            moves = run_truth(
                truth.systems,
                truth.views[0],
                setting.params,
                self.suite[policy].policy,
                self.tuned(policy, name),
                window(windows, 0, run.test_horizon, key_noise),
                dynamics=setting.simulator.dynamics,
                key=key_policy,
                seed=self.seed,
            ).trajectory.transitions
            weight = float(setting.params.discount) ** np.arange(run.test_horizon)
            found = (np.asarray(moves.reward, np.float64) * weight).sum(axis=1)
            write_npz(path, {"values": found}, {"version": 1})
            print(f"  {policy}, {name}: {found.mean():.1f} in the truth", flush=True)
        return np.asarray(read_npz(path, "values")[1]["values"])

    def errors(self, name: str) -> dict[str, float]:
        """Return how far a forecast is off, of products' demand over the coming periods."""
        run = self.run
        said = np.asarray(self.market(name).forecast, np.float64).sum(axis=2)
        actual = np.asarray(self.market(INFORMED).forecast, np.float64).sum(axis=2)
        spans = {
            "known": slice(run.split - run.config.training_horizon, run.split - AHEAD),
            "held out": slice(run.split, run.world.num_periods - AHEAD + 1),
        }
        found = {}
        for span, periods in spans.items():
            apart = said[:, periods] - actual[:, periods]
            total = actual[:, periods].sum()
            found[f"wMAPE, {span}"] = float(np.abs(apart).sum() / total)
            found[f"bias, {span}"] = float(apart.sum() / total)
        return found


def _file(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)

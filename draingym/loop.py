"""The loop: orders, world, log, drain model, policies, three-column validation, report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from rich.console import Console

from drain_model import (
    Checkpoint,
    DrainData,
    LearnedDrain,
    Progress,
    load_checkpoint,
    save_checkpoint,
    train,
)
from draingym import __version__
from draingym.accuracy import score_models
from draingym.config import LoopConfig
from draingym.history import historical_policy, run_history, true_systems
from draingym.machine import machine, versions
from draingym.report import summary_table, write_report
from draingym.stages import Advance, Stages, read_json, write_json
from oracle.conversion import estimate_rates, sample_latent
from oracle.environment import run
from oracle.recorder import to_event_log
from oracle.systems import Systems, build_systems
from policies import (
    NeuralPlacement,
    OrderUpTo,
    train_by_gradient,
    tree_of,
    tune,
)
from policies.store import load_parameters, save_parameters
from policies.validation import COLUMNS, Validation, World, validate
from simulator import (
    Params,
    Policy,
    PyTree,
    Simulator,
    Windows,
    make_windows,
    params_from_network,
    series_from_panel,
    window,
)
from world import orders as world_orders
from world.eventlog import EventLog, read_log, write_log
from world.lines import OrderLines
from world.panel import build_panel, load_panel, pipeline_at, save_panel
from world.synthetic import synthetic_order_lines
from world.ta_feng import DataUnavailableError, load_order_lines
from world.views import ConversionRates

Figures = dict[str, Any]
POLICIES = ("historical", "order up to", "neural")


def run_loop(config: LoopConfig, out: Path, console: Console) -> Figures:
    """Run every stage that is not finished yet, write the report, print the summary.

    Args:
        config: What to run.
        out: Folder of the run: log, panel, checkpoints, figures, ``results.json``,
            ``report.html``.
        console: Where progress and the summary go.

    Returns:
        All figures, as in ``results.json``.

    Raises:
        ValueError: If a file of an earlier run is damaged, naming it.
    """
    stages = Stages(folder=out, fingerprint=config.fingerprint(__version__), console=console)
    write_json(out / "config.json", config.to_dict())
    loop = Loop(config, out)
    figures: Figures = {}
    for name, title, work in (
        ("data", "Orders and network", loop.orders),
        ("history", "History: log and panel", loop.history),
        ("drain", "Drain model: training", loop.train_drain_model),
        ("accuracy", "Drain model: accuracy, baseline, noise floor", loop.score_drain_model),
        ("policies", "Policies: tuning and training", loop.train_policies),
        ("validation", "Validation: simulator, oracle, truth", loop.validate_policies),
    ):
        figures[name] = stages.run(name, title, work)
    figures["trace"] = figures["validation"].pop("trace")
    figures |= {
        "seconds": stages.seconds,
        "versions": versions(),
        "machine": machine(),
        "config": config.to_dict(),
    }
    write_json(out / "results.json", figures)
    report = write_report(figures, out)
    console.print(summary_table(figures))
    console.print(f"Report: {report}")
    return figures


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """The simulator with the learned kernel, and the windows policies are rolled out in."""

    simulator: Simulator
    params: Params
    train: Windows
    test: Windows


class Loop:
    """The stages' work, and what they share: each thing is made, or read, when first needed."""

    def __init__(self, config: LoopConfig, out: Path) -> None:
        """Do nothing yet."""
        self.config = config
        self.out = out

    # Orders and world

    def orders(self, advance: Advance) -> Figures:
        """Get the order lines; synthetic ones, saying why, where the real ones are out of reach."""
        del advance
        fallback = None
        if self.config.data == "ta-feng":
            try:
                load_order_lines()
            except DataUnavailableError as error:
                fallback = str(error)
                print(f"Real orders cannot be had ({error}): going on with synthetic ones.")
        source = "synthetic" if fallback else self.config.data
        write_json(self.out / "orders.json", {"source": source, "fallback": fallback})
        world = self.world
        network = world.network
        return {
            "source": world.source,
            "fallback": fallback,
            "first_date": world.first_date.isoformat(),
            "days": world.num_periods * world.period_days,
            "periods": world.num_periods,
            "period_days": world.period_days,
            "products": world.products.num_products,
            "order_lines": self.order_lines.num_lines,
            "wholesale_lines": world.wholesale_lines,
            "customers": int(world.customer_place.size),
            "views": world.views.num_views,
            "candidates": world.views.candidates(world.rates).num_views,
            "nodes": [
                {
                    "name": network.node_name[n],
                    "latitude": float(network.node_latitude[n]),
                    "longitude": float(network.node_longitude[n]),
                    "upstream": not bool(network.serves_customers[n]),
                }
                for n in range(network.num_nodes)
            ],
            "regions": [
                {
                    "name": network.region_name[z],
                    "latitude": float(network.region_latitude[z]),
                    "longitude": float(network.region_longitude[z]),
                    "population": float(network.population[z]),
                }
                for z in range(network.num_regions)
            ],
        }

    @cached_property
    def order_lines(self) -> OrderLines:
        """The order lines that the first stage settled on."""
        if read_json(self.out / "orders.json")["source"] == "ta-feng":
            return load_order_lines()
        return synthetic_order_lines(seed=self.config.seed)

    @cached_property
    def world(self) -> world_orders.World:
        """The world, hidden truth included."""
        return world_orders.build_world(self.order_lines, self.config.world)

    # History

    def history(self, advance: Advance) -> Figures:
        """Run the historical policy in the truth; write log and panel."""
        ran = run_history(self.world, self.config)
        advance(1, 3)
        write_log(to_event_log(self.world, ran), self.out / "log")
        advance(2, 3)
        panel = build_panel(self.log, known_periods=self.split)
        save_panel(panel, self.out / "panel.zarr")
        advance(3, 3)
        moves = ran.trajectory.transitions
        serves = np.asarray(self.world.network.serves_customers)
        outbound = np.asarray(moves.outbound)[:, :, serves]
        levels = {"p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9}
        lost = float(np.asarray(moves.lost).sum())
        return {
            "orders": int(np.asarray(panel["orders"]).sum()),
            "units": int(outbound.sum()),
            "lost_share": lost / (lost + float(outbound.sum())),
            "flows": self._flows().tolist(),
            "outbound_mean": float(outbound.mean()),
            "outbound_quantiles": {k: float(np.quantile(outbound, q)) for k, q in levels.items()},
        }

    def _flows(self) -> np.ndarray:
        """Return [N, Z] units shipped by node and region over the whole log."""
        log, network = self.log, self.world.network
        line = log.array("boxes", "order_line")
        view = log.array("order_lines", "view")[
            np.searchsorted(log.array("order_lines", "order_line"), line)
        ]
        region = log.array("glance_views", "region")[
            np.searchsorted(log.array("glance_views", "view"), view)
        ]
        flows = np.zeros((network.num_nodes, network.num_regions))
        np.add.at(flows, (log.array("boxes", "node"), region), log.array("boxes", "units"))
        return flows

    @cached_property
    def log(self) -> EventLog:
        """The event log, checked."""
        return read_log(self.out / "log")

    @cached_property
    def panel(self) -> xr.Dataset:
        """The log by periods, checked."""
        return load_panel(self.out / "panel.zarr")

    @cached_property
    def split(self) -> int:
        """The first period that is held out of every fit."""
        return round(self.world.num_periods * self.config.train_share)

    # Drain model

    @cached_property
    def drain_data(self) -> DrainData:
        """The panel as the drain model sees it, held-out periods included."""
        return DrainData.from_panel(self.panel)

    def train_drain_model(self, advance: Advance) -> Figures:
        """Train the drain model on the first periods."""

        def show(progress: Progress) -> None:
            advance(progress.epoch, progress.epochs)

        trained = train(
            self.drain_data.periods(0, self.split),
            self.config.drain,
            seed=self.config.seed,
            progress=show,
        )
        save_checkpoint(trained.checkpoint, self.out / "drain_model.npz")
        weights = jax.tree.leaves(trained.checkpoint.weights)
        return {
            "epochs": trained.history[-1].epoch,
            "stopped": trained.stopped,
            "parameters": int(sum(np.size(leaf) for leaf in weights)),
            "epoch": [p.epoch for p in trained.history],
            "train_curve": [p.train_loss for p in trained.history],
            "validation_curve": [p.validation_loss for p in trained.history],
        }

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The trained drain model."""
        return load_checkpoint(self.out / "drain_model.npz", config=self.config.drain)

    def score_drain_model(self, advance: Advance) -> Figures:
        """Score the drain model, the tuned closest node and the noise floor."""
        return score_models(
            self.checkpoint,
            self.drain_data,
            self.world,
            true_systems(self.world, self.config),
            self.split,
            self.config,
            advance,
        )

    # Policies

    @cached_property
    def setting(self) -> Setting:
        """The simulator with the learned kernel, and its windows."""
        network, config = self.world.network, self.config
        kernel, kernel_params = LearnedDrain.bind(
            self.checkpoint,
            self.drain_data.geography,
            jnp.asarray(network.serves_customers),
            jnp.asarray(network.active_from),
        )
        simulator = Simulator(kernel=kernel)
        params = params_from_network(network, config.economics, kernel_params)
        series = series_from_panel(
            self.panel,
            np.asarray(self.panel["lead_time"]),
            kernel.num_uniforms,
            jax.random.key(config.seed),
            known_periods=self.split,
            half_life=7.0 / self.world.period_days,
        )

        def windows(starts: list[int], horizon: int) -> Windows:
            return make_windows(
                simulator,
                params,
                self.panel,
                series,
                starts,
                [pipeline_at(self.panel, start) for start in starts],
                horizon,
                np.asarray(self.panel["lead_time"]),
            )

        horizon = config.training_horizon
        first = min(HISTORY, self.split - horizon)
        starts = np.linspace(first, self.split - horizon, config.training_starts).astype(int)
        return Setting(
            simulator=simulator,
            params=params,
            train=windows(sorted({int(s) for s in starts}), horizon),
            test=windows([self.split], self.test_horizon),
        )

    @property
    def test_horizon(self) -> int:
        """Held-out periods."""
        return self.world.num_periods - self.split

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        """The policies that are compared, by name."""
        tree = tree_of(self.world.network)
        return {
            "historical": historical_policy(self.world, self.config).policy,
            "order up to": OrderUpTo(tree=tree),
            "neural": NeuralPlacement(
                tree=tree,
                num_attributes=self.drain_data.attributes.shape[-1],
            ),
        }

    def train_policies(self, advance: Advance) -> Figures:
        """Tune the order-up-to policy by search, train the neural one by gradients."""
        setting, config = self.setting, self.config
        days = self.world.period_days
        total = config.tune.generations + config.train.updates
        tuned = tune(
            setting.simulator,
            setting.params,
            self.policies["order up to"],
            {
                "buy_cover": (4 / days, 60 / days),
                "place_cover": (1 / days, 30 / days),
                "safety": (0.02, 10.0),
            },
            setting.train,
            config.training_horizon,
            config.tune,
            progress=lambda done, _: advance(done, total),
        )
        save_parameters(self.out / "order_up_to.npz", tuned.params)
        trained = train_by_gradient(
            setting.simulator,
            setting.params,
            self.policies["neural"],
            setting.train,
            config.training_horizon,
            config.train,
            progress=lambda done, _: advance(config.tune.generations + done, total),
        )
        save_parameters(self.out / "neural.npz", trained.params)
        return {
            "horizon": config.training_horizon,
            "starts": np.asarray(setting.train.start).tolist(),
            "order_up_to": {
                "buy_cover": float(tuned.params.buy_cover),
                "place_cover": float(tuned.params.place_cover),
                "safety": float(tuned.params.safety),
                "value": tuned.value,
                "rollouts": tuned.rollouts,
                "curve": tuned.curve.tolist(),
            },
            "neural": {
                "value": trained.value,
                "rollouts": trained.rollouts,
                "updates": trained.updates.tolist(),
                "curve": trained.curve.tolist(),
            },
        }

    @cached_property
    def parameters(self) -> Mapping[str, PyTree]:
        """The parameters of every policy."""
        return {
            "historical": historical_policy(self.world, self.config).params,
            "order up to": load_parameters(
                self.out / "order_up_to.npz", self.policies["order up to"]
            ),
            "neural": load_parameters(self.out / "neural.npz", self.policies["neural"]),
        }

    # Validation

    @cached_property
    def estimated_rates(self) -> ConversionRates:
        """Conversion rates as the log shows them."""
        return estimate_rates(self.log)

    @cached_property
    def oracle_systems(self) -> Systems:
        """The systems as they look to one who knows the log: rates are estimated."""
        world, panel = self.world, self.panel
        ordered = np.asarray(panel["ordered_units"]).sum(axis=(1, 2))
        days = world.num_periods * world.period_days
        return build_systems(
            world.network,
            world.places,
            world.products,
            self.estimated_rates,
            ordered / days,
            self.config.oracle,
        )

    def validate_policies(self, advance: Advance) -> Figures:
        """Run all policies in simulator, oracle and truth on the held-out periods."""
        config, setting, world = self.config, self.setting, self.world
        systems = self.oracle_systems
        drawn = [
            sample_latent(self.log, self.estimated_rates, world.places, seed=config.seed + r)
            for r in range(config.replications)
        ]
        truth = World(
            systems=true_systems(world, config),
            views=[world.views.candidates(world.rates)] * config.replications,
        )
        policies = {name: (self.policies[name], self.parameters[name]) for name in POLICIES}
        validation = validate(
            policies,
            setting.simulator,
            setting.params,
            setting.test,
            self.test_horizon,
            World(systems=systems, views=drawn),
            truth,
            seed=config.seed,
            progress=advance,
        )
        return _validation_figures(validation, self.split) | {"trace": self._trace(truth)}

    def _trace(self, truth: World) -> Figures:
        """Return stock and drain of the product with the median drain, in the truth."""
        setting = self.setting
        volume = self.drain_data.outbound.sum(axis=(1, 2))
        product = int(np.argsort(volume)[len(volume) // 2])
        key_noise, key_policy = jax.random.split(
            jax.random.fold_in(jax.random.key(self.config.seed), 0)
        )
        scenario = window(setting.test, 0, self.test_horizon, key_noise)
        shown: Figures = {}
        for name in POLICIES:
            moves = run(
                truth.systems,
                truth.views[0],
                setting.params,
                self.policies[name],
                self.parameters[name],
                scenario,
                key=key_policy,
                seed=self.config.seed,
            ).trajectory.transitions
            shown[name] = {
                "on_hand": np.asarray(moves.on_hand[product]).tolist(),
                "outbound": np.asarray(moves.outbound[product]).tolist(),
                "lost": np.asarray(jnp.sum(moves.lost[product], axis=-1)).tolist(),
            }
        return {
            "product": self.world.products.id[product],
            "start": self.split,
            "policies": shown,
        }


# Periods that training windows leave for the encoders to see.
HISTORY = 4


def _validation_figures(validation: Validation, start: int) -> Figures:
    """Return the three-column table as plain values."""

    def plain(estimate: Any) -> Figures:
        return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}

    baseline = "order up to"
    value = {
        name: {column: plain(validation.estimate(name, column)) for column in COLUMNS}
        for name in validation.names
    }
    return {
        "policies": list(validation.names),
        "columns": list(COLUMNS),
        "horizon": validation.horizon,
        "start": start,
        "replications": int(validation.values.shape[2]),
        "products": int(validation.values.shape[3]),
        "value": value,
        "difference": {
            name: {
                column: plain(validation.difference(name, baseline, column)) for column in COLUMNS
            }
            for name in validation.names
            if name != baseline
        },
        "value_error": {
            name: (columns["simulator"]["mean"] - columns["oracle"]["mean"])
            / max(abs(columns["oracle"]["mean"]), 1e-9)
            for name, columns in value.items()
        },
    }

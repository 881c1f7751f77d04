"""A run's folder: its data, drain model, simulator and policies, as they are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from draingym.demo.history import historical_policy
from draingym.demo.replays import replays
from draingym.demo.run_data import RunData
from draingym.drain_model import Checkpoint, DrainData, EnsembleDrain, LearnedDrain, load_checkpoint
from draingym.policies import NeuralPlacement, OrderUpTo, WindowTask, tree_of
from draingym.policies.rules.shares import diverse_policies
from draingym.policies.store import load_parameters
from draingym.policies.validation.pessimism import PessimisticSimulator
from draingym.simulator import (
    DrainKernel,
    Params,
    Policy,
    PyTree,
    Simulator,
    Windows,
    make_windows,
    market_from_panel,
    params_from_network,
)
from draingym.world.panel import pipeline_at

_TUNED = "_fine_tuned"  # what files are called of what a round of fine-tuning made
POLICIES = ("historical", "order up to", "neural")
# Periods that training windows leave for the encoders to see.
HISTORY = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """The simulator with a learned kernel, and the windows policies are rolled out in."""

    simulator: Simulator
    params: Params
    train: Windows  # training products alone
    test: Windows  # all products

    def task(self, horizon: int) -> WindowTask:
        """Return what policies are trained on: rollouts of so many periods in training windows."""
        return WindowTask(
            params=self.params, windows=self.train, simulator=self.simulator, horizon=horizon
        )


class Run(RunData):
    """What the stages of a run share: each thing is made, or read, when first needed."""

    is_fine_tuned = False

    # What a round of fine-tuning makes anew

    @property
    def model_path(self) -> Path:
        """Of the drain model."""
        return self.out / f"drain_model{_TUNED * self.is_fine_tuned}.npz"

    @property
    def neural_path(self) -> Path:
        """Of the neural policy."""
        return self.out / f"neural{_TUNED * self.is_fine_tuned}.npz"

    @cached_property
    def fine_tuned(self) -> Run:
        """The run with drain model and neural policy after fine-tuning; the rest is shared."""
        other = copy(self)
        other.is_fine_tuned = True
        for name in ("checkpoint", "setting", "parameters"):
            other.__dict__.pop(name, None)
        return other

    @property
    def final(self) -> Run:
        """The run after fine-tuning where there was a round of it, or the run itself."""
        other = self.fine_tuned
        there = other.model_path.exists() and other.neural_path.exists()
        return other if there else self

    def forget_fine_tuning(self) -> None:
        """Remove what a round of fine-tuning left: it was another model's."""
        for path in self.out.glob(f"*{_TUNED}.npz"):
            path.unlink()

    # Drain model

    @cached_property
    def drain_data(self) -> DrainData:
        """The panel as the drain model sees it, held-out periods and products included."""
        return DrainData.from_panel(self.panel)

    @property
    def training_data(self) -> DrainData:
        """The part of it that is fitted."""
        return self.drain_data.periods(0, self.split).products(
            np.flatnonzero(self.trained_products)
        )

    def replays(self, policies: Mapping[str, tuple[Policy, PyTree]], seed: int) -> list[DrainData]:
        """Return that part as the oracle would have had it, had each policy kept the stock."""
        return replays(
            self.log,
            self.panel,
            self.drain_data.periods(0, self.split),
            policies,
            self.config.oracle,
            self.config.economics,
            products=np.flatnonzero(self.trained_products),
            seed=seed,
        )

    @cached_property
    def diverse_stock(self) -> list[DrainData]:
        """Replays under policies whose stock the log never had."""
        network, seed = self.world.network, self.config.seed
        policies = diverse_policies(network, self.world.period_days, seed=seed)
        return self.replays(policies, seed)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The trained drain model."""
        path = self.model_path
        found = load_checkpoint(path, config=self.config.drain)
        try:
            found.require(self.drain_data)
        except ValueError as error:
            raise ValueError(f"{path} is a model for another run: {error}") from error
        return found

    # Simulator

    @cached_property
    def setting(self) -> Setting:
        """The simulator with the run's drain model, and its windows."""
        return self.setting_of([self.checkpoint])

    def simulator_of(
        self, checkpoints: Sequence[Checkpoint], *, pessimism: float | None = None
    ) -> tuple[Simulator, Params]:
        """Return the simulator with one drain model or an ensemble, and its parameters."""
        network, config = self.world.network, self.config
        places = (
            self.drain_data.geography,
            jnp.asarray(network.serves_customers),
            jnp.asarray(network.active_from),
        )
        kernel: DrainKernel
        if len(checkpoints) == 1 and pessimism is None:
            kernel, kernel_params = LearnedDrain.bind(checkpoints[0], *places)
            simulator = Simulator(kernel=kernel)
        else:
            kernel, kernel_params = EnsembleDrain.bind(checkpoints, *places)
            simulator = (
                Simulator(kernel=kernel)
                if pessimism is None
                else PessimisticSimulator(kernel=kernel, weight=pessimism)
            )
        params = params_from_network(
            network, config.economics, kernel_params, period_days=self.world.period_days
        )
        return simulator, params

    def setting_of(
        self,
        checkpoints: Sequence[Checkpoint],
        *,
        pessimism: float | None = None,
        test: tuple[int, int] | None = None,
    ) -> Setting:
        """Return the simulator with one drain model or an ensemble, and its windows.

        Args:
            checkpoints: One for a plain simulator, more for an ensemble.
            pessimism: Weight of the members' spread (``policies.validation.pessimism``); an
                ensemble that follows one member a trajectory when not given.
            test: First period of the test window and the one after its last; those held out when
                not given.
        """
        config = self.config
        simulator, params = self.simulator_of(checkpoints, pessimism=pessimism)
        market = market_from_panel(
            self.panel, known_periods=self.split, half_life=7.0 / self.world.period_days
        )

        def windows(starts: list[int], horizon: int) -> Windows:
            return make_windows(
                simulator,
                params,
                self.panel,
                market,
                starts,
                [pipeline_at(self.panel, start) for start in starts],
                horizon,
                np.asarray(self.panel["lead_time"]),
                jax.random.key(config.seed),
            )

        horizon = config.training_horizon
        first = min(HISTORY, self.split - horizon)
        starts = np.linspace(first, self.split - horizon, config.training_starts).astype(int)
        trained = np.flatnonzero(self.trained_products)
        start, stop = (self.split, self.world.num_periods) if test is None else test
        if start == stop:  # nothing is held out: what trains is all there is
            start, stop = int(starts[-1]), int(starts[-1]) + horizon
        train = windows(sorted({int(s) for s in starts}), horizon)
        return Setting(
            simulator=simulator,
            params=params,
            train=train if trained.size == train.num_products else some_products(train, trained),
            test=windows([start], stop - start),
        )

    # Policies

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        """The policies that are compared, by name."""
        tree = tree_of(self.world.network)
        attributes = self.training_data.attributes
        return {
            "historical": historical_policy(self.world, self.config).policy,
            "order up to": OrderUpTo(tree=tree),
            "neural": NeuralPlacement(
                tree=tree,
                num_attributes=attributes.shape[-1],
                attribute_range=tuple(
                    (float(column.min()), float(column.max())) for column in attributes.T
                ),
            ),
        }

    @cached_property
    def parameters(self) -> Mapping[str, PyTree]:
        """The parameters of every policy."""
        return {
            "historical": historical_policy(self.world, self.config).params,
            "order up to": load_parameters(
                self.out / "order_up_to.npz", self.policies["order up to"]
            ),
            "neural": load_parameters(self.neural_path, self.policies["neural"]),
        }


def some_products(windows: Windows, products: NDArray[np.int64]) -> Windows:
    """Return the windows of some products."""
    return replace(
        windows,
        market=jax.tree.map(lambda leaf: leaf[products], windows.market),
        initial=jax.tree.map(lambda leaf: leaf[:, products], windows.initial),
    )

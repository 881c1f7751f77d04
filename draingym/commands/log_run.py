"""A log as a run: what the demo's stages need of a world, from a log and files of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from draingym.common.config import read_config
from draingym.common.files import kind_at, read_json
from draingym.demo.config import LoopConfig
from draingym.demo.replays import replays
from draingym.demo.run import Run
from draingym.demo.run_data import fitted_world
from draingym.drain_model import Checkpoint, DrainData, load_checkpoint
from draingym.oracle.replays.setting import ReplaySetting, setting_from_log
from draingym.policies import NeuralPlacement, OrderUpTo, load_policy, policy_world, tree_of
from draingym.policies.acting import require_acts
from draingym.policies.rules.historical import covers_kept
from draingym.policies.validation.candidates import BASELINE
from draingym.policies.validation.fine_tuning import Policies
from draingym.policies.validation.validate import ReplayedWorld
from draingym.simulator import Economics, Policy, PyTree
from draingym.world.eventlog import EventLog, read_log
from draingym.world.identity import WorldIdentity, require_same_world
from draingym.world.network import Network
from draingym.world.orders import World
from draingym.world.panel import build_panel, load_panel
from draingym.world.views import Places, Products

HISTORICAL = "historical"


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownWorld:
    """What a log says of its world: the part of ``World`` that is no hidden truth."""

    network: Network
    places: Places
    products: Products
    period_days: float
    num_periods: int


def is_log(folder: Path) -> bool:
    """Return whether a folder holds an event log, and not a run of the demo."""
    there = kind_at(folder / "products.parquet", "log") == "file"
    return there and kind_at(folder / "config.json", "run") is None


def log_config(path: Path | None) -> LoopConfig:
    """Return how policies are trained and judged on a log, and what stock costs.

    Args:
        path: JSON file with the fields of the demo's configuration that differ (economics, oracle,
            train, tune, drain, thresholds, training_horizon, training_starts); the defaults when
            not given. Economics are by the day.

    Raises:
        ValueError: As ``load_config`` does.
    """
    values = _values(path)
    if isinstance(values, Mapping) and "economics" not in values:
        values = {**values, "economics": asdict(Economics())}
    config: LoopConfig = read_config(LoopConfig, values, f"{path or 'settings'}: config")
    return config


def _values(path: Path | None) -> Any:
    return {} if path is None else read_json(path, "config file")


def require_trainable(log: EventLog, folder: Path, horizon: int, known: int) -> None:
    """Raise unless policies can be trained on the first periods of a log.

    Args:
        log: The event log.
        folder: Its folder.
        horizon: Periods of a rollout.
        known: Periods to train on.

    Raises:
        ValueError: If they do not hold a rollout, or the log does not say what was shipped; naming
            the field or the table.
    """
    if horizon >= known:
        raise ValueError(
            f"training_horizon is {horizon}, must be in [1, {known - 1}], with {known} periods to "
            f'train on: --settings names a JSON file that says so, {{"training_horizon": '
            f"{max(known // 2, 1)}}}"
        )
    require_shipments(log, folder)


def require_shipments(log: EventLog, folder: Path) -> None:
    """Raise unless the log says what was on its way."""
    if "shipments" not in log:
        raise ValueError(
            f"{folder} lacks the table 'shipments', which says what was on its way to each node: "
            "policies act on it"
        )


class LogRun(Run):
    """The demo's run with a log in place of its world, and no hidden truth.

    Args:
        folder: Of the event log.
        settings: JSON file, see ``log_config``. The systems that promise, ship and bill are those
            that are estimated from the log, unless it says ``oracle``.
        drain: File of a drain model that was trained on the log's panel.
        panel: Folder of the panel; made of the log when not given.
        known_periods: First periods that fits may know; those that the drain model was trained on
            when not given, or those that the panel says.

    Raises:
        ValueError: If the log cannot be read, or the panel or the model is of another world, or
            knows other periods, naming the difference.
    """

    def __init__(
        self,
        folder: Path,
        settings: Path | None,
        *,
        drain: Path | None = None,
        panel: Path | None = None,
        known_periods: int | None = None,
    ) -> None:
        """Read the log, and what is beside it; see the class."""
        super().__init__(log_config(settings), folder)
        self.systems = self.config.oracle if "oracle" in _values(settings) else None
        self.folder, self.drain_path = folder, drain
        self.log: EventLog = read_log(folder)
        self.here = WorldIdentity.from_log(self.log)
        self.ids: list[str] = self.log["products"]["id"].to_pylist()
        self.notes: list[str] = []  # what a report must say
        self._loaded = None if drain is None else load_checkpoint(drain)
        if self._loaded is not None:
            self.compare(f"drain model {drain}", self._loaded.world)
        stored = None if panel is None else self._stored(panel)
        self.split = self._known(known_periods, panel, stored)
        self.panel: xr.Dataset = (
            build_panel(self.log, known_periods=self.split) if stored is None else stored
        )
        self.world = cast(World, self._known_world())
        self.trained_products = self._trained()

    def compare(self, what: str, found: WorldIdentity | None) -> None:
        """Raise unless what was trained somewhere was trained in the log's world; keep the notes.

        Raises:
            ValueError: Naming the difference.
        """
        self.notes += require_same_world(
            what, found, f"log {self.folder}", self.here, self.ids, trained=True
        )

    def _stored(self, path: Path) -> xr.Dataset:
        """Return a panel of the log from a folder."""
        panel = load_panel(path)
        require_same_world(
            f"panel {path}",
            WorldIdentity.from_panel(panel),
            f"log {self.folder}",
            self.here,
            self.ids,
            trained=False,
        )
        return panel

    def _known(self, given: int | None, path: Path | None, stored: xr.Dataset | None) -> int:
        """Return how many first periods are known to every fit."""
        there = int(self.log["calendar"].num_rows)
        model = self._loaded
        told = None if stored is None else stored.attrs.get("known_periods")
        known, why = given, "known_periods"
        if model is not None and model.train_periods:
            trained = model.train_periods
            if model.world is not None:
                trained = model.world.periods_in(self.here)[1]
            if known is not None and known != trained:
                raise ValueError(
                    f"known_periods is {known}, must be {trained}: the drain model "
                    f"{self.drain_path} was trained up to there"
                )
            known, why = trained, f"of the drain model {self.drain_path}"
        if known is None:
            known, why = told, f"of the panel {path}"
        if known is None:
            known, why = round(there * self.config.train_share), "by train_share"
        known = int(known)
        if not 2 <= known <= there:
            raise ValueError(
                f"training periods are {known} ({why}), must be in [2, {there}], those of "
                f"{self.folder}"
            )
        if told is not None and int(told) != known:
            raise ValueError(
                f"panel {path} has attributes from the first {int(told)} periods, must have them "
                f"from the first {known} ({why}): make it by draingym panel --known-periods {known}"
            )
        return known

    def _known_world(self) -> KnownWorld:
        known = self.replay_setting
        prices = {
            name: np.asarray(self.panel[name], np.float64)
            for name in ("price", "unit_cost", "weight_lb", "conversion", "units_per_order")
        }
        return KnownWorld(
            network=known.network,
            places=known.places,
            products=Products(id=tuple(self.ids), **prices),
            period_days=known.period_days,
            num_periods=known.num_periods,
        )

    def _trained(self) -> NDArray[np.bool_]:
        """Return [P] the products that the drain model was trained on; all where it is not said."""
        if self._loaded is None or self._loaded.world is None:
            return np.ones(len(self.ids), bool)
        return self._loaded.world.knows(self.ids)

    # What follows from the log in place of the demo's world

    @cached_property
    def replay_setting(self) -> ReplaySetting:
        """The log as the oracle sees it."""
        return setting_from_log(
            self.log,
            self.systems,
            self.config.economics,
            known_periods=self.split,
            panel=self.panel,
        )

    @cached_property
    def identity(self) -> WorldIdentity:
        """The network, and the products and periods that policies are fitted on."""
        return fitted_world(self.panel, self.trained_products, self.split)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The drain model.

        Raises:
            ValueError: If none was given, or it is for other nodes or features.
        """
        if self._loaded is None:
            raise ValueError("drain is None, must be the file of a drain model")
        try:
            self._loaded.require(self.drain_data)
        except ValueError as error:
            raise ValueError(f"drain model {self.drain_path}: {error}") from error
        return self._loaded

    def oracle(self, replications: int, seed: int | None = None) -> ReplayedWorld:
        """Return the log's customers, drawn given what they did, and systems estimated from it."""
        first = self.config.seed if seed is None else seed
        known = self.replay_setting
        views = [known.views(first + r) for r in range(replications)]
        return ReplayedWorld(systems=known.systems, views=views)

    def replays(self, policies: Policies, seed: int) -> list[DrainData]:
        """Return the training part of the panel as the oracle would have had it under policies."""
        return replays(
            self.log,
            self.panel,
            self.drain_data.periods(0, self.split),
            policies,
            self.systems,
            self.config.economics,
            products=np.flatnonzero(self.trained_products),
            seed=seed,
        )

    def require_training(self) -> None:
        """Raise unless the periods to train on hold a rollout, and the log says what was shipped.

        Raises:
            ValueError: Naming the field or the table.
        """
        require_trainable(self.log, self.folder, self.config.training_horizon, self.split)

    def require_shipments(self) -> None:
        """Raise unless the log says what was on its way."""
        require_shipments(self.log, self.folder)

    # Policies

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        """The policies that a log is judged and trained with."""
        neural = cast(NeuralPlacement, super().policies["neural"])
        kept = covers_kept(self.panel, self.split)
        rule = OrderUpTo(tree=neural.tree)
        return {
            HISTORICAL: rule,
            BASELINE: rule,
            "neural": replace(
                neural,
                start_cover=(
                    max(float(kept.buy_cover), 0.1),
                    max(float(kept.place_cover), 0.1),
                ),
            ),
        }

    @cached_property
    def parameters(self) -> Mapping[str, PyTree]:
        """Parameters of those that need no training: the covers that the log kept.

        ``order up to`` has a safety stock on top, so that the two differ.
        """
        kept = covers_kept(self.panel, self.split)
        return {HISTORICAL: kept, BASELINE: replace(kept, safety=jnp.float32(1.0))}

    def files(self, paths: Sequence[Path]) -> dict[str, tuple[Policy, PyTree]]:
        """Return policies of files by their names, held against the log's world.

        Raises:
            ValueError: If a file is no policy, is of another world, or two have one name.
        """
        tree = tree_of(self.world.network)
        found: dict[str, tuple[Policy, PyTree]] = {}
        for path in paths:
            if path.stem in found or path.stem == HISTORICAL:
                raise ValueError(f"{path}: there is a policy named {path.stem!r}, rename the file")
            policy, params = load_policy(path, tree=tree)
            require_acts(f"policy {path}", policy, params, self.replay_setting.seen)
            self.compare(f"policy {path}", policy_world(path))
            found[path.stem] = (policy, params)
        return found

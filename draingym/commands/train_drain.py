"""``draingym train-drain``: train a drain model on a panel, with everything in one file."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console

from draingym.commands.progress import say, training_bar
from draingym.common.alone import alone
from draingym.common.arrays import require_range, require_seed, require_whole
from draingym.common.atomic import require_writable
from draingym.common.config import read_config, require_fields
from draingym.common.files import kind_at, read_json, write_json
from draingym.common.logs import ScalarLog
from draingym.drain_model import (
    PRESETS,
    DrainConfig,
    DrainData,
    PanelStream,
    Progress,
    Trained,
    train,
)
from draingym.drain_model.closest_node.beside import BesideClosest, beside_closest
from draingym.drain_model.data.source import Source
from draingym.drain_model.training.run import BEST

CHECKED_PRODUCTS, CHECKED_SAMPLES = 64, 64  # of the look at what was trained


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainDrainConfig:
    """A training run.

    Raises:
        ValueError: If a value is out of its bounds, or a field of ``drain`` does not exist.
    """

    panel: str  # folder in Zarr, as ``draingym demo`` and ``draingym replay`` write it
    out: str = "runs/drain"  # folder of checkpoint, training state, curve and log
    preset: Literal["small", "paper"] = "small"
    drain: dict[str, Any] = field(default_factory=dict)  # fields that differ from the preset's
    seed: int = 0
    # Periods to train on: so many, where that is not 0; or those that the panel's attributes are
    # estimated from (draingym panel --known-periods), where they are not all; or this share.
    train_share: float = 2 / 3
    train_periods: int = 0
    stream: bool = False  # read products from disk as they are needed
    devices: int | None = None  # that share out the products of a batch; all when not given
    tensorboard: bool = True  # whether to write a log for TensorBoard

    def __post_init__(self) -> None:
        """Check types and bounds; see the class."""
        require_fields(self)
        require_range("train_share", self.train_share, low=0.0, high=1.0, open_low=True)
        require_seed(self.seed)
        require_whole("train_periods", self.train_periods)
        if self.devices is not None:
            require_whole("devices", self.devices, low=1)
        _ = self.model

    @property
    def model(self) -> DrainConfig:
        """The preset with the fields that differ from it."""
        values = asdict(PRESETS[self.preset]) | self.drain
        config: DrainConfig = read_config(DrainConfig, values, "drain")
        return config

    def periods(self, there: int, known: int | None = None) -> int:
        """Return how many periods to train on, of those there are.

        Args:
            there: Periods of the panel.
            known: Of these, those that the panel's attributes are estimated from, where it says.

        Raises:
            ValueError: If there are not that many.
        """
        told = known if known is not None and known < there else 0
        chosen = self.train_periods or told or round(self.train_share * there)
        if not 2 <= chosen <= there:
            raise ValueError(
                f"train_periods is {chosen}, must be in [2, {there}], those of the panel"
            )
        return chosen


def load_train_config(path: Path) -> TrainDrainConfig:
    """Read the configuration from a JSON file, or take the defaults for the folder of a panel.

    Raises:
        ValueError: If the file is not JSON, or a field is unknown, of another type, or out of its
            bounds; naming file, field, value and bound.
    """
    if kind_at(path, "config file") == "folder":
        return TrainDrainConfig(panel=str(path))
    values = read_json(path, "config file")
    config: TrainDrainConfig = read_config(TrainDrainConfig, values, f"{path}: config")
    return config


def open_source(config: TrainDrainConfig) -> Source:
    """Return the training periods of the panel, in memory or as a stream."""
    folder = Path(config.panel)
    if config.stream:
        whole = PanelStream(folder)
        return PanelStream(folder, periods=config.periods(whole.num_periods, whole.known_periods))
    from draingym.world.panel import load_panel

    panel = load_panel(folder)
    data = DrainData.from_panel(panel)
    return data.periods(0, config.periods(data.num_periods, panel.attrs.get("known_periods")))


def train_drain(config: TrainDrainConfig, console: Console) -> Trained:
    """Train, or go on training, and write what comes of it to the folder.

    ``drain_model.npz``, the best parameters so far, and ``state.npz`` are written after every
    validation; ``curve.json`` at the end; ``tensorboard/`` as training goes on. The same
    configuration goes on where it was interrupted, and trains no more once it is done. A model that
    is worse than the tuned closest node ends with a warning.

    Raises:
        ValueError: If the panel or the configuration is bad, or the folder holds another run, or
            one that goes on.
    """
    out = Path(config.out)
    require_writable(out, "folder")
    source = open_source(config)
    with ExitStack() as stack:
        stack.enter_context(alone(out))
        bar = stack.enter_context(training_bar(console))
        task = bar.add_task("Epochs", total=config.model.epochs, losses="compiling")
        log = None
        if config.tensorboard:
            log = stack.enter_context(ScalarLog(out / "tensorboard"))

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.epoch, losses=progress.losses())
            if log is not None:
                log(progress)

        trained = train(
            source,
            config.model,
            seed=config.seed,
            progress=show,
            folder=out,
            devices=config.devices,
        )
    curve = {
        "config": asdict(config),
        "stopped": trained.stopped,
        "history": [asdict(progress) for progress in trained.history],
    }
    write_json(out / "curve.json", curve)
    if trained.failed:
        kept = f"{out / BEST} holds the best so far" if trained.history else "nothing was learned"
        raise ValueError(f"training stopped at {trained.stopped}; {kept}")
    last = trained.history[-1]
    say(
        console,
        f"Stopped after {last.epoch} epochs ({trained.stopped}), best validation loss "
        f"{last.best_loss:.4f}: {out / BEST}",
    )
    if source.num_periods > 1:
        for warning in _beside_closest(trained, source, config).warnings:
            say(console, warning)
    return trained


def _beside_closest(trained: Trained, source: Source, config: TrainDrainConfig) -> BesideClosest:
    """Compare with the closest node on the periods that training was validated on."""
    some = source if isinstance(source, DrainData) else next(source.blocks())
    chosen = np.random.default_rng(config.seed).permutation(some.num_products)[:CHECKED_PRODUCTS]
    first = config.model.fitted_periods(source.num_periods)
    return beside_closest(
        trained.checkpoint,
        some.products(np.sort(chosen)),
        (first, source.num_periods),
        CHECKED_SAMPLES,
        config.seed,
    )

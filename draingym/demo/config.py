"""The demo's configuration: frozen dataclasses, read from and written to JSON."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from draingym.common.arrays import require_range, require_seed, require_whole
from draingym.common.config import read_config, require_fields
from draingym.common.files import json_text, read_json
from draingym.drain_model import DrainConfig
from draingym.oracle.config import OracleConfig
from draingym.policies import TrainConfig, TuneConfig
from draingym.policies.validation.verdict import Thresholds
from draingym.simulator import Economics
from draingym.world.orders import WorldConfig

MOST_SAMPLES = 10_000  # joint samples of a model, all in memory
MOST_REPLICATIONS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class LoopConfig:
    """Everything the loop from orders to a validated policy depends on."""

    data: Literal["ta-feng", "synthetic"] = "ta-feng"
    seed: int = 0
    train_share: float = 2 / 3  # of the periods; the rest is held out of every fit
    train_products: float = 1.0  # share of the products; the rest is held out of every fit
    samples: int = 128  # joint samples a model is scored by
    floor_samples: int = 128  # joint samples of the noise floor
    replications: int = 4  # of lead times, conversions and costs in the validation
    verdict_replications: int = 2  # the same, where the simulator is judged over many policies
    one_step_samples: int = 8  # joint samples that score the drain model on visited states
    training_horizon: int = 14  # periods of a rollout that trains a policy
    training_starts: int = 4  # windows of the training periods that rollouts start in
    history_buy_cover_days: float = 14.0  # of the policy that wrote the log
    history_place_cover_days: float = 7.0
    # Two-day periods: a typical node then ships several units of a product a period.
    world: WorldConfig = field(default_factory=lambda: WorldConfig(period_days=2))
    oracle: OracleConfig = field(default_factory=OracleConfig)
    # A day: 12.5% a year, and half a cent of space, which two-day periods charge twice.
    economics: Economics = field(
        default_factory=lambda: Economics(holding_rate=0.125 / 365, holding_cost=0.005)
    )
    # Whether the drain model learns from replays under policies that keep other stock, too.
    diverse_stock: bool = True
    # Whether a verdict that says no is followed by a round of fine-tuning, and by another verdict.
    fine_tune: bool = True
    drain: DrainConfig = field(default_factory=lambda: DrainConfig(epochs=4, validate_every=1))
    tune: TuneConfig = field(default_factory=TuneConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(updates=240))
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        """Check types and bounds."""
        require_fields(self)
        require_seed(self.seed)
        require_range("train_share", self.train_share, low=0.2, high=0.9)
        require_range("train_products", self.train_products, low=0.2, high=1.0)
        for name in ("samples", "floor_samples", "one_step_samples"):
            require_whole(name, getattr(self, name), low=2, high=MOST_SAMPLES)
        for name in ("replications", "verdict_replications"):
            require_whole(name, getattr(self, name), low=1, high=MOST_REPLICATIONS)
        for name in ("training_horizon", "training_starts"):
            require_whole(name, getattr(self, name), low=1, high=10_000)
        for name in ("history_buy_cover_days", "history_place_cover_days"):
            require_range(name, getattr(self, name), low=0.0, high=3660.0, open_low=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the config as nested plain values."""
        return dataclasses.asdict(self)

    def fingerprint(self, version: str) -> str:
        """Return what identifies results made with this config by this version."""
        text = json_text([version, self.to_dict()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_config(path: Path) -> LoopConfig:
    """Read a config from a JSON file.

    Raises:
        ValueError: If the file is not JSON, names a field that does not exist, or has a value of
            another type or out of its bounds; naming file, field, value and bound.
    """
    values = read_json(path, "config file")
    config: LoopConfig = read_config(LoopConfig, values, f"{path}: config")
    return config

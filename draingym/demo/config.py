"""The demo's configuration: frozen dataclasses, read from and written to JSON."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from draingym.drain_model import DrainConfig
from draingym.oracle.config import OracleConfig
from draingym.policies import TrainConfig, TuneConfig
from draingym.policies.validation.verdict import Thresholds
from draingym.simulator import Economics
from draingym.world.orders import WorldConfig


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
    verdict_replications: int = 1  # the same, where the simulator is judged over many policies
    one_step_samples: int = 8  # joint samples that score the drain model on visited states
    training_horizon: int = 14  # periods of a rollout that trains a policy
    training_starts: int = 4  # windows of the training periods that rollouts start in
    history_buy_cover_days: float = 14.0  # of the policy that wrote the log
    history_place_cover_days: float = 7.0
    # Two-day periods: a typical node then ships several units of a product a period.
    world: WorldConfig = field(default_factory=lambda: WorldConfig(period_days=2))
    oracle: OracleConfig = field(default_factory=OracleConfig)
    economics: Economics = field(default_factory=Economics)
    drain: DrainConfig = field(default_factory=DrainConfig)
    tune: TuneConfig = field(default_factory=TuneConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        """Check the bounds."""
        if not 0.2 <= self.train_share <= 0.9:
            raise ValueError(f"train_share is {self.train_share}, must be in [0.2, 0.9]")
        if not 0.2 <= self.train_products <= 1:
            raise ValueError(f"train_products is {self.train_products}, must be in [0.2, 1]")
        for name in (
            "samples",
            "floor_samples",
            "replications",
            "verdict_replications",
            "training_horizon",
            "training_starts",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        for name in ("samples", "floor_samples", "one_step_samples"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 2")
        for name in ("history_buy_cover_days", "history_place_cover_days"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be above 0 days")

    def to_dict(self) -> dict[str, Any]:
        """Return the config as nested plain values."""
        return dataclasses.asdict(self)

    def fingerprint(self, version: str) -> str:
        """Return what identifies results made with this config by this version."""
        text = json.dumps([version, self.to_dict()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def from_dict(cls: type[Any], values: Mapping[str, Any], where: str = "config") -> Any:
    """Build a frozen dataclass, and those nested in it, from plain values.

    Args:
        cls: The dataclass.
        values: Fields by name; a field that is left out keeps its default.
        where: What the values are called in errors.

    Returns:
        An instance of ``cls``.

    Raises:
        ValueError: If a key is no field (naming it, its value, and the fields there are), or a
            field's own check refuses its value.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} is {values!r}, must hold fields of {cls.__name__} by name")
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls)]
    made: dict[str, Any] = {}
    for key, value in values.items():
        if key not in names:
            raise ValueError(
                f"{where}.{key} is {value!r} but unknown, must be one of {', '.join(names)}"
            )
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            made[key] = from_dict(typing.cast(type[Any], hint), value, f"{where}.{key}")
        else:
            made[key] = _checked(hint, value, f"{where}.{key}")
    try:
        return cls(**made)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _checked(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise ValueError(f"{where} is {value!r}, must be one of {', '.join(choices)}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where} is {value!r}, must be a list")
        return tuple(value)
    allowed = (int, float) if hint is float else hint if isinstance(hint, type) else object
    if not isinstance(value, allowed) or (isinstance(value, bool) and hint is not bool):
        raise ValueError(f"{where} is {value!r}, must be of type {hint.__name__}")
    return value


def load_config(path: Path) -> LoopConfig:
    """Read a config from a JSON file.

    Raises:
        ValueError: If the file is not JSON, or names a field that does not exist.
    """
    try:
        values = json.loads(Path(path).read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"config file {path} cannot be read: {error}") from error
    config: LoopConfig = from_dict(LoopConfig, values)
    return config

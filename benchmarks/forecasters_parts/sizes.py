"""How much is spent: what the presets of the forecasters' benchmark are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Preset = Literal["tiny", "small", "full"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """How much is spent on each fit of a network."""

    epochs: int
    windows: int  # of an epoch, at most
    context: int  # periods, at most
    batch: int = 128
    patience: int = 6

    @property
    def updates(self) -> int:
        """Updates of a fit, at most."""
        return max(self.windows // self.batch, 1) * self.epochs

    def context_at(self, origin: int, horizon: int) -> int:
        """Return the periods of context of a fit at an origin: windows must fit before it."""
        return min(self.context, max(origin - 3 * horizon, 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """A preset."""

    series: int  # of a data set
    origins: int
    seeds: tuple[int, ...]
    effort: Effort
    # What is tried of every network on the validation origin: the width, and Adam's rate; of ours,
    # as many, and the share of hidden labels.
    tried: tuple[Mapping[str, Any], ...]
    tried_of_ours: tuple[Mapping[str, Any], ...]
    trees: tuple[int, int]  # numbers of LightGBM's trees that are tried, raw and scaled
    scaled: tuple[int, ...]  # series that are trained on; the first of them judge
    timed: int  # epochs of a fit that is timed
    turns: int  # timed fits of each network, after one that compiles
    gym: Literal["tiny", "small"] = "small"  # of the parts with policies


_FOUR: tuple[Mapping[str, Any], ...] = tuple(
    {"size": size, "learning_rate": rate} for rate in (5e-3, 1e-3) for size in (32, 64)
)
# Labels that are hidden most of the time, in place of one of others' settings: series that are few
# are learned by heart by a network that always sees which is which.
_FORGETFUL: tuple[Mapping[str, Any], ...] = (
    *(settings for settings in _FOUR if settings != {"size": 32, "learning_rate": 1e-3}),
    {"size": 64, "learning_rate": 5e-3, "hidden": 0.9},
)
SIZES: Mapping[str, Sizes] = {
    "tiny": Sizes(
        series=12,
        origins=1,
        seeds=(0,),
        effort=Effort(epochs=1, windows=64, context=16, batch=32),
        tried=({"size": 8, "learning_rate": 1e-3},),
        tried_of_ours=({"size": 8, "learning_rate": 1e-3, "hidden": 0.9},),
        trees=(2, 4),
        scaled=(4, 12),
        timed=1,
        turns=1,
        gym="tiny",
    ),
    "small": Sizes(
        series=100,
        origins=3,
        seeds=(0,),
        effort=Effort(epochs=10, windows=2048, context=52),
        tried=_FOUR,
        tried_of_ours=_FORGETFUL,
        trees=(50, 150),
        scaled=(50, 200, 800),
        timed=2,
        turns=5,
    ),
    "full": Sizes(
        series=300,
        origins=3,
        seeds=(0, 1, 2),
        effort=Effort(epochs=20, windows=2048, context=52),
        tried=_FOUR,
        tried_of_ours=_FORGETFUL,
        trees=(50, 150),
        scaled=(100, 400, 1600, 6048),
        timed=4,
        turns=5,
    ),
}

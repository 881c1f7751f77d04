"""Sizes of TFT-MTL, and which tasks it learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from draingym.common.arrays import require_range, require_whole
from draingym.common.config import require_fields
from draingym.forecasters.quantiles import require_levels

Task = Literal["sales", "inventory", "turnover", "stockout"]
TASKS: tuple[Task, ...] = ("sales", "inventory", "turnover", "stockout")
AMOUNTS: tuple[Task, ...] = ("sales", "inventory")  # tasks whose target is a number of units

_BOUNDS = {"context": (1, 4096), "horizon": (1, 4096), "width": (1, 1024), "heads": (1, 64)}


@dataclass(frozen=True, kw_only=True, slots=True)
class TFTConfig:
    """The network's sizes and tasks; the defaults are the paper's where it gives any.

    Raises:
        ValueError: If a value is out of its bounds.

    Source: TFT-MTL, section 4.2.
    """

    context: int = 56  # periods of history (not from the paper)
    horizon: int = 14  # periods
    width: int = 128  # channels
    heads: int = 4  # of attention, a divisor of the width (not from the paper)
    dropout: float = 0.1  # share (not from the paper)
    tasks: tuple[Task, ...] = TASKS  # sales alone are the single-task ablation
    # Levels of quantiles that sales and inventory have beside their mean; none is the paper's.
    levels: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    inventory: str | None = None  # past column of units; without, sales are the only task

    def __post_init__(self) -> None:
        """Check types and bounds; see the class."""
        require_fields(self, "tft")
        for name, (low, high) in _BOUNDS.items():
            require_whole(f"tft.{name}", getattr(self, name), low=low, high=high)
        require_range("tft.dropout", self.dropout, low=0.0, high=1.0, open_high=True)
        if self.width % self.heads:
            raise ValueError(f"tft.heads is {self.heads}, must divide width = {self.width}")
        if "sales" not in self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"tft.tasks is {self.tasks}, must name sales, and each task once")
        require_levels("tft.levels", self.levels)

    @property
    def learned(self) -> tuple[Task, ...]:
        """The tasks that the columns allow: without an inventory, sales alone."""
        return tuple(task for task in self.tasks if self.inventory or task == "sales")

    @property
    def amounts(self) -> tuple[Task, ...]:
        """The tasks that have a mean and quantiles."""
        return tuple(task for task in AMOUNTS if task in self.learned)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How many variables of each kind there are; they come from the data."""

    past: int = 1  # numbers known of the past alone, the targets among them
    known: int = 0  # numbers known of the future too
    calendar: int = 0  # features of the date, which are one variable together
    static: int = 0  # numbers of a series
    dynamic: tuple[int, ...] = ()  # values that each category of a period may have
    codes: tuple[int, ...] = ()  # values that each category of a series may have
    # Where a window of the data has them.
    inventory_at: int | None = None  # among the numbers of the past
    codes_at: tuple[int, ...] = ()  # among the categories of a series
    nonnegative: bool = True  # whether demand was never negative

"""Time grids: evenly spaced periods, of whole numbers, seconds or months."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import BoolArray, IntArray, require_whole

Unit = Literal["whole", "second", "month"]
Times = NDArray[Any]  # int64, or datetime64[s]

DAY = 86_400
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": DAY, "w": 7 * DAY}
_MONTHS = {"m": 1, "ms": 1, "me": 1, "q": 3, "qs": 3, "qe": 3, "y": 12, "ys": 12, "ye": 12}
_MONDAY = 4 * DAY  # 5 January 1970


@dataclass(frozen=True, slots=True)
class Step:
    """The length of a period.

    Raises:
        ValueError: If it is below 1.
    """

    unit: Unit
    size: int  # whole numbers, seconds or months

    def __post_init__(self) -> None:
        """Check the size; see the class."""
        require_whole("step.size", self.size, low=1)

    @classmethod
    def parse(cls, text: str | int) -> Step:
        """Return the step that a text names: ``"15min"``, ``"h"``, ``"D"``, ``"2W"``, ``"MS"``.

        Args:
            text: A number and a unit (s, min, h, D, W, M, Q or Y), or a whole number for time
                stamps that are whole numbers.

        Raises:
            ValueError: If it is neither.

        >>> Step.parse("2W") == Step("second", 14 * 86_400), Step.parse(1)
        (True, Step(unit='whole', size=1))
        """
        if isinstance(text, int) and not isinstance(text, bool):
            return cls("whole", text)
        match = re.fullmatch(r"(\d*)([A-Za-z]+)", str(text))
        unit = match.group(2).lower() if match else ""
        if match is None or not (unit in _SECONDS or unit in _MONTHS):
            raise ValueError(
                f"freq is {text!r}, must be a whole number, or a number and one of s, min, h, D, "
                "W, M, Q, Y, such as '15min'"
            )
        size = int(match.group(1) or 1)
        if unit in _SECONDS:
            return cls("second", size * _SECONDS[unit])
        return cls("month", size * _MONTHS[unit])

    def floor(self, stamps: IntArray) -> IntArray:
        """Return the beginning of the period that holds each stamp; weeks begin on Monday.

        Args:
            stamps: Whole numbers, or seconds since 1970.
        """
        if self.unit == "month":
            months = _months(stamps)
            return _first_of(months - months % self.size)
        from_monday = self.unit == "second" and self.size % (7 * DAY) == 0
        offset = _MONDAY if from_monday else 0
        floored: IntArray = stamps - (stamps - offset) % self.size
        return floored

    def __str__(self) -> str:
        """Return the step in words."""
        name = {"whole": "", "second": " seconds", "month": " months"}[self.unit]
        for word, length in (("days", DAY), ("hours", 3600), ("minutes", 60)):
            if self.unit == "second" and self.size % length == 0:
                return f"{self.size // length} {word}"
        return f"{self.size}{name}"


@dataclass(frozen=True, slots=True)
class Grid:
    """Periods of one length from a first one on."""

    start: int  # whole number, or seconds since 1970
    step: Step
    month_end: bool = False  # whether stamps of months are their last days

    @classmethod
    def of(cls, series: IntArray, stamps: IntArray, *, whole: bool, step: Step | None) -> Grid:
        """Return the grid of the stamps of some series.

        The step is the difference between neighbouring stamps of a series that is met most often;
        months where all stamps are the same day of a month, or the last, and 28 days or more apart.

        Args:
            series: [R] index of the series of each row, ascending.
            stamps: [R] ascending within a series.
            whole: Whether stamps are whole numbers, not seconds.
            step: Found from the stamps when not given.

        Raises:
            ValueError: If no series has two stamps and no step is given.
        """
        gaps = np.diff(stamps)[np.diff(series) == 0]
        gaps = gaps[gaps > 0]
        if step is None and gaps.size == 0:
            raise ValueError(
                "freq is not given, and cannot be told: no series has two time stamps; must be "
                "given, such as 'D' or 'W'"
            )
        if step is not None and (step.unit == "whole") != whole:
            kind = "whole numbers" if whole else "dates"
            raise ValueError(f"freq is {step}, must be one for time stamps that are {kind}")
        end = not whole and bool(_is_month_end(stamps).all())
        monthly = end or (not whole and _same_day(stamps))
        if step is None and monthly and gaps.min() >= 28 * DAY:
            months = _months(stamps)
            between = np.diff(months)[np.diff(series) == 0]
            step = Step("month", int(np.gcd.reduce(between[between > 0])))
        if step is None:
            sizes, counts = np.unique(gaps, return_counts=True)
            step = Step("whole" if whole else "second", int(sizes[np.argmax(counts)]))
        return cls(int(stamps.min()), step, end and step.unit == "month")

    def index(self, stamps: IntArray) -> tuple[IntArray, BoolArray]:
        """Return the period of each stamp, and whether the stamp is exactly that period's."""
        if self.step.unit == "month":
            ahead = _months(stamps) - int(_months(np.array([self.start]))[0])
            index = ahead // self.step.size
            return index, self.stamps(index) == stamps
        index, rest = np.divmod(stamps - self.start, self.step.size)
        return index.astype(np.int64), rest == 0

    def stamps(self, index: IntArray) -> IntArray:
        """Return the stamps of periods, as whole numbers or seconds."""
        if self.step.unit != "month":
            found: IntArray = self.start + np.asarray(index, np.int64) * self.step.size
            return found
        month = int(_months(np.array([self.start]))[0])
        months = month + np.asarray(index, np.int64) * self.step.size
        if self.month_end:
            return _first_of(months + 1) - DAY
        return _first_of(months) + (self.start - int(_first_of(np.array([month]))[0]))

    def times(self, first: int, stop: int) -> Times:
        """Return the time stamps of periods [first, stop): int64, or datetime64[s]."""
        stamps = self.stamps(np.arange(first, stop))
        return stamps if self.step.unit == "whole" else stamps.astype("datetime64[s]")

    def shown(self, index: int) -> str:
        """Return a period's time stamp as errors show it."""
        return shown_stamp(int(self.stamps(np.array([index]))[0]), self.step.unit == "whole")


def shown_stamp(stamp: int, whole: bool) -> str:
    """Return a stamp as errors show it: a whole number, a day, or a day and a time."""
    if whole:
        return str(stamp)
    text = str(np.datetime64(stamp, "s"))
    return text.removesuffix("T00:00:00")


def _months(stamps: IntArray) -> IntArray:
    return stamps.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)


def _first_of(months: IntArray) -> IntArray:
    return months.astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)


def _is_month_end(stamps: IntArray) -> BoolArray:
    midnight = stamps % DAY == 0
    found: BoolArray = midnight & (_months(stamps + DAY) == _months(stamps) + 1)
    return found


def _same_day(stamps: IntArray) -> bool:
    into = stamps - _first_of(_months(stamps))
    return bool((into == into[0]).all() and into[0] < 28 * DAY)

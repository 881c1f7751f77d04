"""What the calendar says of a period: known ahead, and the same for all series."""

from __future__ import annotations

import numpy as np

from draingym.common.arrays import FloatArray
from draingym.forecasters.data.grid import DAY, Grid


def calendar_names(grid: Grid) -> tuple[str, ...]:
    """Return the names of a grid's calendar features; none where periods are whole numbers.

    Sine and cosine of the place in the year, once and twice around, for every grid of dates; the
    hour, one of 24, where periods are shorter than a day; the weekday, one of 7, where they are
    no longer; the week of the month where they are weeks.
    """
    if grid.step.unit == "whole":
        return ()
    names = [f"{wave}_year_{k}" for k in (1, 2) for wave in ("sin", "cos")]
    if grid.step.unit == "second":
        if grid.step.size < DAY:
            names += [f"hour_{h}" for h in range(24)]
        if grid.step.size <= DAY:
            names += [f"weekday_{d}" for d in range(7)]
        if DAY < grid.step.size <= 14 * DAY:
            names.append("week_of_month")
    return tuple(names)


def calendar_features(grid: Grid, periods: int) -> FloatArray:
    """Return the calendar features of the first periods of a grid, [periods, C].

    >>> from draingym.forecasters.data.grid import Step
    >>> monday = Grid(4 * 86_400, Step.parse("D"))
    >>> calendar_features(monday, 2)[:, 4:].astype(int).tolist()
    [[1, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0]]
    """
    names = calendar_names(grid)
    found = np.zeros((periods, len(names)))
    if not names:
        return found
    stamps = grid.stamps(np.arange(periods))
    dates = stamps.astype("datetime64[s]")
    years = dates.astype("datetime64[Y]")
    length = (years + 1).astype("datetime64[s]") - years.astype("datetime64[s]")
    share = (dates - years.astype("datetime64[s]")) / length
    day = dates.astype("datetime64[D]")
    day_of_month = (day - dates.astype("datetime64[M]").astype("datetime64[D]")).astype(int)
    place = {
        "hour": stamps % DAY // 3600,
        "weekday": (day.astype(np.int64) + 3) % 7,
    }
    for k, name in enumerate(names):
        kind, _, rest = name.partition("_")
        if kind in ("sin", "cos"):
            angle = 2 * np.pi * int(rest[-1]) * share
            found[:, k] = np.sin(angle) if kind == "sin" else np.cos(angle)
        elif kind == "week":
            found[:, k] = day_of_month // 7 / 4.0
        else:
            found[:, k] = place[kind] == int(rest)
    return found

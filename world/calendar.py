"""Calendar features of periods: the day of the week and the distance to yearly events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

import numpy as np

from draingym.common.arrays import FloatArray

_MAX_MONTHS = 2.0  # distances to an event are clipped here, in months of 30 days

# First day of the Chinese year, from 1990: the new moon it follows has no short formula.
_CHINESE_NEW_YEAR = (  # month and day
    (1, 27),
    (2, 15),
    (2, 4),
    (1, 23),
    (2, 10),
    (1, 31),
    (2, 19),
    (2, 7),
    (1, 28),
    (2, 16),
    (2, 5),
    (1, 24),
    (2, 12),
    (2, 1),
    (1, 22),
    (2, 9),
    (1, 29),
    (2, 18),
    (2, 7),
    (1, 26),
    (2, 14),
    (2, 3),
    (1, 23),
    (2, 10),
    (1, 31),
    (2, 19),
    (2, 8),
    (1, 28),
    (2, 16),
    (2, 5),
    (1, 25),
    (2, 12),
    (2, 1),
    (1, 22),
    (2, 10),
    (1, 29),
    (2, 17),
    (2, 6),
    (1, 26),
    (2, 13),
    (2, 3),
)
_FIRST_YEAR = 1990
_LAST_YEAR = _FIRST_YEAR + len(_CHINESE_NEW_YEAR) - 1


def thanksgiving(year: int) -> date:
    """Return the fourth Thursday of November.

    >>> thanksgiving(2026)
    datetime.date(2026, 11, 26)
    """
    first = date(year, 11, 1)
    return first + timedelta(days=(3 - first.weekday()) % 7 + 21)


def chinese_new_year(year: int) -> date:
    """Return the first day of the Chinese year that begins in a Gregorian year.

    Raises:
        ValueError: If the year is outside the table, 1990 to 2030.

    Example:
        >>> chinese_new_year(2026)
        datetime.date(2026, 2, 17)
    """
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise ValueError(f"year is {year}, must be in [{_FIRST_YEAR}, {_LAST_YEAR}]")
    return date(year, *_CHINESE_NEW_YEAR[year - _FIRST_YEAR])


_EVENTS: dict[str, Callable[[int], date]] = {
    "event_thanksgiving": thanksgiving,
    "event_christmas": lambda year: date(year, 12, 25),
    "event_new_year": lambda year: date(year, 1, 1),
    "event_chinese_new_year": chinese_new_year,
}


def calendar_features(
    first_date: date,
    num_periods: int,
    period_days: int,
    events: Mapping[str, Sequence[date]] | None = None,
) -> tuple[tuple[str, ...], FloatArray]:
    """Return the calendar features of each period, taken at the period's middle day.

    ``weekday_sin`` and ``weekday_cos`` place the day on the week's circle. ``event_*`` is the
    distance to the nearest occurrence of a yearly event in months of 30 days, negative before
    it, clipped to two months.

    Args:
        first_date: Date of the first day of period 0.
        num_periods: How many periods, ``T``.
        period_days: Length of a period in days.
        events: Dates of events of one's own by name, in place of the four that we know. An event
            without a date within two months is two months off.

    Returns:
        E names, and features [T, E].

    Raises:
        ValueError: If a date lies outside the years 1991 to 2029, and the events are ours.

    Example:
        >>> names, features = calendar_features(date(2026, 11, 20), 3, 7)
        >>> names[:3]
        ('weekday_sin', 'weekday_cos', 'event_thanksgiving')
        >>> features[:, names.index("event_thanksgiving")].round(2).tolist()
        [-0.1, 0.13, 0.37]
        >>> own, features = calendar_features(date(2026, 1, 1), 2, 30, {"sale": [date(2026, 2, 1)]})
        >>> own[-1], features[:, -1].round(2).tolist()
        ('sale', [-0.57, 0.43])
    """
    days = [
        first_date + timedelta(days=t * period_days + (period_days - 1) // 2)
        for t in range(num_periods)
    ]
    for day in (first_date, *days[-1:]) if events is None else ():
        if not _FIRST_YEAR < day.year < _LAST_YEAR:
            raise ValueError(
                f"calendar date {day.isoformat()}, must be in the years "
                f"[{_FIRST_YEAR + 1}, {_LAST_YEAR - 1}]"
            )
    angle = 2.0 * np.pi * np.array([day.weekday() for day in days]) / 7.0
    columns = [np.sin(angle), np.cos(angle)]
    if events is None:
        years = range(days[0].year - 1, days[-1].year + 2)
        events = {name: [when(year) for year in years] for name, when in _EVENTS.items()}
    for dates in events.values():
        far = (int(30 * _MAX_MONTHS),)
        signed = [min((*((day - d).days for d in dates), *far), key=abs) for day in days]
        columns.append(np.clip(np.array(signed) / 30.0, -_MAX_MONTHS, _MAX_MONTHS))
    return ("weekday_sin", "weekday_cos", *events), np.stack(columns, axis=1)


def yearly(name: str, first: date, last: date) -> tuple[date, ...]:
    """Return the dates of an event that we know, from the year before ``first`` to that after.

    Raises:
        ValueError: If we know no such event, or not its dates.

    Example:
        >>> [str(day) for day in yearly("thanksgiving", date(2025, 6, 1), date(2025, 7, 1))]
        ['2024-11-28', '2025-11-27', '2026-11-26']
    """
    known = {key.removeprefix("event_"): when for key, when in _EVENTS.items()}
    if name not in known:
        raise ValueError(f"event {name!r}, must be one of {', '.join(known)}, or have its dates")
    return tuple(known[name](year) for year in range(first.year - 1, last.year + 2))

"""What stock costs in the worlds that figures were measured in."""

from __future__ import annotations

from dataclasses import replace

from draingym.simulator import Economics


def a_period(days: float, economics: Economics | None = None) -> Economics:
    """Return economics whose charges a period are what those given have a day.

    The worlds of the benchmarks were measured with a day's holding cost charged once a period, of
    two days or of seven. Their figures stay valid as long as these amounts do.

    Args:
        days: Length of a period.
        economics: Amounts that are charged a period; the defaults when not given.
    """
    charged = Economics() if economics is None else economics
    return replace(
        charged,
        holding_rate=charged.holding_rate / days,
        holding_cost=charged.holding_cost / days,
    )

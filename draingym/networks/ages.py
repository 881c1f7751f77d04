"""Ages of what arrives that are drawn: their odds in plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from draingym.common.arrays import require_whole, short
from draingym.networks.amounts import series

MOST_LOG_ODDS = 1e6  # and as many for a unit
MOST_DRAWN = 10_000  # units a period; each takes a number a period of an episode


@dataclass(frozen=True)
class AgeOdds:
    """Ages that are drawn anew for each unit that arrives, by odds that may depend on the units.

    Of ``u`` units that come in at once each is of an age with a probability in proportion to
    ``exp(intercept + slope * u)`` (multinomial logit): how many are of each age is multinomial.

    Attributes:
        intercepts: Log odds by age, the youngest first.
        slopes: What each unit that comes in adds to them; None is nothing.
        most: Units of a period whose ages are drawn independently, at least; of more than that, the
            first is of the age of the first of them, and so on.

    Source:
        Mirjalili (2022), Data-driven modelling and control of hospital blood inventory, chapter 6.

    Example:
        >>> from draingym import Arc, Network, Node
        >>> network = Network(  # the more units are ordered, the older they are
        ...     nodes=[Node("ward", shelf_life=2, waste_cost=5.0)],
        ...     arcs=[Arc(None, "ward", ages=AgeOdds([1.0, 0.0], slopes=[-0.2, 0.0]))],
        ...     demand={"ward": [3]},
        ... )
        >>> network.arcs[0].ages.most
        100
    """

    intercepts: Sequence[float]
    slopes: Sequence[float] | None = None
    most: int = 100

    def __post_init__(self) -> None:
        """Check every field; see the class.

        Raises:
            ValueError: Naming the field, the value and the bound.
        """
        bounds = {"low": -MOST_LOG_ODDS, "high": MOST_LOG_ODDS}
        object.__setattr__(self, "intercepts", series("intercepts", self.intercepts, **bounds))
        if not self.intercepts:
            raise ValueError("intercepts is (), must hold one number an age")
        if self.slopes is not None:
            object.__setattr__(self, "slopes", series("slopes", self.slopes, **bounds))
            if len(self.slopes) != len(self.intercepts):
                raise ValueError(
                    f"slopes has {len(self.slopes)} entries, must have as many as intercepts, "
                    f"{len(self.intercepts)}"
                )
        require_whole("most", self.most, low=1, high=MOST_DRAWN)


def age_odds(where: str, values: Any) -> AgeOdds:
    """Return the odds that a file holds as fields by name.

    Raises:
        ValueError: Naming the field, the value and the bound.
    """
    known = [field.name for field in fields(AgeOdds)]
    for name in values:
        if name not in known:
            raise ValueError(f"{where} has {short(name)}, must have only {', '.join(known)}")
    if "intercepts" not in values:
        raise ValueError(f"{where} has no intercepts, must have one number an age")
    try:
        return AgeOdds(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error

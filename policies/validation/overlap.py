"""What a validation shares with training: refused, unless it is allowed and then reported."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Shared = Literal["products", "periods"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """What the drain model and the policies were fitted on."""

    product_id: tuple[str, ...]
    first_period: int = 0
    stop_period: int  # one past the last

    def __post_init__(self) -> None:
        """Refuse an empty set."""
        if not self.product_id:
            raise ValueError("fitted.product_id is empty, must name at least 1 product")
        if not 0 <= self.first_period < self.stop_period:
            raise ValueError(
                f"fitted periods are [{self.first_period}, {self.stop_period}), must be at least "
                "1, from 0 on"
            )


def overlap_notes(
    fitted: Fitted,
    product_id: Sequence[str],
    periods: tuple[int, int],
    allow: Collection[Shared] = (),
) -> tuple[str, ...]:
    """Return what a report must say about products and periods that were trained on.

    Args:
        fitted: What was fitted on.
        product_id: Of the products that judge.
        periods: First period of the validation and the one after the last.
        allow: What may overlap.

    Returns:
        One sentence for each kind of overlap; nothing where there is none.

    Raises:
        ValueError: If an overlap is not allowed, saying how large it is and how to allow it; or
            ``allow`` names something else.

    Example:
        >>> fitted = Fitted(product_id=("a", "b"), stop_period=20)
        >>> overlap_notes(fitted, ["c"], (20, 26))
        ()
        >>> overlap_notes(fitted, ["b", "c"], (20, 26), allow=("products",))
        ('1 of 2 products were trained on: on others the simulator may do worse.',)
    """
    for name in allow:
        if name not in get_args(Shared):
            raise ValueError(f"allow_overlap is {name!r}, must be one of products, periods")
    known = set(fitted.product_id)
    common = [name for name in product_id if name in known]
    first = max(periods[0], fitted.first_period)
    stop = min(periods[1], fitted.stop_period)
    found: dict[Shared, tuple[str, str]] = {}
    if common:
        examples = ", ".join(common[:3]) + (", ..." if len(common) > 3 else "")
        found["products"] = (
            f"{len(common)} of {len(product_id)} products",
            f" ({examples})",
        )
    if first < stop:
        found["periods"] = (f"{stop - first} of {periods[1] - periods[0]} periods", "")
    notes = []
    for kind, (many, examples) in found.items():
        if kind not in allow:
            raise ValueError(
                f"{many} of the validation{examples} were trained on: hold them out, or allow "
                f"overlap of {kind} (--allow-overlap {kind}), and the report will say so"
            )
        notes.append(f"{many} were trained on: on others the simulator may do worse.")
    return tuple(notes)

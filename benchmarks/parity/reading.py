"""Which fields of a case an adapter reads: what it ignores is refused, and not played wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.parity.play import CannotMapError, Case

# What says how a trajectory came about, and changes nothing in it: actions and demand are given.
_TOLD = frozenset(
    {
        *("special", "seed", "policy", "policy_rule", "policy_table", "key_meaning"),
        *("periods", "days", "warm_up_days", "distributions", "max_demand"),
        *("demand_config", "substitution_probability", "number_of_stages_incl_source"),
        *("max_order", "max_order_size", "max_order_quantity", "max_system_inventory"),
        *("initial_on_hand", "initial_inventory_level", "I0"),
    }
)
# What a peer found to be best, or would have charged, in whatever words.
_TOLD_PARTS = ("optim", "expected_", "of_the_peer", "not_charged")
_TOLD_BEGINNINGS = ("demand", "weekday_demand", "average_cost", "useful_life_at", "max_order")


class Reading(dict[str, Any]):
    """A dictionary that remembers which of its entries were asked for."""

    def __init__(self, values: dict[str, Any]) -> None:
        """Keep the values, and those inside of them."""
        super().__init__({key: _reading(value) for key, value in values.items()})
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        """Return an entry."""
        self.read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return an entry, or the default."""
        self.read.add(key)
        return super().get(key, default)

    def items(self) -> Any:
        """Return all entries."""
        self.read |= self.keys()
        return super().items()

    def unread(self, where: str) -> Iterator[str]:
        """Yield the entries that nobody asked for, and that say something."""
        for key in self:
            value = super().__getitem__(key)
            name = f"{where}.{key}"
            told = key in _TOLD or key.startswith(_TOLD_BEGINNINGS)
            told = told or any(part in key for part in _TOLD_PARTS)
            if told and where.startswith("parameters"):
                continue
            if key in self.read:
                yield from _inside(value, name)
            elif not _says_nothing(value):
                yield name


def _reading(value: Any) -> Any:
    if isinstance(value, dict):
        return Reading(value)
    return [_reading(entry) for entry in value] if isinstance(value, list) else value


def _inside(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, Reading):
        yield from value.unread(where)
    elif isinstance(value, list):
        for i, entry in enumerate(value):
            yield from _inside(entry, f"{where}[{i}]")


def _says_nothing(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_says_nothing, dict(value).values()))
    return all(map(_says_nothing, value)) if isinstance(value, list) else not value


def watched(case: Case) -> Case:
    """Return a case that remembers what is read of its parameters, start, inputs and actions."""
    given = {name: _reading(case[name]) for name in ("parameters", "initial")}
    periods = [
        period | {name: _reading(period[name]) for name in ("inputs", "actions")}
        for period in case["periods"]
    ]
    return case | given | {"periods": periods}


def require_all_read(case: Case) -> None:
    """Raise unless all that a watched case says was read.

    Raises:
        CannotMapError: Naming the first field that nobody read.
    """
    for name in ("parameters", "initial"):
        for unread in _inside(case[name], name):
            raise CannotMapError(f"{unread} is given, and not known here")
    for t, period in enumerate(case["periods"]):
        for name in ("inputs", "actions"):
            for unread in _inside(period[name], f"periods[{t}].{name}"):
                raise CannotMapError(f"{unread} is given, and not known here")


def require_one_of(name: str, value: Any, *known: str | None) -> None:
    """Raise unless a word is one that is known here.

    Raises:
        CannotMapError: Naming the field and the words.
    """
    if value not in known:
        raise CannotMapError(f"{name} is {value!r}, must be one of {', '.join(map(str, known))}")

"""What tells one world from another: a small record that goes with models and policies.

A model that was trained in one world says nothing about another. Every file of a model or a policy
therefore says where it was trained, and what is put beside it is compared.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.config import read_config, require_fields
from draingym.common.npz import Arrays, require_array

Marks = NDArray[np.uint64]

_PRODUCTS = "world/products"  # what the array of a file is called
_NEAR = 1e-3  # degrees within which a place is the same
_NAMED = 3  # products that a message names


class UnknownWorldWarning(UserWarning):
    """A file of an earlier version does not say which world it was made in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Facts:
    """The plain values of an identity, as a file holds them."""

    node: tuple[str, ...]
    node_place: tuple[tuple[float, float], ...]  # latitude, longitude, degrees
    parent: tuple[int, ...]
    region: tuple[str, ...]
    region_place: tuple[tuple[float, float], ...]
    period_days: float
    first_date: date  # of period 0
    periods: int  # that there are, or that were trained on

    def __post_init__(self) -> None:
        """Check types and lengths."""
        require_fields(self)
        for name, bound in (
            ("node_place", self.node),
            ("parent", self.node),
            ("region_place", self.region),
        ):
            if len(getattr(self, name)) != len(bound):
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} entries, must have {len(bound)}"
                )
        if not 0 < self.period_days < 1e6:
            raise ValueError(f"period_days is {self.period_days}, must be above 0")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WorldIdentity:
    """Network, periods and products of a log, a panel, or of what was trained on one."""

    facts: _Facts
    products: Marks  # [P] marks of the products' ids, in their order; empty where not known

    @classmethod
    def from_panel(cls, panel: Any) -> WorldIdentity | None:
        """Return the identity of labelled arrays; None where they do not say what it needs.

        Args:
            panel: As ``draingym.world.panel.build_panel`` makes it.
        """
        needed = ("node", "region", "product", "date", "parent", "node_latitude")
        attributes = getattr(panel, "attrs", {})
        if any(name not in panel for name in needed) or "period_days" not in attributes:
            return None
        days = np.asarray(panel["date"].to_numpy(), "datetime64[D]")
        return cls(
            facts=_Facts(
                node=tuple(map(str, panel["node"].to_numpy())),
                node_place=_places(panel["node_latitude"], panel["node_longitude"]),
                parent=tuple(int(p) for p in panel["parent"].to_numpy()),
                region=tuple(map(str, panel["region"].to_numpy())),
                region_place=_places(panel["region_latitude"], panel["region_longitude"]),
                period_days=float(attributes["period_days"]),
                first_date=days[0].item(),
                periods=int(panel.sizes["period"]),
            ),
            products=marks_of([str(name) for name in panel["product"].to_numpy()]),
        )

    @classmethod
    def from_log(cls, log: Any) -> WorldIdentity:
        """Return the identity of an event log (``draingym.world.eventlog``)."""

        def places(table: str) -> tuple[tuple[float, float], ...]:
            return _places(*(log.array(table, x) for x in ("latitude", "longitude")))

        calendar = log["calendar"]
        return cls(
            facts=_Facts(
                node=tuple(log["nodes"]["name"].to_pylist()),
                node_place=places("nodes"),
                parent=tuple(int(p) for p in log.array("nodes", "parent")),
                region=tuple(log["regions"]["name"].to_pylist()),
                region_place=places("regions"),
                period_days=float(log.array("calendar", "days")[0]),
                first_date=calendar["date"][0].as_py(),
                periods=int(calendar.num_rows),
            ),
            products=marks_of(log["products"]["id"].to_pylist()),
        )

    def of(self, products: Sequence[str], periods: int | None = None) -> WorldIdentity:
        """Return the identity of some of the products, and of the first periods."""
        facts = self.facts if periods is None else replace(self.facts, periods=periods)
        return replace(self, facts=facts, products=np.unique(marks_of(products)))

    def knows(self, products: Sequence[str]) -> NDArray[np.bool_]:
        """Return [P] which products are among its own."""
        known: NDArray[np.bool_] = np.isin(marks_of(products), self.products)
        return known

    def periods_in(self, other: WorldIdentity) -> tuple[int, int]:
        """Return its first period and the one after its last, counted as another world counts."""
        apart = (self.facts.first_date - other.facts.first_date).days
        first = round(apart / self.facts.period_days)
        return first, first + self.facts.periods

    def to_file(self) -> tuple[dict[str, Any], Arrays]:
        """Return plain values and arrays for an ``.npz`` file."""
        facts = asdict(self.facts) | {"first_date": self.facts.first_date.isoformat()}
        return facts, {_PRODUCTS: self.products}

    @classmethod
    def from_file(
        cls, facts: Any, arrays: Mapping[str, NDArray[Any]], what: str
    ) -> WorldIdentity | None:
        """Return what ``to_file`` made; None where a file of an earlier version has none.

        Raises:
            ValueError: If it is damaged, naming the file.
        """
        if facts is None:
            return None
        products = require_array(arrays, _PRODUCTS, what, shape=(None,))
        if products.dtype != np.uint64:
            raise ValueError(f"{what}: {_PRODUCTS} is of type {products.dtype}, must be uint64")
        found: _Facts = read_config(_Facts, facts, f"{what}: world")
        return cls(facts=found, products=products)


def without_identity(arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return the arrays of a file that are not of its identity."""
    return {name: values for name, values in arrays.items() if name != _PRODUCTS}


def marks_of(products: Sequence[str]) -> Marks:
    """Return [P] 64 bits that stand for each product's id."""
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in products]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _places(latitude: Any, longitude: Any) -> tuple[tuple[float, float], ...]:
    pairs = np.stack([np.asarray(latitude), np.asarray(longitude)], axis=-1).astype(np.float64)
    return tuple((float(a), float(b)) for a, b in np.round(pairs, 6))


def require_same_world(
    what: str,
    found: WorldIdentity | None,
    where: str,
    here: WorldIdentity,
    products: Sequence[str],
    *,
    trained: bool,
) -> tuple[str, ...]:
    """Raise unless two things are of one world; network, products and periods are compared.

    Args:
        what: What is put beside the other, in words, such as ``drain model drain_model.npz``.
        found: Its identity; with None a warning says that it is not known.
        where: What the other is called, such as ``log log/``.
        here: Its identity.
        products: Ids of its products.
        trained: Whether the first was trained on some products and periods, and may be used on
            others of the same world; else both must have the same, in the same order.

    Returns:
        What a report must say: a sentence on products that were not trained on, or none.

    Raises:
        ValueError: Naming what differs and both values.
    """
    if found is None:
        warnings.warn(
            f"{what} does not say in which world it was made, as files of earlier versions do not: "
            f"whether it is that of {where} is not checked",
            UnknownWorldWarning,
            stacklevel=3,
        )
        return ()
    difference = _difference(found.facts, here.facts)
    if not difference and not trained:
        difference = _other_content(found, here, products)
    if difference:
        raise ValueError(f"{what} is of another world than {where}: {difference}")
    if not trained:
        return ()
    known = found.knows(products)
    if not known.any():
        raise ValueError(
            f"{what} is of another world than {where}: it was trained on {found.products.size} "
            f"products, of which {where} has none (its first is {products[0]!r})"
        )
    if known.all():
        return ()
    new = [name for name, old in zip(products, known, strict=True) if not old]
    return (f"{what} was not trained on {len(new)} of {len(products)} products: {_some(new)}.",)


def _difference(found: _Facts, here: _Facts) -> str:
    """Return in words the first thing in which two networks or calendars differ, or nothing."""
    if found.period_days != here.period_days:
        return f"its periods have {found.period_days:g} days, must have {here.period_days:g}"
    for kind in ("node", "region"):
        names, bound = getattr(found, kind), getattr(here, kind)
        if len(names) != len(bound):
            return f"it has {len(names)} {kind}s, must have {len(bound)}"
        places, there = getattr(found, f"{kind}_place"), getattr(here, f"{kind}_place")
        for n in range(len(names)):
            if names[n] != bound[n]:
                return f"{kind} {n} is {names[n]!r}, must be {bound[n]!r}"
            if max(abs(a - b) for a, b in zip(places[n], there[n], strict=True)) > _NEAR:
                return f"{kind} {names[n]!r} lies at {places[n]}, must lie at {there[n]}"
    for n, (parent, bound) in enumerate(zip(found.parent, here.parent, strict=True)):
        if parent != bound:
            return f"the parent of node {found.node[n]!r} is {parent}, must be {bound}"
    apart = (found.first_date - here.first_date).days
    if apart % found.period_days:
        return (
            f"its periods are counted from {found.first_date}, must begin on the days of those "
            f"from {here.first_date}"
        )
    return ""


def _other_content(found: WorldIdentity, here: WorldIdentity, products: Sequence[str]) -> str:
    """Return in words how products or periods of a log and its panel differ, or nothing."""
    if found.products.size != here.products.size:
        return f"it has {found.products.size} products, must have {here.products.size}"
    other = found.products != here.products
    if other.any():
        p = int(np.argmax(other))
        return f"its product {p} is another than {products[p]!r}"
    for name, words in (("first_date", "begins on"), ("periods", "has periods:")):
        value, bound = getattr(found.facts, name), getattr(here.facts, name)
        if value != bound:
            return f"it {words} {value}, must be {bound}"
    return ""


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more

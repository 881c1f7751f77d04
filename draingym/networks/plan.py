"""A whole network in plain values, checked: what nodes, arcs and demand say of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np

from draingym.common.arrays import require_flag, require_range, short
from draingym.networks.ages import AgeOdds
from draingym.networks.description import Arc, Node, Store
from draingym.networks.flows import longest_pass, require_acyclic
from draingym.simulator import MOST_UNITS


@dataclass(frozen=True)
class Plan:
    """Who replenishes whom, who sells, and the order of events in a period.

    An action has an entry for each arc, in the order in which they are listed. A period: the
    policy acts; sources ship; what is due arrives; customers buy; what is too old expires; costs.

    Attributes:
        nodes: The stocks; see ``Node``.
        arcs: Who replenishes whom; see ``Arc``. They must not form a circle.
        demand: By name of a node: a distribution of one region (``Poisson``, ``Normal``, ...), or a
            list of units a period (it starts again when it ends; below 0 is what customers bring
            back). By names of several nodes, as a tuple: a distribution of as many regions.
        stores: Places of limited room; see ``Store``.
        arrivals: ``"before demand"``: what arrives can be sold in the period, and be shipped on in
            the next; ``"before shipping"``: it can be shipped on in the period, along arcs of lead
            time 0 through a whole chain; ``"end"``: it can be sold, and shipped on, in the next.
        sees_demand: Policies see the demand of a period before they act in it.
        rationing: ``"proportional"`` to the claims on a source that is short, or ``"rank"``: one
            arc after the other.
        backorders: A source owes what it cannot ship; else it is forgotten.
        whole_units: Requests and shipments are rounded to whole units at random, without bias.
        rounding: Of requests to whole batches.
        send_back: A full store sends back what does not fit; else it is gone.
        discount: A period, in (0, 1].
    """

    nodes: Sequence[Node]
    arcs: Sequence[Arc]
    demand: Mapping[Any, Any]
    stores: Sequence[Store] = ()
    arrivals: Literal["before shipping", "before demand", "end"] = "before demand"
    sees_demand: bool = False
    rationing: Literal["proportional", "rank"] = "proportional"
    backorders: bool = False
    whole_units: bool = False
    rounding: Literal["down", "nearest", "up"] = "down"
    send_back: bool = False
    discount: float = 1.0

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself, which nobody changes: Gymnasium copies what is registered."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields: what is pickled, without what was made of them."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def __post_init__(self) -> None:
        """Check what nodes, arcs and demand say of each other; see the class.

        Raises:
            ValueError: Naming the node or arc, the field, the value and the bound.
        """
        for name, kind in (("nodes", Node), ("arcs", Arc), ("stores", Store)):
            object.__setattr__(self, name, _parts(name, getattr(self, name), kind))
        if not self.nodes:
            raise ValueError("nodes is empty, must hold at least one node")
        if not self.arcs:
            raise ValueError("arcs is empty, must hold at least one arc: they are what is acted on")
        _require_unique("nodes", [node.name for node in self.nodes])
        stores = [store.name for store in self.stores]
        _require_unique("stores", stores)
        for node in self.nodes:
            if node.store is not None and node.store not in stores:
                raise ValueError(
                    f"node {node.name!r}: store is {node.store!r}, must be one of {sorted(stores)}"
                )
            for other in node.substitutes or {}:
                if other not in self.index or other == node.name:
                    raise ValueError(
                        f"node {node.name!r}: substitutes has {other!r}, must be another node's "
                        "name"
                    )
            if node.class_limit is not None and self.arrivals == "before shipping":
                raise ValueError(
                    f"node {node.name!r}: class_limit is {node.class_limit}, must be None where "
                    "arrivals are 'before shipping': what is shipped on would need a place"
                )
        for arc in self.arcs:
            for end in ("source", "target"):
                name = getattr(arc, end)
                if name not in self.index and not (end == "source" and name is None):
                    raise ValueError(f"arc {arc.name!r}: {end} is {name!r}, must be a node's name")
            self._check_ages(arc)
            if arc.owed and not self.backorders:
                raise ValueError(
                    f"arc {arc.name!r}: owed is {arc.owed}, must be 0 without backorders"
                )
        require_acyclic(self.arcs)
        for name, allowed in (
            ("arrivals", ("before shipping", "before demand", "end")),
            ("rationing", ("proportional", "rank")),
            ("rounding", ("down", "nearest", "up")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}, must be one of {allowed}")
        for name in ("sees_demand", "backorders", "whole_units", "send_back"):
            require_flag(name, getattr(self, name))
        require_range("discount", self.discount, low=0.0, high=1.0, open_low=True)
        if self.arrivals == "before shipping" and self.stores:
            raise ValueError(
                "arrivals is 'before shipping', must be 'before demand' or 'end' where stores are "
                "limited: what a node ships on would need room"
            )
        self._check_demand()
        if self.whole_units:
            self._check_whole()

    def _check_whole(self) -> None:
        way = [units for arc in self.arcs for units in arc.in_transit]
        held = sum(node.on_hand for node in self.nodes) + sum(way)
        if held > MOST_UNITS:
            raise ValueError(
                f"nodes and arcs hold {held:.0f} units, must hold at most {MOST_UNITS} where "
                "whole_units"
            )
        for arc in self.arcs:
            if arc.most is not None and arc.most > MOST_UNITS:
                raise ValueError(
                    f"arc {arc.name!r}: most is {arc.most:g}, must be at most {MOST_UNITS} where "
                    "whole_units"
                )

    def _check_ages(self, arc: Arc) -> None:
        life = self.nodes[self.index[arc.target]].shelf_life
        if arc.ages is None:
            return
        where = f"arc {arc.name!r}: ages"
        if life is None:
            raise ValueError(f"{where} is given, must be None: the target has no shelf_life")
        rows = (arc.ages.intercepts,) if isinstance(arc.ages, AgeOdds) else arc.ages
        longest = max(len(shares) for shares in rows)
        if longest > life:
            raise ValueError(f"{where} has {longest} entries, must have at most shelf_life, {life}")
        if self.arrivals == "before shipping":
            raise ValueError(f"{where} is given, must be None where arrivals are 'before shipping'")

    def _check_demand(self) -> None:
        if not isinstance(self.demand, Mapping):
            raise ValueError(
                f"demand is {short(self.demand)}, must hold a distribution, or a list, by node"
            )
        if not self.demand:
            raise ValueError("demand is empty, must name at least one node that sells")
        sells: list[str] = []
        given: dict[Any, Any] = {}
        for names, what in self.demand.items():
            names = names if isinstance(names, tuple) else (names,)
            if not names:
                raise ValueError("demand is for (), must be for at least one node's name")
            key = names[0] if len(names) == 1 else names
            for name in names:
                if name not in self.index:
                    raise ValueError(f"demand is for {name!r}, must be for a node's name")
                if name in sells:
                    raise ValueError(f"demand for node {name!r} is given twice, must be given once")
                sells.append(name)
            if _is_distribution(what):
                if what.regions != len(names):
                    raise ValueError(
                        f"demand for {key!r} has {what.regions} regions, must have {len(names)}"
                    )
                given[key] = what
            else:
                given[key] = _units(f"demand for node {key!r}", what, len(names))
        object.__setattr__(self, "demand", given)
        for node in self.nodes:
            if node.name not in sells and (node.price or node.unmet_cost or node.waiting):
                raise ValueError(
                    f"node {node.name!r}: sells nothing, must be named in demand if it has a price,"
                    " an unmet_cost or customers who wait"
                )

    @cached_property
    def index(self) -> dict[str, int]:
        """The place of each node by its name."""
        return {node.name: n for n, node in enumerate(self.nodes)}

    @property
    def passes(self) -> int:
        """How many arcs of lead time 0 goods may pass in a period, one after the other."""
        return longest_pass(self.arcs) if self.arrivals == "before shipping" else 1


def _is_distribution(what: Any) -> bool:
    """Return whether demand is drawn; data frames, which have a ``sample`` too, are lists."""
    drawn = all(hasattr(what, name) for name in ("sample", "mean", "regions"))
    return drawn and not isinstance(what, type)


def _parts(field: str, values: Any, kind: type[Any]) -> tuple[Any, ...]:
    """Return a list of nodes, arcs or stores as a tuple."""
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise ValueError(f"{field} is {short(values)}, must be a list of {kind.__name__}")
    for i, value in enumerate(values):
        if not isinstance(value, kind):
            raise ValueError(f"{field}[{i}] is {short(value)}, must be of type {kind.__name__}")
    return tuple(values)


def _require_unique(field: str, names: list[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ValueError(f"{field} has two named {name!r}, must have different names")


def _units(what: str, values: Any, regions: int) -> tuple[Any, ...]:
    """Return demand as a tuple: units a period, or a tuple of those of several nodes.

    Raises:
        ValueError: If it is anything else, naming the entry.
    """
    try:
        given = np.asarray(values)
        if not given.ndim or given.dtype.kind not in "iuf":  # text and truth values are no units
            raise TypeError
        given = given.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{what} is {short(values)}, must be a distribution or a list of units a period"
        ) from None
    shape = (regions,) if regions > 1 else ()
    if given.ndim != 1 + len(shape) or given.shape[1:] != shape or not given.size:
        raise ValueError(
            f"{what} has shape {given.shape}, must be one number a period"
            + (f" for each of {regions} nodes" if regions > 1 else "")
        )
    for t, entry in enumerate(given.ravel()):
        require_range(f"{what}[{t}]", float(entry), low=-1e9, high=1e9)
    rows = given.tolist()
    return tuple(tuple(row) for row in rows) if shape else tuple(rows)

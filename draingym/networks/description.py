"""Nodes, arcs and stores in plain values: what a user writes to describe a supply network.

A node is a stock: one product at one place. Several products at a place are several nodes, which
may share a ``Store``. An arc replenishes its target from its source; a source of None is a vendor
outside, who is never short.

Amounts that may vary from period to period take a number, or a list of one number a period (which
starts again when it ends).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any

from draingym.common.arrays import require_flag, require_range, require_whole, short
from draingym.networks.ages import AgeOdds, age_odds
from draingym.networks.amounts import (
    Amount,
    amount,
    lead_time,
    require_enough,
    require_name,
    series,
    shares,
)
from draingym.simulator import LARGEST
from draingym.simulator.problems.classic import MOST_LEAD

MOST_LIFE = 1000  # periods; what is of an age is a row of the state
MOST_REVIEW = 100_000  # periods, as many as an episode may have
MOST_RANK = 10**6

# Amounts of an arc, beside its limits and fees, that are at least 0.
_AT_LEAST_0 = frozenset(
    {"minimum", "request_cost", "receive_cost", "short_cost", "dock_cost", "transit_cost"}
)


@dataclass(frozen=True)
class Node:
    """A stock that is replenished by arcs, ships on arcs, and may sell to customers.

    Attributes:
        name: What arcs and demand call it.
        on_hand: Units at the start.
        waiting: Units that customers wait for at the start, where unmet demand waits.
        holding_cost: Currency a unit on hand at a period's end.
        unmet_cost: Currency a unit of demand lost, or waiting at a period's end.
        backlog: Unmet demand waits, and is served first; else it is lost.
        price: Currency a unit sold to customers.
        substitutes: Share of the customers who find nothing here and take another node's instead,
            by its name.
        salvage: Currency a unit on hand when an episode ends.
        ship_limit: Units the node ships on all its arcs in a period.
        yields: Units it ships of a unit of its stock, above 0: 0.8 where a fifth is lost on
            processing.
        shelf_life: Periods of demand that a unit can serve after it arrived; None does not age.
        lifo: The youngest units leave first, not the oldest.
        ages: Units on hand by age at the start, the youngest first, at most ``shelf_life`` of
            them; their sum is ``on_hand``.
        class_limit: Units of one age that are kept when some arrive; the rest is gone.
        waste_cost: Currency a unit that expires.
        store: Name of the store that its stock is in; None has room for everything.
        volume: Room that a unit takes in it.
        refuse_cost: Currency a unit that arrives and finds no room.
    """

    name: str
    _: KW_ONLY
    on_hand: float = 0.0
    waiting: float = 0.0
    holding_cost: Amount = 0.0
    unmet_cost: Amount = 0.0
    backlog: bool = False
    price: Amount = 0.0
    substitutes: Mapping[str, float] | None = None
    salvage: float = 0.0
    ship_limit: Amount | None = None
    yields: float = 1.0
    shelf_life: int | None = None
    lifo: bool = False
    ages: Sequence[float] | None = None
    class_limit: float | None = None
    waste_cost: Amount = 0.0
    store: str | None = None
    volume: float = 1.0
    refuse_cost: Amount = 0.0

    def __post_init__(self) -> None:
        """Check every field; see the class."""
        require_name("node name", self.name)
        where = f"node {self.name!r}: "
        if self.store is not None:
            require_name(where + "store", self.store)
        for name in ("on_hand", "waiting", "salvage"):
            require_range(where + name, getattr(self, name), low=0.0, high=LARGEST)
        for name in ("yields", "volume"):
            require_range(where + name, getattr(self, name), low=0, high=LARGEST, open_low=True)
        for name in ("holding_cost", "unmet_cost", "ship_limit", "waste_cost", "refuse_cost"):
            _keep_amount(self, where, name)
        if self.class_limit is not None:
            require_range(where + "class_limit", self.class_limit, low=0.0, high=LARGEST)
        _keep_amount(self, where, "price", low=-LARGEST)
        require_flag(where + "backlog", self.backlog)
        require_flag(where + "lifo", self.lifo)
        if not isinstance(self.substitutes, Mapping | None):
            raise ValueError(
                f"{where}substitutes is {short(self.substitutes)}, must hold shares by node"
            )
        for other, share in (self.substitutes or {}).items():
            require_range(f"{where}substitutes[{other!r}]", share, low=0.0, high=1.0)
        if self.substitutes is not None:
            _keep(self, "substitutes", dict(self.substitutes))
        if sum((self.substitutes or {}).values()) > 1.0 + 1e-6:
            raise ValueError(
                f"{where}substitutes sum to {sum((self.substitutes or {}).values())}, must be at "
                "most 1"
            )
        if self.waiting and not self.backlog:
            raise ValueError(f"{where}waiting is {self.waiting}, must be 0 without backlog")
        if self.shelf_life is not None:
            require_whole(where + "shelf_life", self.shelf_life, low=1, high=MOST_LIFE)
        elif self.class_limit is not None:
            raise ValueError(
                f"{where}class_limit is {self.class_limit:g}, must be None without shelf_life"
            )
        if self.ages is not None:
            life = self.shelf_life
            _keep(self, "ages", series(where + "ages", self.ages))
            if life is None:
                raise ValueError(f"{where}ages is given, must be None without shelf_life")
            if len(self.ages) > life:
                raise ValueError(
                    f"{where}ages has {len(self.ages)} entries, must have at most shelf_life, "
                    f"{life}"
                )
            if abs(sum(self.ages) - self.on_hand) > 1e-6:
                raise ValueError(
                    f"{where}ages sum to {sum(self.ages)}, must be on_hand, {self.on_hand}"
                )


@dataclass(frozen=True)
class Arc:
    """A way on which a node is replenished.

    Attributes:
        source: Name of the node that ships; None is a vendor, who is never short.
        target: Name of the node that requests and receives.
        lead_time: Periods from shipment to arrival; a list of one a period; or probabilities by
            periods, ``{2: 0.7, 3: 0.3}``, from which every shipment draws.
        delay: Periods until the source sees a request.
        in_transit: Units at the start, by the period in which they arrive, the first first.
        on_order: Requests at the start, by the period in which the source sees them.
        owed: Units that the source owes at the start, where there are ``backorders``.
        most: Units requested by an action of 1; None is four times the mean demand downstream
            between two reviews, at least a batch and the minimum, at most ``request_limit``.
        request_limit: Units a request is cut to.
        minimum: Units; a smaller request is refused.
        batch: Units that a request is a multiple of.
        accepts: Share of a request that the source accepts, in [0, 1]; the rest is cancelled.
        review: Requests count every so many periods, from the first on; others are cancelled.
        ship_limit: Units shipped in a period.
        leave_limit: Units let out in a period of those shipped; the rest is set aside.
        stands: 1 in a period at whose end nothing on the way moves on, else 0.
        receive_limit: Units let in in a period; the rest waits at the door.
        rank: Place in the source's order, the lowest first (``Network.rationing``); arcs are in the
            order in which they are listed when not given.
        needs: Units of the source's product in a unit of the target's, which is assembled from all
            arcs that say so; None brings goods that are stock at once.
        ages: Share of what arrives by age, the youngest first; None is the youngest. A list of
            such lists varies from period to period; ``AgeOdds`` draws the age of each unit.
        request_cost: Currency a unit requested.
        request_fee: Currency a period in which anything is requested.
        ship_cost: Currency a unit shipped; below 0 is a margin.
        ship_fee: Currency a period in which anything is shipped.
        receive_cost: Currency a unit that arrives.
        price: Currency a unit shipped, paid by the target to the source.
        short_cost: Currency a unit claimed that the source does not ship, in every period.
        transit_cost: Currency a unit on its way at a period's end.
        dock_cost: Currency a unit set aside, at the door, or waiting to be assembled, at a
            period's end.
    """

    source: str | None
    target: str
    _: KW_ONLY
    lead_time: int | Sequence[int] | Mapping[int, float] = 0
    delay: int = 0
    in_transit: Sequence[float] = ()
    on_order: Sequence[float] = ()
    owed: float = 0.0
    most: float | None = None
    request_limit: Amount | None = None
    minimum: Amount | None = None
    batch: Amount | None = None
    accepts: Amount = 1.0
    review: int = 1
    ship_limit: Amount | None = None
    leave_limit: Amount | None = None
    stands: Amount = 0.0
    receive_limit: Amount | None = None
    rank: int | None = None
    needs: float | None = None
    ages: Sequence[Any] | AgeOdds | Mapping[str, Any] | None = None
    request_cost: Amount = 0.0
    request_fee: Amount = 0.0
    ship_cost: Amount = 0.0
    ship_fee: Amount = 0.0
    receive_cost: Amount = 0.0
    price: Amount = 0.0
    short_cost: Amount = 0.0
    transit_cost: Amount = 0.0
    dock_cost: Amount = 0.0

    @property
    def name(self) -> str:
        """What the arc is called: its ends."""
        return f"{'vendor' if self.source is None else self.source} > {self.target}"

    def __post_init__(self) -> None:
        """Check every field; see the class."""
        where = f"arc {self.name!r}: "
        if self.source is not None:
            require_name(where + "source", self.source)
        require_name(where + "target", self.target)
        if self.source == self.target:
            raise ValueError(f"{where}target is {self.target!r}, must be another node than source")
        _keep(self, "lead_time", lead_time(where + "lead_time", self.lead_time))
        require_whole(where + "delay", self.delay, high=MOST_LEAD)
        require_whole(where + "review", self.review, low=1, high=MOST_REVIEW)
        if self.rank is not None:
            require_whole(where + "rank", self.rank, high=MOST_RANK)
        for name in ("in_transit", "on_order"):
            _keep(self, name, series(where + name, getattr(self, name)))
        if len(self.in_transit) > MOST_LEAD:
            raise ValueError(
                f"{where}in_transit has {len(self.in_transit)} entries, must have at most "
                f"{MOST_LEAD}"
            )
        if len(self.on_order) > self.delay:
            raise ValueError(
                f"{where}on_order has {len(self.on_order)} entries, must have at most one a period "
                f"of delay, {self.delay}"
            )
        require_range(where + "owed", self.owed, low=0.0, high=LARGEST)
        for name in ("most", "needs"):
            if getattr(self, name) is not None:
                require_range(
                    where + name, getattr(self, name), low=0.0, high=LARGEST, open_low=True
                )
        for field in fields(self):
            if field.name.endswith(("_limit", "_fee")) or field.name in _AT_LEAST_0:
                _keep_amount(self, where, field.name)
        for name in ("ship_cost", "price"):
            _keep_amount(self, where, name, low=-LARGEST)
        for name in ("accepts", "stands"):
            _keep_amount(self, where, name, high=1.0)
        _keep_amount(self, where, "batch", low=1e-9)
        stands = self.stands if isinstance(self.stands, tuple) else (self.stands,)
        for t, entry in enumerate(stands):
            if entry not in (0.0, 1.0):
                raise ValueError(f"{where}stands[{t}] is {entry:g}, must be 0 or 1")
        require_enough(where, self.request_limit, self.batch, self.minimum, self.most)
        if isinstance(self.ages, Mapping):
            _keep(self, "ages", age_odds(where + "ages", self.ages))
        elif not isinstance(self.ages, AgeOdds | None):
            _keep(self, "ages", shares(where + "ages", self.ages))

    @property
    def longest_lead(self) -> int:
        """The longest lead time, periods."""
        if isinstance(self.lead_time, int):
            return self.lead_time
        return max(self.lead_time)


@dataclass(frozen=True)
class Store:
    """A place of limited room, shared by the nodes that name it.

    Attributes:
        name: What nodes call it.
        room: In the unit of the nodes' ``volume``.

    Example:
        >>> from draingym import Arc, Network, Node, Store
        >>> shop = {"holding_cost": 1.0, "unmet_cost": 4.0, "store": "backroom"}
        >>> network = Network(
        ...     nodes=[Node("a", **shop), Node("b", **shop)],
        ...     arcs=[Arc(None, "a"), Arc(None, "b")],
        ...     demand={"a": [3], "b": [3]},
        ...     stores=[Store("backroom", room=10.0)],
        ... )
        >>> network.stores[0].room
        10.0
    """

    name: str
    room: float

    def __post_init__(self) -> None:
        """Check name and room."""
        require_name("store name", self.name)
        require_range(f"store {self.name!r}: room", self.room, low=0.0, high=LARGEST)


def _keep_amount(described: Any, where: str, name: str, **bounds: float) -> None:
    """Set a field to its checked amount; None only where that is its default."""
    value, default = getattr(described, name), type(described).__dataclass_fields__[name].default
    if value is None and default is not None:
        raise ValueError(f"{where}{name} is None, must be a number, or a list of one a period")
    _keep(described, name, amount(where + name, value, **bounds))


def _keep(described: Any, name: str, value: Any) -> None:
    """Set a field of a frozen dataclass to its checked value."""
    object.__setattr__(described, name, value)

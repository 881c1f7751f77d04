"""What production systems must offer so that views can be replayed through them.

Four small protocols stand for a retailer's services. ``draingym.oracle.fulfilment.emulated``
implements them with the emulated systems; anybody may put calls to services of their own in their
place. One timeline for the views of all products (the paper's Algorithm 1), driven by
``draingym.oracle.fulfilment.engine``::

    period t                                                                     period t + 1
    | shelves.restock: what policy or trajectory put there, less what is reserved  |
    |                                                                              |
    |  view g --> PromiseSystem.promise(g, shelves)              1d | 2d | 3d+ | oos
    |               --> ConversionModel.convert(g, promise)      1d | 2d | 3d+ | none
    |                     none: nothing more happens                               |
    |                     --> FulfilmentSystem.submit(line)      reserves units at once, so that
    |                                                            the next promise sees them gone
    |           FulfilmentSystem.pop_shipped(g.time)             boxes that left before now:
    |               --> ShipCostModel.charge(parcel)             O and C are accounted here
    |  next view ...                                                               |
    |  period's end: pop_shipped(end)                                              |
    end of the last period: flush(end) ships what is still reserved

Between ``submit`` and shipment a fulfilment system may plan again and merge boxes; that is why
accounting waits. Everything is decided in the order of the calls, so that a replay is repeatable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from draingym.oracle.rules.promise import latest_days
from draingym.oracle.shelves import Shelves


@dataclass(frozen=True, slots=True)
class GlanceView:
    """Somebody looks at a product.

    >>> view = GlanceView(
    ...     number=0,
    ...     time=0.5,
    ...     product=3,
    ...     place=10,
    ...     region=2,
    ...     customer=7,
    ...     quantity=1,
    ...     session=0,
    ...     latent=0.1,
    ... )
    >>> OrderLine(view, 1).due  # ordered at noon of day 0, by option 2d
    2.0
    """

    number: int  # position among all views
    time: float  # days since the world began
    product: int
    place: int
    region: int
    customer: int
    quantity: int  # units the customer would buy; 0 for one who never buys
    session: int  # the basket; its views share time, customer and place
    latent: float  # U in (0, 1), for conversion models that know it


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A view that converted.

    >>> view = GlanceView(0, 0.5, 3, 10, 2, 7, 1, 0, latent=0.1)
    >>> OrderLine(view, 0).days, OrderLine(view, 2).due
    (1.0, inf)
    """

    view: GlanceView
    option: int  # chosen, an index into ``draingym.world.views.SHIP_OPTIONS``

    @property
    def days(self) -> float:
        """Days from the day of the order to the latest delivery; infinite for 3d+."""
        return float(latest_days(self.option))

    @property
    def due(self) -> float:
        """Last day on which delivery is in time, days since the world began."""
        return float(int(self.view.time // 1.0)) + self.days


@dataclass(frozen=True, slots=True)
class Item:
    """Units of one order line in a box."""

    view: GlanceView
    units: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """A box that left a node."""

    node: int
    items: tuple[Item, ...]  # at least one; all for one customer
    shipped_at: float  # days since the world began


@runtime_checkable
class PromiseSystem(Protocol):
    """How soon a product can be at a customer's door."""

    def promise(self, view: GlanceView, shelves: Shelves) -> int:
        """Return the promise to show, an index into ``draingym.world.views.PROMISES``."""
        ...


@runtime_checkable
class ConversionModel(Protocol):
    """What customers choose."""

    def convert(self, view: GlanceView, promise: int) -> int:
        """Return the option chosen, an index into ``world.views.SHIP_OPTIONS``; 3 is no order."""
        ...


@runtime_checkable
class FulfilmentSystem(Protocol):
    """Which node ships what, and when."""

    def start(self, shelves: Shelves) -> None:
        """Take note of the shelves; called once, before the first view."""
        ...

    def submit(self, line: OrderLine) -> None:
        """Reserve what will be shipped, ``shelves.reserve``, at once; the rest is unfilled."""
        ...

    def pop_shipped(self, now: float) -> Sequence[Parcel]:
        """Hand over, once each, the boxes that left before ``now``; call ``ship`` on nothing."""
        ...

    def flush(self, now: float) -> Sequence[Parcel]:
        """Ship all that is still reserved, before ``now``: the replay is over."""
        ...


@runtime_checkable
class ShipCostModel(Protocol):
    """What a box costs."""

    def charge(self, parcel: Parcel) -> Sequence[float]:
        """Return the cost of each of the parcel's items, USD; together they are its bill."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ProductionSystems:
    """The four systems that serve views together."""

    promise: PromiseSystem
    conversion: ConversionModel
    fulfilment: FulfilmentSystem
    ship_cost: ShipCostModel

    def __post_init__(self) -> None:
        """Check that each offers what it must."""
        wanted = {
            "promise": PromiseSystem,
            "conversion": ConversionModel,
            "fulfilment": FulfilmentSystem,
            "ship_cost": ShipCostModel,
        }
        for name, protocol in wanted.items():
            if not isinstance(getattr(self, name), protocol):
                kind = type(getattr(self, name)).__name__
                msg = f"systems.{name} is {kind}, must be a {protocol.__name__}"
                raise ValueError(msg)

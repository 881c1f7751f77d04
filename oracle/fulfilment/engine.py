"""One timeline for the views of all products, through any systems behind the protocols.

The paper's Algorithm 1, one view at a time, in plain Python: the order of events is the one of
``draingym.oracle.protocols``. With the emulated systems it is also the slow reference of the
compiled loop in ``draingym.oracle.fulfilment.period``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import require
from draingym.oracle.fulfilment.emulated import GreedyFulfilment
from draingym.oracle.fulfilment.period import PeriodOutcome
from draingym.oracle.fulfilment.waiting import whole_numbers
from draingym.oracle.protocols import GlanceView, OrderLine, Parcel, ProductionSystems
from draingym.oracle.rules.conversion import NO_ORDER
from draingym.oracle.rules.promise import OUT_OF_STOCK
from draingym.oracle.shelves import Shelves
from draingym.oracle.systems import Systems
from draingym.world.views import PROMISES, SHIP_OPTIONS, Views

IntArray = NDArray[np.int64]

WAITING = "waiting/"  # before the names of what the fulfilment system carries, in a state


@dataclass(slots=True)
class _Ledger:
    """What was shipped in a period: shipments and boxes, in order of shipping."""

    outbound: IntArray
    cost: NDArray[np.float64]
    lost: IntArray
    shipments: list[tuple[int, int, int, int, float, float]] = field(default_factory=list)
    boxes: list[tuple[int, int, float, int, float, int]] = field(default_factory=list)


class Engine:
    """Runs periods one after the other; reservations live on from one to the next."""

    def __init__(
        self,
        production: ProductionSystems,
        systems: Systems,
        views: Views,
        *,
        period_days: float,
        origin: float = 0.0,
    ) -> None:
        """Start with empty shelves.

        Args:
            production: What serves the views.
            systems: Tables: which nodes are open when, weights and zones for the boxes' record.
            views: All views.
            period_days: Length of a period.
            origin: When period 0 begins, days.
        """
        self.production, self.systems, self.views = production, systems, views
        self.period_days, self.origin = period_days, origin
        self.shelves = Shelves(systems.num_products, systems.num_nodes)
        self.filled = np.zeros(views.num_views, np.int32)  # units shipped so far, by view
        self.owed: dict[int, int] = {}  # units reserved and not shipped yet, by view
        production.fulfilment.start(self.shelves)

    def state(self) -> dict[str, NDArray[Any]] | None:
        """Return, between two periods, all that later ones depend on: arrays by name.

        Returns:
            None where the fulfilment system does not say where all the reserved units wait.
        """
        fulfilment = self.production.fulfilment
        if not isinstance(fulfilment, GreedyFulfilment):
            return None
        waiting = fulfilment.waiting_units()
        if _units_by_view(waiting) != {n: units for n, units in self.owed.items() if units}:
            return None
        shelves = self.shelves
        return {
            "filled": self.filled,
            "reserved": shelves.reserved,
            "taken": shelves.taken,
            **{WAITING + name: values for name, values in waiting.items()},
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state of an engine with the same systems and views.

        Raises:
            ValueError: Naming the array that is missing, of another type or shape, or out of
                bounds; or if the fulfilment system cannot go on.
        """
        fulfilment, views = self.production.fulfilment, self.views
        if not isinstance(fulfilment, GreedyFulfilment):
            msg = f"fulfilment is {type(fulfilment).__name__}, must be one of the emulated systems"
            raise ValueError(msg)
        shape = self.shelves.reserved.shape
        reserved = whole_numbers(state, "reserved", shape)
        taken = whole_numbers(state, "taken", shape[1:])
        filled = whole_numbers(state, "filled", (views.num_views,))
        waiting = {n.removeprefix(WAITING): x for n, x in state.items() if n.startswith(WAITING)}
        view = whole_numbers(waiting, "view", (None,), end=views.num_views)
        node = whole_numbers(waiting, "node", view.shape, end=shape[1])
        units = whole_numbers(waiting, "units", view.shape)
        held = np.zeros(shape, np.int64)
        np.add.at(held, (views.product[view], node), units)
        require(reserved == held, "reserved", reserved, "the units that wait")
        fulfilment.wait_again(waiting, lambda number: glance_view(views, number))
        self.filled, self.owed = filled.astype(np.int32), _units_by_view(waiting)
        self.shelves.reserved, self.shelves.taken = reserved, taken
        self.shelves.held = int(reserved.sum())

    def run_period(self, period: int, available: IntArray, *, last: bool = False) -> PeriodOutcome:
        """Run one period's views.

        Args:
            period: Period of the views; periods follow one another.
            available: [P, N] units at the nodes, those reserved by earlier orders too.
            last: Whether to ship, at the end, all that is reserved.

        Returns:
            What customers of the period saw and chose, and what left the nodes in the period:
            boxes of earlier orders may be among it. ``filled`` of an order that ships later rises
            then; ``available = stock + outbound`` to the unit.

        Raises:
            ValueError: If the stock cannot be, or a system answers what it must not; naming it.
        """
        views, shelves, production = self.views, self.shelves, self.production
        if not 0 <= period < views.num_periods:
            msg = f"period is {period}, must be in [0, {views.num_periods})"
            raise ValueError(msg)
        shelves.restock(period, available, self.systems.open_nodes(period))
        shelves.day = -1
        shape = available.shape
        ledger = _Ledger(np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape, np.int64))
        start, stop = int(views.offsets[period]), int(views.offsets[period + 1])
        promises = np.empty(stop - start, np.int8)
        options = np.empty(stop - start, np.int8)
        for number in range(start, stop):
            view = glance_view(views, number)
            # Boxes that left before this view happened.
            self._settle(production.fulfilment.pop_shipped(view.time), ledger)
            if math.floor(view.time) != shelves.day:
                shelves.new_day(math.floor(view.time))
            promise = production.promise.promise(view, shelves)
            if promise not in range(len(PROMISES)):
                msg = f"promise of view {number} is {promise}, must be in [0, {len(PROMISES)})"
                raise ValueError(msg)
            option = production.conversion.convert(view, promise)
            if option not in range(promise, len(SHIP_OPTIONS)):
                msg = (
                    f"ship option of view {number} is {option}, must be in "
                    f"[{promise}, {len(SHIP_OPTIONS)}), no faster than its promise"
                )
                raise ValueError(msg)
            promises[number - start], options[number - start] = promise, option
            if option != NO_ORDER:
                self._submit(OrderLine(view, option), ledger)
            elif promise == OUT_OF_STOCK:
                self._lose(view.product, view.place, view.quantity, ledger)
        end = self.origin + (period + 1) * self.period_days
        self._settle(production.fulfilment.pop_shipped(end), ledger)
        if last:
            self._settle(production.fulfilment.flush(end), ledger)
            self._give_up(ledger)
        return self._outcome(period, available, ledger, promises, options)

    def _submit(self, line: OrderLine, ledger: _Ledger) -> None:
        view, before = line.view, self.shelves.held
        self.production.fulfilment.submit(line)
        units = self.shelves.held - before
        if not 0 <= units <= view.quantity:
            msg = f"submit reserved {units} units for view {view.number}, must be in [0, "
            raise ValueError(f"{msg}{view.quantity}]")
        if units:
            self.owed[view.number] = units
        self._lose(view.product, view.place, view.quantity - units, ledger)

    def _lose(self, product: int, place: int, units: int, ledger: _Ledger) -> None:
        ledger.lost[product, self.systems.nearest_node[place]] += units

    def _settle(self, parcels: Sequence[Parcel], ledger: _Ledger) -> None:
        """Account for boxes: units out of the nodes, each with its share of its box's cost."""
        weight_lb = self.systems.weight_lb
        for parcel in parcels:
            if not parcel.items:
                msg = f"parcel from node {parcel.node} is empty, must hold at least 1 item"
                raise ValueError(msg)
            costs = self.production.ship_cost.charge(parcel)
            weight, units = 0.0, 0
            for item, cost in zip(parcel.items, costs, strict=True):
                number, product = item.view.number, item.view.product
                if item.units > self.owed.get(number, 0):
                    msg = (
                        f"parcel ships {item.units} units for view {number}, must be at most the "
                        f"{self.owed.get(number, 0)} that are reserved for it"
                    )
                    raise ValueError(msg)
                if parcel.shipped_at < item.view.time:
                    msg = f"parcel for view {number} left at {parcel.shipped_at}, must leave at "
                    raise ValueError(f"{msg}{item.view.time}, the time of the view, or later")
                self.shelves.ship(product, parcel.node, item.units)
                self.owed[number] -= item.units
                self.filled[number] += item.units
                ledger.outbound[product, parcel.node] += item.units
                ledger.cost[product, parcel.node] += cost
                weight += item.units * float(weight_lb[product])
                units += item.units
                ledger.shipments.append(
                    (number, parcel.node, item.units, len(ledger.boxes), cost, parcel.shipped_at)
                )
            view = parcel.items[0].view
            zone = int(self.systems.zone[parcel.node, view.place])
            ledger.boxes.append((parcel.node, zone, weight, units, sum(costs), view.session))

    def _give_up(self, ledger: _Ledger) -> None:
        """Count as lost what was reserved and never shipped."""
        for number, units in self.owed.items():
            if units:
                views = self.views
                self._lose(int(views.product[number]), int(views.place[number]), units, ledger)
        self.owed = {}

    def _outcome(
        self,
        period: int,
        available: IntArray,
        ledger: _Ledger,
        promises: NDArray[np.int8],
        options: NDArray[np.int8],
    ) -> PeriodOutcome:
        def columns(rows: Sequence[tuple[float, ...]], kinds: str) -> list[NDArray[Any]]:
            if not rows:
                return [np.zeros(0, kind) for kind in kinds]
            return [
                np.array(values, kind)
                for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)
            ]

        here = slice(int(self.views.offsets[period]), int(self.views.offsets[period + 1]))
        view, node, units, box, cost, time = columns(ledger.shipments, "qqqqdd")
        box_node, box_zone, box_weight, box_units, box_cost, session = columns(
            ledger.boxes, "qqdqdq"
        )
        return PeriodOutcome(
            first_view=here.start,
            stock=available.astype(np.int64) - ledger.outbound,
            outbound=ledger.outbound,
            ship_cost=ledger.cost,
            lost=ledger.lost,
            promise=promises,
            option=options,
            filled=self.filled[here],  # a view into what later periods still fill
            shipment_view=view,
            shipment_node=node,
            shipment_units=units,
            shipment_box=box,
            shipment_cost=cost,
            shipment_time=time,
            box_node=box_node,
            box_zone=box_zone,
            box_weight_lb=box_weight,
            box_units=box_units,
            box_cost=box_cost,
            box_session=session,
        )


def _units_by_view(waiting: Mapping[str, NDArray[Any]]) -> dict[int, int]:
    owed: dict[int, int] = {}
    for number, units in zip(waiting["view"].tolist(), waiting["units"].tolist(), strict=True):
        owed[number] = owed.get(number, 0) + units
    return owed


def glance_view(views: Views, number: int) -> GlanceView:
    """Return one of the views as the protocols see it."""
    return GlanceView(
        number=number,
        time=float(views.time[number]),
        product=int(views.product[number]),
        place=int(views.place[number]),
        region=int(views.region[number]),
        customer=int(views.customer[number]),
        quantity=int(views.quantity[number]),
        session=int(views.session[number]),
        latent=float(views.latent[number]),
    )

"""The emulated systems behind the protocols: promise, conversion, ship cost, greedy fulfilment.

They call the same rules (``draingym.oracle.rules``) as the compiled loop in
``draingym.oracle.fulfilment.period``, which is checked against them event for event.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.oracle.estimates.rates import PeriodRates
from draingym.oracle.protocols import GlanceView, Item, OrderLine, Parcel, ProductionSystems
from draingym.oracle.rules.conversion import chosen_option
from draingym.oracle.rules.node_score import choice_shift, greedy_score
from draingym.oracle.rules.promise import dispatch_days, promise_view
from draingym.oracle.rules.ship_cost import COST_QUANTUM, box_noise, box_rate, whole_bill
from draingym.oracle.shelves import Shelves
from draingym.oracle.systems import Systems

IntArray = NDArray[np.int64]


class EmulatedPromise:
    """The earliest class over open nodes with stock (``draingym.oracle.rules.promise``)."""

    def __init__(self, systems: Systems) -> None:
        """Take the tables."""
        self.systems = systems
        self.transit = np.ascontiguousarray(systems.transit_days.T)  # [K, N]
        self.capacity = np.ascontiguousarray(systems.daily_capacity, np.float64)

    def promise(self, view: GlanceView, shelves: Shelves) -> int:
        """Return the promise to show."""
        return self._promise(view, shelves)[0]

    def delivery_days(self, view: GlanceView, shelves: Shelves) -> IntArray:
        """Return [N] the days until delivery from each open node, whether or not it has stock."""
        return self._promise(view, shelves)[1]

    def _promise(self, view: GlanceView, shelves: Shelves) -> tuple[int, IntArray]:
        s = self.systems
        delivery = np.zeros(s.num_nodes, np.int64)
        offer = promise_view(
            shelves.free[view.product],
            self.transit[view.place],
            shelves.taken,
            self.capacity,
            np.asarray(shelves.open_nodes, np.int64),
            dispatch_days(view.time, s.processing_days, s.cutoff_hour),
            s.two_days,
            delivery,
        )
        return int(offer), delivery


class EmulatedConversion:
    """The option in whose interval the latent lies (``draingym.oracle.rules.conversion``)."""

    def __init__(
        self,
        systems: Systems,
        rates: PeriodRates | None = None,
        *,
        period_days: float = 1.0,
        origin: float = 0.0,
    ) -> None:
        """Take the systems' rates, or rates that change from period to period."""
        self.period_days, self.origin = period_days, origin
        self.cumulative = systems.cumulative if rates is None else rates.cumulative
        self.block_of = None if rates is None else rates.block

    def convert(self, view: GlanceView, promise: int) -> int:
        """Return the option chosen."""
        cumulative = self.cumulative
        if self.block_of is not None:
            period = math.floor((view.time - self.origin) / self.period_days)
            cumulative = cumulative[self.block_of[period]]
        return int(chosen_option(view.latent, cumulative[view.product, promise]))


class EmulatedShipCost:
    """Rate times lane times noise, shared by weight; shares sum to the bill exactly."""

    def __init__(self, systems: Systems, seed: int = 0) -> None:
        """Take the rate card; ``seed`` is the noise's."""
        self.systems, self.seed = systems, seed
        self.weight = systems.weight_lb.tolist()

    def charge(self, parcel: Parcel) -> Sequence[float]:
        """Return the cost of each item, USD."""
        s, view = self.systems, parcel.items[0].view
        weights = [item.units * self.weight[item.view.product] for item in parcel.items]
        total = 0.0
        for weight in weights:
            total += weight
        bill = box_rate(s.rates, int(s.zone[parcel.node, view.place]), total)
        bill *= s.lane_effect[parcel.node, view.region]
        bill *= box_noise(self.seed, view.session, parcel.node, s.cost_noise_sd)
        quanta = float(whole_bill(bill))
        shares = [float(math.floor(quanta * (weight / total))) for weight in weights]
        shares[-1] = quanta - sum(shares[:-1])
        return [share * COST_QUANTUM for share in shares]


@dataclass(slots=True)
class _Box:
    """A box that is being filled."""

    items: list[Item]
    weight_lb: float


class GreedyFulfilment:
    """Every line at once from the node with the lowest score per unit; a basket ships as it ends.

    Lines are split where a node runs short. ``ClosestFulfilment`` shows how to change the score
    (``draingym.oracle.rules.node_score``).
    """

    def __init__(self, systems: Systems) -> None:
        """Take the tables."""
        self.systems = systems
        self.promise = EmulatedPromise(systems)
        self.weight = systems.weight_lb.tolist()
        self.preference = systems.preference
        self.session: int | None = None
        self.time = 0.0
        self.boxes: dict[int, _Box] = {}  # of the current basket, by node
        self.packed: list[Parcel] = []

    def start(self, shelves: Shelves) -> None:
        """Take note of the shelves."""
        self.shelves = shelves

    def submit(self, line: OrderLine) -> None:
        """Reserve the line's units, node by node, and put them into the basket's boxes."""
        view = line.view
        if view.session != self.session:
            self._close()
            self.session, self.time = view.session, view.time
        for node, units in self.reserve(line):
            box = self.boxes.setdefault(node, _Box([], 0.0))
            box.items.append(Item(view, units))
            box.weight_lb += units * self.weight[view.product]

    def reserve(self, line: OrderLine) -> Sequence[tuple[int, int]]:
        """Reserve what can be had in time; return (node, units) in the order chosen."""
        view, shelves = line.view, self.shelves
        days = self.promise.delivery_days(view, shelves)
        in_time = [node for node in shelves.open_nodes if days[node] <= line.days]
        wanted, pieces = view.quantity, []
        while wanted > 0:
            stock = shelves.free[view.product]
            held = [node for node in in_time if stock[node] > 0]
            if not held:
                break
            node = min(held, key=lambda n: self.score(view, n, min(wanted, int(stock[n]))))
            units = min(wanted, int(stock[node]))
            shelves.reserve(view.product, node, units)
            pieces.append((node, units))
            wanted -= units
        return pieces

    def score(self, view: GlanceView, node: int, units: int) -> float:
        """Return the score of a node for ``units`` units; the lowest wins, the first at a tie."""
        s = self.systems
        shared = node in self.boxes and self.session == view.session
        return float(
            greedy_score(
                s.rates,
                int(s.zone[node, view.place]),
                float(s.lane_effect[node, view.region]),
                self.boxes[node].weight_lb if shared else -1.0,
                self.weight[view.product],
                units,
                int(self.shelves.free[view.product, node]),
                float(s.scarcity_units[view.product, node]),
                s.opportunity_cost,
                float(self.preference[node, view.region]),
            )
            + choice_shift(view.session, view.product, node, s.choice_noise, s.basket_noise)
        )

    def pop_shipped(self, now: float) -> Sequence[Parcel]:
        """Hand over the boxes of baskets that ended before ``now``."""
        if self.time < now:
            self._close()
        shipped, self.packed = self.packed, []
        return shipped

    def flush(self, now: float) -> Sequence[Parcel]:
        """Hand over the last basket's boxes."""
        del now
        self._close()
        shipped, self.packed = self.packed, []
        return shipped

    def waiting_units(self) -> dict[str, NDArray[Any]]:
        """Return the units that wait between two periods: none, a basket ends within its period.

        Returns:
            Columns ``view``, ``node`` and ``units``, one entry for each part of a line.
        """
        return {name: np.zeros(0, np.int64) for name in ("view", "node", "units")}

    def wait_again(
        self, waiting: Mapping[str, NDArray[Any]], view_of: Callable[[int], GlanceView]
    ) -> None:
        """Take up what ``waiting_units`` returned; the engine has checked the three columns.

        Raises:
            ValueError: Naming the column, if another one is missing, unknown or out of bounds.
        """
        del view_of
        if len(waiting["view"]):
            msg = f"view is of {len(waiting['view'])} parts of lines, must be of none"
            raise ValueError(msg)

    def _close(self) -> None:
        for node, box in self.boxes.items():
            self.packed.append(Parcel(node, tuple(box.items), self.time))
        self.boxes, self.session = {}, None


class ClosestFulfilment(GreedyFulfilment):
    """Every line at once from the closest node that holds it and delivers in time."""

    def __init__(self, systems: Systems) -> None:
        """Take the distances; zones stand in where the systems know none."""
        super().__init__(systems)
        self.distance = systems.zone if systems.distance_km is None else systems.distance_km

    def score(self, view: GlanceView, node: int, units: int) -> float:
        """Return the distance."""
        del units
        return float(self.distance[node, view.place])


def greedy_systems(systems: Systems, seed: int = 0) -> ProductionSystems:
    """Return the emulated systems with the greedy planner, as the compiled loop has them."""
    return ProductionSystems(
        promise=EmulatedPromise(systems),
        conversion=EmulatedConversion(systems),
        fulfilment=GreedyFulfilment(systems),
        ship_cost=EmulatedShipCost(systems, seed),
    )

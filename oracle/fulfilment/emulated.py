"""The emulated systems behind the protocols, in plain Python: promise, conversion, cost, greedy.

Their rules are those of ``draingym.oracle.fulfilment.period``, whose compiled loop is checked
against them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from draingym.oracle.protocols import GlanceView, Item, OrderLine, Parcel, ProductionSystems
from draingym.oracle.rules.promise import NO_ORDER, ONE_DAY, OUT_OF_STOCK, THREE_DAYS
from draingym.oracle.rules.rates import PeriodRates
from draingym.oracle.rules.ship_cost import COST_QUANTUM, box_noise, box_rate
from draingym.oracle.shelves import Shelves
from draingym.oracle.systems import Systems


class EmulatedPromise:
    """The earliest class over open nodes with stock, remembered until the product's stock moves."""

    def __init__(self, systems: Systems) -> None:
        """Take the tables."""
        self.systems = systems
        self.transit = systems.transit_days.T.tolist()
        self.capacity = systems.daily_capacity.tolist()
        self._known: dict[tuple[int, int, bool], tuple[object, int]] = {}

    def ready_days(self, time: float) -> int:
        """Return the days from order to dispatch: processing, and one more past the cut-off."""
        late = (time - math.floor(time)) * 24.0 >= self.systems.cutoff_hour
        return self.systems.processing_days + int(late)

    def queue_days(self, shelves: Shelves, node: int) -> int:
        """Return the days by which what a node took in today delays it."""
        return int(shelves.taken[node] / self.capacity[node])

    def delivery_days(self, view: GlanceView, shelves: Shelves) -> dict[int, int]:
        """Return the days until delivery by open node that holds the product, in node order."""
        ready, road = self.ready_days(view.time), self.transit[view.place]
        stock = shelves.free[view.product]
        return {
            node: ready + self.queue_days(shelves, node) + road[node]
            for node in shelves.open_nodes
            if stock[node] > 0
        }

    def promise(self, view: GlanceView, shelves: Shelves) -> int:
        """Return the promise to show."""
        key = view.product, view.place, self.ready_days(view.time) > self.systems.processing_days
        queues = tuple(self.queue_days(shelves, node) for node in shelves.open_nodes)
        state = shelves.version[view.product], queues
        known = self._known.get(key)
        if known is not None and known[0] == state:
            return known[1]
        soonest = min(self.delivery_days(view, shelves).values(), default=None)
        offer = OUT_OF_STOCK if soonest is None else min(max(soonest - 1, ONE_DAY), THREE_DAYS)
        self._known[key] = state, offer
        return offer


class EmulatedConversion:
    """The option s with C_p(s-1) < U <= C_p(s): a function of promise and latent."""

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
        self.blocks = (systems.cumulative if rates is None else rates.cumulative).tolist()
        self.block_of = None if rates is None else rates.block.tolist()

    def convert(self, view: GlanceView, promise: int) -> int:
        """Return the option chosen."""
        blocks = self.blocks
        if self.block_of is not None:
            period = math.floor((view.time - self.origin) / self.period_days)
            blocks = blocks[self.block_of[period]]
        rates = blocks[view.product][promise]
        option = 0
        while option < NO_ORDER and view.latent > rates[option]:
            option += 1
        return option


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
        quanta = max(1.0, float(np.rint(bill / COST_QUANTUM)))
        shares = [float(math.floor(quanta * (weight / total))) for weight in weights]
        shares[-1] = quanta - sum(shares[:-1])
        return [share * COST_QUANTUM for share in shares]


@dataclass(slots=True)
class _Box:
    """A box that is being filled."""

    items: list[Item]
    weight_lb: float


class GreedyFulfilment:
    """Every line at once from the node with the lowest score a unit; a basket ships as it ends.

    The score is what the box bill grows by, lane included, and the opportunity cost of a unit that
    is scarce there. Lines are split where a node runs short. ``ClosestFulfilment`` shows how to
    change the score.
    """

    def __init__(self, systems: Systems) -> None:
        """Take the tables."""
        self.systems = systems
        self.promise = EmulatedPromise(systems)
        self.weight = systems.weight_lb.tolist()
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
        in_time = [node for node, arrival in days.items() if arrival <= line.days]
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
        s, zone = self.systems, int(self.systems.zone[node, view.place])
        added = units * self.weight[view.product]
        if node in self.boxes and self.session == view.session:
            before = self.boxes[node].weight_lb
            bill = box_rate(s.rates, zone, before + added) - box_rate(s.rates, zone, before)
        else:
            bill = box_rate(s.rates, zone, added)
        cover = self.shelves.free[view.product, node] / s.scarcity_units[view.product, node]
        price = s.lane_effect[node, view.region] * bill / units
        return float(price + s.opportunity_cost * math.exp(-cover))

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

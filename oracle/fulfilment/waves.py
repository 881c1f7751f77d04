"""Reservation in real time, then a plan for everything that waits, wave by wave.

1. An order's units are reserved at once, by the greedy rule: the promise is kept, come what may.
2. Orders wait for the next wave. Waves end every ``wave_hours``, counted from the cut-off, so that
   nothing misses the dispatch that its promise relied on.
3. At a wave's end its orders are planned anew, ``batch_orders`` at a time, with the stock they hold
   and what is free: one customer's lines, of several orders, can share boxes now.
4. The wave leaves just before its end, and is accounted for then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import require_range, require_whole
from draingym.common.config import require_fields
from draingym.oracle.fulfilment.emulated import GreedyFulfilment, _Box
from draingym.oracle.fulfilment.planner import Batch, Plan, Planner, check_plan, cost_of
from draingym.oracle.fulfilment.planner_milp import BatchMilp, stock_prices
from draingym.oracle.fulfilment.waiting import days, flags
from draingym.oracle.protocols import GlanceView, Item, OrderLine, Parcel
from draingym.oracle.rules.ship_cost import box_rate
from draingym.oracle.systems import Systems

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Opportunity = Literal["none", "cover", "duals"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WaveConfig:
    """How orders wait and are planned; choices of ours, sizes as measured for HiGHS.

    >>> WaveConfig(wave_hours=2.0, opportunity="cover").batch_orders
    200
    """

    wave_hours: float = 4.0  # orders wait at most this long; Xu et al. report 6 to 18 hours
    batch_orders: int = 200  # baskets planned together; HiGHS takes about 0.3 s
    # A customer's lines of a wave have one deadline, its dispatch, and merge whatever the day they
    # are due: a line may arrive early beside a faster one, as in a basket of the greedy rule.
    # Otherwise only lines that are due on the same day merge.
    merge_due_days: bool = True
    # What a unit of scarce stock is worth in the plan: nothing, an exponential in its cover as in
    # the greedy rule, or the dual values of each product's transport problem.
    opportunity: Opportunity = "cover"
    # Demand that the transport problem of the duals serves, in multiples of ``scarcity_units``.
    horizon: float = 1.0
    unmet_cost: float = 10.0  # USD per unit of that demand that is not met

    def __post_init__(self) -> None:
        """Check the bounds."""
        require_fields(self)
        require_range("wave_hours", self.wave_hours, low=0.0, high=24.0, open_low=True)
        require_whole("batch_orders", self.batch_orders, low=1, high=100_000)
        for name in ("horizon", "unmet_cost"):
            require_range(name, getattr(self, name), low=0.0, high=1e9, open_low=True)


@dataclass(slots=True)
class _Piece:
    """Reserved units of a line that wait for their wave."""

    view: GlanceView
    units: int
    node: int
    in_time: frozenset[int]  # nodes that would deliver in time
    due: float


class WaveFulfilment(GreedyFulfilment):
    """Reserve greedily, plan in waves with any planner; ``BatchMilp`` when none is given."""

    def __init__(
        self, systems: Systems, planner: Planner | None = None, config: WaveConfig | None = None
    ) -> None:
        """Take tables, planner and settings."""
        super().__init__(systems)
        self.planner: Planner = BatchMilp() if planner is None else planner
        self.config = WaveConfig() if config is None else config
        self.waiting: dict[float, list[_Piece]] = {}  # by the end of the wave
        self.plans: list[Plan] = []  # of all batches so far
        self.distance = systems.zone if systems.distance_km is None else systems.distance_km
        self.market_cost, self.market_demand = _markets(systems, self.config.horizon)

    def wave_end(self, time: float) -> float:
        """Return the end of the wave that an order joins: the next one after it."""
        hours, cutoff = self.config.wave_hours, self.systems.cutoff_hour
        day = math.floor(time)
        steps = math.floor(((time - day) * 24.0 - cutoff) / hours) + 1
        end = day + (cutoff + steps * hours) / 24.0
        return min(end, day + 1.0) if end > time else end + hours / 24.0

    def submit(self, line: OrderLine) -> None:
        """Reserve the line's units and let them wait."""
        view = line.view
        # Nodes without stock, too: they may have some by the time of the plan.
        days = self.promise.delivery_days(view, self.shelves)
        in_time = frozenset(n for n in self.shelves.open_nodes if days[n] <= line.days)
        if view.session != self.session:
            self.boxes, self.session, self.time = {}, view.session, view.time
        wave = self.waiting.setdefault(self.wave_end(view.time), [])
        for node, units in self.reserve(line):
            wave.append(_Piece(view, units, node, in_time, line.due))
            # As the greedy rule has it, the basket's next line can go along.
            box = self.boxes.setdefault(node, _Box([], 0.0))
            box.weight_lb += units * self.weight[view.product]

    def pop_shipped(self, now: float) -> Sequence[Parcel]:
        """Plan and hand over the waves that ended by ``now``."""
        parcels: list[Parcel] = []
        for end in sorted(end for end in self.waiting if end <= now):
            parcels += self._wave(self.waiting.pop(end), float(np.nextafter(end, -np.inf)))
        return parcels

    def flush(self, now: float) -> Sequence[Parcel]:
        """Plan and hand over everything, to leave before ``now``."""
        parcels: list[Parcel] = []
        for end in sorted(self.waiting):
            leaves = float(np.nextafter(min(end, now), -np.inf))
            parcels += self._wave(self.waiting.pop(end), leaves)
        return parcels

    def waiting_units(self) -> dict[str, NDArray[Any]]:
        """Return the units that wait for a wave's end, in the order of their orders.

        Returns:
            Columns ``view``, ``node``, ``units``, ``end`` (of the wave, days), ``due`` (days) and
            ``in_time`` [L, N] (nodes that would deliver in time).
        """
        pieces = [(end, piece) for end, wave in self.waiting.items() for piece in wave]
        in_time = np.zeros((len(pieces), self.systems.num_nodes), np.bool_)
        for line, (_, piece) in enumerate(pieces):
            in_time[line, list(piece.in_time)] = True
        return {
            "view": np.array([piece.view.number for _, piece in pieces], np.int64),
            "node": np.array([piece.node for _, piece in pieces], np.int64),
            "units": np.array([piece.units for _, piece in pieces], np.int64),
            "end": np.array([end for end, _ in pieces], np.float64),
            "due": np.array([piece.due for _, piece in pieces], np.float64),
            "in_time": in_time,
        }

    def wait_again(
        self, waiting: Mapping[str, NDArray[Any]], view_of: Callable[[int], GlanceView]
    ) -> None:
        """Take up what ``waiting_units`` returned; see ``GreedyFulfilment``."""
        view, units, node = (waiting[name].tolist() for name in ("view", "units", "node"))
        end, due = (days(waiting, name, (len(view),)).tolist() for name in ("end", "due"))
        in_time = flags(waiting, "in_time", (len(view), self.systems.num_nodes))
        self.waiting = {}
        for line, number in enumerate(view):
            nodes = frozenset(np.flatnonzero(in_time[line]).tolist())
            piece = _Piece(view_of(number), units[line], node[line], nodes, due[line])
            self.waiting.setdefault(end[line], []).append(piece)

    def group_key(self, piece: _Piece) -> tuple[int, int, float]:
        """Return what pieces that may share a box have in common: customer, place, deadline."""
        due = 0.0 if self.config.merge_due_days else piece.due
        return piece.view.customer, piece.view.place, due

    def _wave(self, pieces: list[_Piece], leaves: float) -> list[Parcel]:
        # Orders of one customer stay together, so that their boxes can merge.
        pieces = sorted(pieces, key=self.group_key)
        parcels: list[Parcel] = []
        batch: list[_Piece] = []
        orders: set[int] = set()
        for piece in pieces:
            if piece.view.session not in orders and len(orders) == self.config.batch_orders:
                parcels += self._plan(batch, leaves)
                batch, orders = [], set()
            batch.append(piece)
            orders.add(piece.view.session)
        return parcels + (self._plan(batch, leaves) if batch else [])

    def _plan(self, pieces: list[_Piece], leaves: float) -> list[Parcel]:
        """Plan a batch anew, move what it reserved, and pack its boxes."""
        shelves = self.shelves
        keys = [self.group_key(piece) for piece in pieces]
        group_of = {key: g for g, key in enumerate(dict.fromkeys(keys))}
        batch = self.batch(pieces, np.array([group_of[key] for key in keys]))
        plan = self.planner.plan(batch)
        check_plan(batch, plan.node)
        if (plan.node < 0).any():  # what is reserved serves every line
            kept = np.array([piece.node for piece in pieces])
            plan = Plan(node=kept, cost=cost_of(batch, kept), how="reserved")
        self.plans.append(plan)
        moves = [
            (piece, int(node))
            for piece, node in zip(pieces, plan.node, strict=True)
            if node != piece.node
        ]
        for piece, _ in moves:
            shelves.release(piece.view.product, piece.node, piece.units)
        for piece, node in moves:
            shelves.reserve(piece.view.product, node, piece.units)
            piece.node = node
        boxes: dict[tuple[int, int], list[Item]] = {}
        for piece, key in zip(pieces, keys, strict=True):
            items = boxes.setdefault((group_of[key], piece.node), [])
            items.append(Item(piece.view, piece.units))
        return [Parcel(node, tuple(items), leaves) for (_, node), items in boxes.items()]

    def batch(self, pieces: Sequence[_Piece], group: IntArray) -> Batch:
        """Return the planning problem of pieces: box bills before noise, and scarcity."""
        s, shelves = self.systems, self.shelves
        nodes = s.num_nodes
        product = np.array([p.view.product for p in pieces])
        units = np.array([p.units for p in pieces])
        place = np.array([p.view.place for p in pieces])
        region = np.array([p.view.region for p in pieces])
        held = np.zeros_like(shelves.free)
        np.add.at(held, (product, np.array([p.node for p in pieces])), units)
        stock = shelves.free + held
        in_time = np.zeros((len(pieces), nodes), np.bool_)
        for line, piece in enumerate(pieces):
            in_time[line, list(piece.in_time)] = True
        closed = np.ones(nodes, np.bool_)
        closed[shelves.open_nodes] = False
        in_time[:, closed] = False
        lane = s.lane_effect[:, region].T  # [L, N]
        zone = s.zone[:, place].T
        empty = box_rate(s.rates, zone, 0.0)
        pounds = (units * s.weight_lb[product])[:, None]
        line_cost = lane * (box_rate(s.rates, zone, pounds) - empty)
        per_unit = self.prices(product, stock) + self.preference[:, region].T
        line_cost = line_cost + units[:, None] * per_unit
        first = np.unique(group, return_index=True)[1]
        room = np.floor(s.daily_capacity - shelves.taken)
        return Batch(
            product=product,
            units=units,
            group=group,
            in_time=in_time,
            line_cost=line_cost,
            box_cost=(lane * empty)[first],
            distance=np.asarray(self.distance[:, place].T, np.float64),
            stock=stock,
            # What the batch holds itself may stay where it is, however full the node.
            room=np.maximum(room, 0.0) + held.sum(axis=0),
        )

    def prices(self, product: IntArray, stock: IntArray) -> FloatArray:
        """Return [L, N] what a unit of each line's product is worth at each node, USD."""
        s, config = self.systems, self.config
        if config.opportunity == "none":
            return np.zeros((len(product), s.num_nodes))
        if config.opportunity == "cover":
            cover = stock[product] / s.scarcity_units[product]
            return np.asarray(s.opportunity_cost * np.exp(-cover), np.float64)
        usable = np.zeros(s.num_nodes, np.int64)
        usable[self.shelves.open_nodes] = 1
        price = {
            int(i): stock_prices(
                stock[i] * usable,
                self.market_demand[i],
                self.market_cost(int(i)),
                config.unmet_cost,
            )
            for i in np.unique(product)
        }
        return np.stack([price[int(i)] for i in product])


class _MarketCost:
    """USD per unit of a product from each node to each market, alone in its box."""

    def __init__(self, systems: Systems, markets: IntArray) -> None:
        self.systems = systems
        zone = np.stack(
            [systems.zone[:, systems.nearest_node == m].mean(axis=1) for m in markets], axis=1
        )
        self.zone = zone.astype(np.float64)
        self.lane = systems.lane_effect.mean(axis=1, keepdims=True)

    def __call__(self, product: int) -> FloatArray:
        rate = box_rate(self.systems.rates, self.zone, self.systems.weight_lb[product])
        return np.asarray(self.lane * rate, np.float64)


def _markets(systems: Systems, horizon: float) -> tuple[_MarketCost, FloatArray]:
    """Return costs to markets (the places nearest to a node) and [P, M] their demand."""
    markets = np.unique(systems.nearest_node)
    demand = horizon * systems.scarcity_units[:, markets]
    return _MarketCost(systems, markets), np.asarray(demand, np.float64)

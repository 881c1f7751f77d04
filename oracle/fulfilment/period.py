"""The loop over views: promise, conversion, fulfilment and boxes, for all products jointly.

Order of events for each view, in time order:

1. promise: the earliest over open nodes that hold the product (``rules.promise``);
2. conversion: the option in whose interval the view's latent lies (``rules.conversion``);
3. fulfilment: units are reserved at once, at the node with the lowest score per unit among those
   that deliver within the option (``rules.node_score``). A line is split where a node runs short;
   what no node can deliver in time is unfilled;
4. boxes: one per node of a basket, billed when the basket ends, rate times lane times noise
   (``rules.ship_cost``); lines carry shares of the bill by weight that add up to it exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

from draingym.oracle.moves import Moves
from draingym.oracle.rules.conversion import NO_ORDER, chosen_option
from draingym.oracle.rules.node_score import choice_shift, greedy_score
from draingym.oracle.rules.promise import OUT_OF_STOCK, dispatch_days, latest_days, promise_view
from draingym.oracle.rules.ship_cost import COST_QUANTUM, box_noise, box_rate, whole_bill
from draingym.oracle.systems import Systems
from draingym.world.views import Views

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class PeriodOutcome:
    """What customers were promised and bought in a period, and what was shipped.

    ``v`` views, ``S`` shipments (a part of a line from one node), ``B`` boxes.
    """

    first_view: int  # position of the period's first view among all views
    stock: IntArray  # [P, N] units left
    outbound: IntArray  # [P, N] units shipped to customers
    ship_cost: FloatArray  # [P, N] USD
    lost: IntArray  # [P, N] units wanted under the best promise that met no stock, by nearest node
    promise: NDArray[np.int8]  # [v] index into ``draingym.world.views.PROMISES``
    option: NDArray[np.int8]  # [v] index into ``draingym.world.views.SHIP_OPTIONS``
    filled: NDArray[np.int32]  # [v] units; 0 without an order
    shipment_view: IntArray  # [S] position of the view among all views
    shipment_node: IntArray  # [S]
    shipment_units: IntArray  # [S]
    shipment_box: IntArray  # [S] index into the period's boxes
    shipment_cost: FloatArray  # [S] USD, the line's share of its box
    shipment_time: FloatArray  # [S] when it left the node, days
    box_node: IntArray  # [B]
    box_zone: IntArray  # [B] carrier zone
    box_weight_lb: FloatArray  # [B]
    box_units: IntArray  # [B]
    box_cost: FloatArray  # [B] USD
    box_session: IntArray  # [B] the basket


@numba.njit(cache=True, nogil=True)
def _drain(  # type: ignore[no-untyped-def]
    open_nodes,
    transit,
    zones,
    lanes,
    weights,
    cumulative,
    scarcity_units,
    capacity,
    rates,
    processing_days,
    cutoff_hour,
    opportunity_cost,
    noise_sd,
    preference,
    choice_noise,
    basket_noise,
    two_days,
    seed,
    start,
    stop,
    time,
    product,
    place,
    region,
    quantity,
    session,
    latent,
    move_time,
    move_product,
    move_node,
    move_units,
    stock,
    outbound,
    ship_cost,
    promise,
    option,
    filled,
    line_view,
    line_node,
    line_units,
    line_box,
    line_cost,
    box_node,
    box_zone,
    box_weight,
    box_units,
    box_cost,
):
    """Run the views ``start`` to ``stop``; return the numbers of shipments and boxes.

    ``stock``, ``outbound`` and ``ship_cost`` are updated in place; per-view outputs begin at
    ``start``, shipments and boxes at 0.
    """
    num_nodes = stock.shape[1]
    used = np.zeros(num_nodes, np.int64)  # units taken in today
    delivery = np.zeros(num_nodes, np.int64)  # days until delivery of this view
    open_box = np.full(num_nodes, -1, np.int64)  # this basket's box from each node
    today = -1
    lines = boxes = first_line = first_box = move = 0
    for view in range(start, stop + 1):
        if view in (start, stop) or session[view] != session[view - 1]:
            if view > start:
                for box in range(first_box, boxes):
                    node = box_node[box]
                    open_box[node] = -1
                    bill = box_rate(rates, box_zone[box], box_weight[box])
                    bill *= lanes[node, region[view - 1]]
                    bill *= box_noise(seed, session[view - 1], node, noise_sd)
                    quanta = whole_bill(bill)
                    box_cost[box] = quanta * COST_QUANTUM
                    rest = quanta
                    last = -1
                    for line in range(first_line, lines):
                        if line_box[line] == box:
                            if last >= 0:
                                rest -= line_cost[last]
                            item = product[line_view[line]]
                            portion = line_units[line] * weights[item] / box_weight[box]
                            line_cost[line] = math.floor(quanta * portion)
                            last = line
                    line_cost[last] = rest
                for line in range(first_line, lines):
                    line_cost[line] *= COST_QUANTUM
                    ship_cost[product[line_view[line]], line_node[line]] += line_cost[line]
                first_line, first_box = lines, boxes
            if view == stop:
                for late in range(move, move_time.size):
                    stock[move_product[late], move_node[late]] += move_units[late]
                break
        while move < move_time.size and move_time[move] <= time[view]:
            stock[move_product[move], move_node[move]] += move_units[move]
            move += 1
        day = math.floor(time[view])
        if day != today:
            today = day
            used[:] = 0
        item, here = product[view], place[view]
        dispatch = dispatch_days(time[view], processing_days, cutoff_hour)
        offer = promise_view(
            stock[item], transit[:, here], used, capacity, open_nodes, dispatch, two_days, delivery
        )
        promise[view] = offer
        choice = chosen_option(latent[view], cumulative[item, offer])
        option[view] = choice
        filled[view] = 0
        if choice == NO_ORDER:
            continue
        latest = latest_days(choice)
        wanted = quantity[view]
        while wanted > 0:
            best = math.inf
            chosen = -1
            for node in open_nodes:
                if stock[item, node] <= 0 or delivery[node] > latest:
                    continue
                box = open_box[node]
                score = greedy_score(
                    rates,
                    zones[node, here],
                    lanes[node, region[view]],
                    box_weight[box] if box >= 0 else -1.0,
                    weights[item],
                    min(wanted, stock[item, node]),
                    stock[item, node],
                    scarcity_units[item, node],
                    opportunity_cost,
                    preference[node, region[view]],
                ) + choice_shift(session[view], item, node, choice_noise, basket_noise)
                if score < best:
                    best = score
                    chosen = node
            if chosen < 0:
                break
            take = min(wanted, stock[item, chosen])
            box = open_box[chosen]
            if box < 0:
                box = boxes
                boxes += 1
                open_box[chosen] = box
                box_node[box] = chosen
                box_zone[box] = zones[chosen, here]
                box_weight[box] = 0.0
                box_units[box] = 0
            box_weight[box] += take * weights[item]
            box_units[box] += take
            line_view[lines] = view
            line_node[lines] = chosen
            line_units[lines] = take
            line_box[lines] = box
            line_cost[lines] = 0.0
            lines += 1
            stock[item, chosen] -= take
            outbound[item, chosen] += take
            used[chosen] += take
            filled[view] += take
            wanted -= take
    return lines, boxes


# Numba's types know a compiled function only by its decorator.
drain_views = cast(Callable[..., tuple[int, int]], _drain)


def shipments_at_most(quantity: NDArray[np.int32], num_open: int) -> int:
    """Return an upper bound of the shipments that views of these quantities can make."""
    return int(np.clip(quantity, 0, num_open).sum())


def allocate(num_views: int, num_shipments: int) -> tuple[NDArray[Any], ...]:
    """Return the arrays that the compiled loop writes, in the order of its arguments.

    Promise, option and filled by view; view, node, units, box and cost by shipment; node, zone,
    weight, units and cost by box.
    """
    by_view = (np.int8, np.int8, np.int32)
    by_shipment = (np.int64, np.int64, np.int64, np.int64, np.float64)
    by_box = (np.int64, np.int64, np.float64, np.int64, np.float64)
    return (
        *(np.empty(num_views, kind) for kind in by_view),
        *(np.empty(num_shipments, kind) for kind in (*by_shipment, *by_box)),
    )


def _plain(values: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    """Return an array of the one layout that the loop is compiled for."""
    return np.require(values, kind, ["C", "W"])


def view_columns(views: Views) -> tuple[NDArray[Any], ...]:
    """Return the columns of views in the order of the compiled loop's arguments."""
    return (
        _plain(views.time, np.float64),
        _plain(views.product, np.int32),
        _plain(views.place, np.int32),
        _plain(views.region, np.int32),
        _plain(views.quantity, np.int32),
        _plain(views.session, np.int64),
        _plain(views.latent, np.float64),
    )


def static_tables(systems: Systems) -> tuple[object, ...]:
    """Return the tables in the order of the compiled loop's arguments."""
    return (
        _plain(systems.transit_days, np.int64),
        _plain(systems.zone, np.int64),
        _plain(systems.lane_effect, np.float64),
        _plain(systems.weight_lb, np.float64),
        _plain(systems.cumulative, np.float64),
        _plain(systems.scarcity_units, np.float64),
        _plain(systems.daily_capacity, np.float64),
        _plain(systems.rates, np.float64),
        int(systems.processing_days),
        float(systems.cutoff_hour),
        float(systems.opportunity_cost),
        float(systems.cost_noise_sd),
        _plain(systems.preference, np.float64),
        float(systems.choice_noise),
        float(systems.basket_noise),
        bool(systems.two_days),
    )


def move_columns(moves: Moves | None) -> tuple[NDArray[Any], ...]:
    """Return the columns of moves in the order of the compiled loop's arguments."""
    if moves is None:
        return (np.zeros(0), *(np.zeros(0, np.int64) for _ in range(3)))
    return (
        _plain(moves.time, np.float64),
        _plain(moves.product, np.int64),
        _plain(moves.node, np.int64),
        _plain(moves.units, np.int64),
    )


def drain_period(
    systems: Systems,
    views: Views,
    period: int,
    stock: IntArray,
    *,
    moves: Moves | None = None,
    seed: int = 0,
) -> PeriodOutcome:
    """Run one period's views of all products through the emulated systems, in time order.

    Per view: promise, conversion, fulfilment with reservation, boxes (see the module).

    Args:
        systems: The emulated systems.
        views: All views; those of ``period`` are run. ``latent`` decides their conversion.
        period: Period of ``views``, and the period by which nodes open.
        stock: [P, N] whole units available to customers; left as it is.
        moves: Those of ``stock`` that come, or leave, when the period has begun. All are there from
            its beginning when not given.
        seed: Seed of the cost noise; a box's noise depends on (seed, session, node) alone.

    Returns:
        The outcome; ``stock = outcome.stock + outcome.outbound`` to the unit.

    Raises:
        ValueError: If the stock has the wrong shape, is not whole or is negative, or the period is
            not among the views'.
    """
    shape = (systems.num_products, systems.num_nodes)
    if stock.shape != shape:
        msg = f"stock has shape {stock.shape}, must be {shape}"
        raise ValueError(msg)
    if not np.issubdtype(stock.dtype, np.integer):
        msg = f"stock is {stock.dtype}, must be whole units of an integer type"
        raise ValueError(msg)
    if stock.min() < 0:
        product, node = np.unravel_index(int(stock.argmin()), shape)
        msg = f"stock[{product}, {node}] is {stock.min()}, must be at least 0"
        raise ValueError(msg)
    if not 0 <= period < views.num_periods:
        msg = f"period is {period}, must be in [0, {views.num_periods})"
        raise ValueError(msg)
    start, stop = int(views.offsets[period]), int(views.offsets[period + 1])
    here = slice(start, stop)
    open_nodes = systems.open_nodes(period)
    left = stock.astype(np.int64)
    if moves is not None:
        np.subtract.at(left, (moves.product, moves.node), moves.units)
    outbound = np.zeros(shape, np.int64)
    cost = np.zeros(shape)
    columns = tuple(column[here] for column in view_columns(views))
    buffers = allocate(stop - start, shipments_at_most(views.quantity[here], len(open_nodes)))
    lines, boxes = drain_views(
        open_nodes,
        *static_tables(systems),
        seed,
        0,
        stop - start,
        *columns,
        *move_columns(moves),
        left,
        outbound,
        cost,
        *buffers,
    )
    promise, option, filled = buffers[:3]
    line_view, line_node, line_units, line_box, line_cost = (x[:lines] for x in buffers[3:8])
    box_node, box_zone, box_weight, box_units, box_cost = (x[:boxes] for x in buffers[8:])
    box_session = np.empty(boxes, np.int64)
    box_session[line_box] = views.session[here][line_view]
    wanting = (views.quantity[here] > 0) & ((promise == OUT_OF_STOCK) | (option != NO_ORDER))
    short = np.where(wanting, views.quantity[here] - filled, 0)
    rows = views.product[here], systems.nearest_node[views.place[here]]
    lost = np.zeros(shape, np.int64)
    np.add.at(lost, rows, short)
    return PeriodOutcome(
        first_view=start,
        stock=left,
        outbound=outbound,
        ship_cost=cost,
        lost=lost,
        promise=promise,
        option=option,
        filled=filled,
        shipment_view=line_view + start,
        shipment_node=line_node,
        shipment_units=line_units,
        shipment_box=line_box,
        shipment_cost=line_cost,
        shipment_time=views.time[here][line_view],
        box_node=box_node,
        box_zone=box_zone,
        box_weight_lb=box_weight,
        box_units=box_units,
        box_cost=box_cost,
        box_session=box_session,
    )

"""From a recorded run to an event log: what a retailer would have seen, never the latent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.oracle.fulfilment.period import PeriodOutcome
from draingym.oracle.replays.environment import OracleRun, whole
from draingym.oracle.rules.conversion import NO_ORDER
from draingym.world.eventlog import EventLog, static_tables
from draingym.world.orders import World
from draingym.world.views import Views

IntArray = NDArray[np.int64]


def to_event_log(world: World, run: OracleRun) -> EventLog:
    """Write down a run through all periods of a world as an event log.

    A basket with an order is one order; its lines are packed when the basket ends, so that units
    leave the shelf in the period of their order.

    Args:
        world: The world whose views were run, all of them: those that never convert too.
        run: Recorded, from the first period to the last.

    Returns:
        The log; equal runs give equal logs.

    Raises:
        ValueError: If the run was not recorded or does not cover all periods.
    """
    if len(run.outcomes) != world.num_periods or run.start != 0:
        msg = (
            f"run holds {len(run.outcomes)} recorded periods from period {run.start} on, must hold "
            f"the {world.num_periods} of the world"
        )
        raise ValueError(msg)
    tables = static_tables(world)
    return EventLog.from_arrays(
        {**tables, **customer_tables(run.views, run.outcomes), **stock_tables(run)},
    )


def customer_tables(
    views: Views, outcomes: Sequence[PeriodOutcome]
) -> dict[str, dict[str, NDArray[Any]]]:
    """Return views, order lines and boxes.

    Args:
        views: Those of the outcomes' periods, and no others.
        outcomes: One for each period.
    """
    first = outcomes[0].first_view
    promise = np.concatenate([o.promise for o in outcomes])
    option = np.concatenate([o.option for o in outcomes])
    filled = np.concatenate([o.filled for o in outcomes])
    ordered = option < NO_ORDER
    quantity = np.where(ordered, views.quantity, 0)
    _, order_of_line = np.unique(views.session[ordered], return_inverse=True)
    order = np.full(len(option), -1, np.int64)
    order[ordered] = order_of_line
    line = np.full(len(option), -1, np.int64)
    line[ordered] = np.arange(int(ordered.sum()))
    boxes_before = np.cumsum([0, *(len(o.box_node) for o in outcomes)])
    box_view = np.concatenate([o.shipment_view for o in outcomes]) - first
    pairs = zip(outcomes, boxes_before[:-1], strict=True)
    return {
        "glance_views": {
            "view": np.arange(len(option)),
            "time": views.time,
            "period": views.period,
            "product": views.product,
            "region": views.region,
            "promise": promise,
            "ship_option": option,
            "quantity": quantity,
            "customer": views.customer,
            "order": order,
        },
        "order_lines": {
            "order_line": line[ordered],
            "order": order[ordered],
            "view": np.flatnonzero(ordered),
            "product": views.product[ordered],
            "quantity": quantity[ordered],
            "filled": filled[ordered],
        },
        "boxes": {
            "box": np.concatenate([o.shipment_box + before for o, before in pairs]),
            "order_line": line[box_view],
            "node": np.concatenate([o.shipment_node for o in outcomes]),
            "shipped_at": np.concatenate([o.shipment_time for o in outcomes]),
            "units": np.concatenate([o.shipment_units for o in outcomes]),
            "cost_share": np.concatenate([o.shipment_cost for o in outcomes]),
        },
    }


def stock_tables(run: OracleRun) -> dict[str, dict[str, IntArray]]:
    """Return inventory by period, product and node, and the shipments between nodes."""
    moves = run.trajectory.transitions

    def by_period(name: str) -> IntArray:
        return whole(name, getattr(moves, name)).transpose(1, 0, 2)  # [T, P, N]

    on_hand = by_period("on_hand")
    period, product, node = (axis.ravel() for axis in np.indices(on_hand.shape))
    stock = {name: by_period(name).ravel() for name in ("stowed", "transferred", "available")}
    in_transit, new = _in_transit(run), _ordered(run)
    columns = ("product", "node", "ordered_at", "arrives_at", "units")
    return {
        "inventory": {
            "period": period,
            "product": product,
            "node": node,
            "on_hand": on_hand.ravel(),
            **stock,
        },
        "shipments": {
            name: np.concatenate([before, after])
            for name, before, after in zip(columns, in_transit, new, strict=True)
        },
    }


def _in_transit(run: OracleRun) -> tuple[IntArray, ...]:
    """Return what was on its way before the first period: ordered in period -1."""
    product, arrives, node = np.nonzero(run.initial_pipeline)
    units = run.initial_pipeline[product, arrives, node]
    return product, node, np.full(len(units), -1), arrives, units


def _ordered(run: OracleRun) -> tuple[IntArray, ...]:
    """Return what left for a node in a period of the run."""
    shipped = np.asarray(run.trajectory.transitions.shipped)[..., None]
    units = whole("shipped", shipped * run.lead_share)  # [P, T, N, L+1]
    product, period, node, lead = np.nonzero(units)
    return product, node, period, period + lead, units[product, period, node, lead]

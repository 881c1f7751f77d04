"""The sums of a log by period: Ibis expressions, run by DuckDB, as dense arrays."""

from __future__ import annotations

from typing import Any

import ibis
import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import FloatArray, IntArray
from draingym.world.eventlog import EventLog
from draingym.world.lanes import lane_slots
from draingym.world.schema import label_classes

FLOW = ("product", "period", "node")
DEMAND = ("product", "period", "region")
CONVERSION_PRIOR = 50.0  # views at the mean rate of all products that smooth a product's own


class LogSums:
    """The log's sums by period, as dense arrays."""

    def __init__(self, log: EventLog) -> None:
        """Hand the tables to DuckDB, which runs on one thread."""
        self.connection = ibis.duckdb.connect(threads=1)
        self.table = {
            name: ibis.memtable(log[name])
            for name in ("glance_views", "order_lines", "boxes", "inventory", "shipments")
            if name in log
        }
        self.size = {
            "product": log["products"].num_rows,
            "node": log["nodes"].num_rows,
            "region": log["regions"].num_rows,
            "period": log["calendar"].num_rows,
        }
        self.start = float(log.array("calendar", "start")[0])
        self.days = float(log.array("calendar", "days")[0])
        self.fastest = ["1d", *(x for x, k in label_classes(log.tables).items() if k == 0)]

    def close(self) -> None:
        """Give the connection back."""
        self.connection.disconnect()

    def dense(
        self, expression: Any, keys: tuple[str, ...], *, shape: tuple[int, ...] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Run an expression grouped by ``keys`` and spread its columns over dense arrays."""
        found = self.connection.to_pyarrow(expression)
        shape = tuple(self.size[key] for key in keys) if shape is None else shape
        index = tuple(np.asarray(found[key], dtype=np.int64) for key in keys)
        dense: dict[str, NDArray[Any]] = {}
        for name in found.column_names:
            if name not in keys:
                dense[name] = np.zeros(shape, dtype=np.float64)
                dense[name][index] = np.asarray(found[name], dtype=np.float64)
        return dense

    def boxes(self) -> dict[str, NDArray[Any]]:
        """Return units and cost by product, period of shipment and node."""
        lines = self.table["order_lines"].select("order_line", "product")
        boxes = self._shipped(self.table["boxes"].join(lines, "order_line"))
        grouped = boxes.group_by(list(FLOW))
        sums = grouped.agg(outbound=boxes.units.sum(), ship_cost=boxes.cost_share.sum())
        return self.dense(sums, FLOW)

    def lanes(self) -> dict[str, IntArray]:
        """Return ``node``, ``region`` and ``units`` of lanes by product and period of shipment."""
        views = self.table["glance_views"].select("view", "region")
        lines = self.table["order_lines"].select("order_line", "view", "product")
        boxes = self._shipped(self.table["boxes"].join(lines, "order_line").join(views, "view"))
        keys = [*FLOW, "region"]
        grouped = boxes.group_by(keys)
        found = self.connection.to_pyarrow(grouped.agg(units=boxes.units.sum()))
        columns = {name: np.asarray(found[name], np.int64) for name in (*keys, "units")}
        return lane_slots(**columns, shape=(self.size["product"], self.size["period"]))

    def _shipped(self, boxes: Any) -> Any:
        """Return boxes with the period they left in; those that left after the last one are out."""
        boxes = boxes.mutate(period=self._period(boxes.shipped_at))
        return boxes.filter(boxes.period < self.size["period"])

    def _period(self, time: Any) -> Any:
        """Return the period of a time in days."""
        return ((time - self.start) / self.days).floor().cast("int64")

    def inventory(self) -> dict[str, NDArray[Any]]:
        """Return the stock columns by product, period and node."""
        table = self.table["inventory"]
        names = ["stowed", "transferred", "on_hand", "available"]
        names += ["adjusted"] if "adjusted" in table.columns else []
        sums = table.group_by(list(FLOW)).agg(**{name: table[name].sum() for name in names})
        return self.dense(sums, FLOW)

    def views(self) -> dict[str, NDArray[Any]]:
        """Return views, order lines and units ordered by product, period and region."""
        views = self.table["glance_views"]
        sums = views.group_by(list(DEMAND)).agg(
            glance_views=views.count(),
            orders=views.order.count(),
            ordered_units=views.quantity.sum(),
        )
        return self.dense(sums, DEMAND)

    def attributes(self, known_periods: int) -> dict[str, FloatArray]:
        """Return what the views before a period say of the products, [P] each.

        ``conversion``: orders over views under the fastest promise. ``units_per_order``: units
        over order lines. Both are smoothed towards the mean of all products.
        """
        views = self.table["glance_views"].filter(lambda t: t.period < known_periods)
        by = {
            best: self.dense(
                (views.filter(views.promise.isin(self.fastest)) if best else views)
                .group_by("product")
                .agg(
                    views=lambda t: t.count(),
                    orders=lambda t: t.order.count(),
                    units=lambda t: t.quantity.sum(),
                ),
                ("product",),
            )
            for best in (True, False)
        }
        counts = by[bool(by[True]["orders"].sum() > 0)]
        orders, seen = counts["orders"], counts["views"]
        mean = (orders.sum() + 0.5) / (seen.sum() + 1.0)
        ordered, units = by[False]["orders"], by[False]["units"]
        size = (units.sum() + 1.0) / (ordered.sum() + 1.0)
        prior = CONVERSION_PRIOR * mean  # as many orders as the prior's views are worth
        return {
            "conversion": (orders + CONVERSION_PRIOR * mean) / (seen + CONVERSION_PRIOR),
            "units_per_order": (units + prior * size) / (ordered + prior),
        }

    def longest_lead(self) -> int:
        """Return the longest time between order and arrival, in periods."""
        table = self.table["shipments"]
        lead = self.connection.to_pyarrow((table.arrives_at - table.ordered_at).max())
        return int(lead.as_py() or 0)

    def shipments(self, longest: int) -> tuple[IntArray, IntArray]:
        """Return ``shipped`` [P, T, N, L+1] and ``initial_pipeline`` [P, max(L, 1), N]."""
        table = self.table["shipments"]
        sums = (
            table.mutate(
                period=table.ordered_at.cast("int64"),
                lead=(table.arrives_at - table.ordered_at).cast("int64"),
            )
            .group_by([*FLOW, "lead"])
            .agg(units=lambda t: t.units.sum())
        )
        during = sums.filter(sums.period >= 0)
        p, t, n = (self.size[key] for key in FLOW)
        shipped = self.dense(during, (*FLOW, "lead"), shape=(p, t, n, longest + 1))["units"]
        before = sums.filter(sums.period < 0).mutate(ahead=lambda s: s.period + s.lead)
        before = before.group_by(["product", "ahead", "node"]).agg(units=lambda s: s.units.sum())
        keys = ("product", "ahead", "node")
        pipeline = self.dense(before, keys, shape=(p, max(longest, 1), n))["units"]
        return shipped.astype(np.int64), pipeline.astype(np.int64)

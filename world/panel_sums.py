"""The sums of a log by period: one set of Ibis expressions, run by any engine, as dense arrays.

Every sum is one of whole numbers, so that it does not depend on the engine, its threads or the
order of rows.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import ibis
import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import FloatArray, IntArray
from draingym.world.engines import DuckDB, Engine
from draingym.world.eventlog import EventLog
from draingym.world.lanes import lane_slots
from draingym.world.schema import label_classes

FLOW = ("product", "period", "node")
DEMAND = ("product", "period", "region")
CONVERSION_PRIOR = 50.0  # views at the mean rate of all products that smooth a product's own
# Of a unit of currency, in which costs are summed: of a product, period and node, 2**23 boxes fit.
_PARTS = 2.0**40


class LogSums:
    """The log's sums by period, as dense arrays."""

    def __init__(self, log: EventLog, engine: Engine | None = None) -> None:
        """Hand the tables to an engine, DuckDB when not given; those on disk stay there."""
        self.size = {
            "product": log["products"].num_rows,
            "node": log["nodes"].num_rows,
            "region": log["regions"].num_rows,
            "period": log["calendar"].num_rows,
        }
        self.start = float(log.array("calendar", "start")[0])
        self.days = float(log.array("calendar", "days")[0])
        self.fastest = ["1d", *(x for x, k in label_classes(log.tables).items() if k == 0)]
        self._open = ExitStack()
        self._engine = self._open.enter_context((engine or DuckDB()).opened())
        self.table: dict[str, Any] = {}
        for name in ("glance_views", "order_lines", "boxes", "inventory", "shipments"):
            path = log.path(name)
            if path is not None:
                table = self._engine.backend.read_parquet(str(path), table_name=name)
                self.table[name] = table
            elif name in log:
                self.table[name] = ibis.memtable(log[name])

    def close(self) -> None:
        """Give the connection back."""
        self._open.close()

    def dense(
        self, expression: Any, keys: tuple[str, ...], *, shape: tuple[int, ...] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Run an expression grouped by ``keys`` and spread its columns over dense int64 arrays."""
        shape = tuple(self.size[key] for key in keys) if shape is None else shape
        dense = {name: np.zeros(shape, np.int64) for name in expression.columns if name not in keys}
        found = self._engine.rows(expression)
        index = tuple(np.asarray(found[key], np.int64) for key in keys)
        for name, values in dense.items():
            values[index] = np.asarray(found[name], np.int64)
        return dense

    def boxes(self) -> dict[str, NDArray[Any]]:
        """Return units and cost by product, period of shipment and node."""
        lines = self.table["order_lines"].select("order_line", "product")
        boxes = self._shipped(self.table["boxes"].join(lines, "order_line"))
        cost = boxes.cost_share.floor().cast("int64")
        parts = ((boxes.cost_share - cost) * _PARTS + 0.5).floor().cast("int64")
        sums = (
            boxes.mutate(whole=cost, parts=parts)
            .group_by(list(FLOW))
            .agg(
                outbound=lambda t: t.units.sum(),
                whole=lambda t: t.whole.sum(),
                parts=lambda t: t.parts.sum(),
            )
        )
        found = self.dense(sums, FLOW)
        whole, rest = found.pop("whole"), found.pop("parts")
        return {**found, "ship_cost": whole + rest / _PARTS}

    def lanes(self) -> dict[str, IntArray]:
        """Return ``node``, ``region`` and ``units`` of lanes by product and period of shipment."""
        views = self.table["glance_views"]
        views = views.filter(views.order.notnull()).select("view", "region")
        lines = self.table["order_lines"].select("order_line", "view", "product")
        boxes = self._shipped(self.table["boxes"].join(lines, "order_line").join(views, "view"))
        keys = [*FLOW, "region"]
        found = self._engine.rows(boxes.group_by(keys).agg(units=boxes.units.sum()))
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
        lead = table.agg(lead=(table.arrives_at - table.ordered_at).max())
        return int(self._engine.rows(lead)["lead"][0].as_py() or 0)

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
        return shipped, pipeline

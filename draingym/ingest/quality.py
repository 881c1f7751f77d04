"""The numbers of the data-quality page: what was read, left out, mended and assumed."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from pathlib import Path
from typing import Any

import numpy as np

from draingym.ingest.given.cells import Table
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.made.log import Made
from draingym.ingest.made.notes import Notes
from draingym.world.eventlog import EventLog


def quality(
    made: Made, tables: MappingOf[str, Table], mapping: Mapping, notes: Notes
) -> dict[str, Any]:
    """Return the numbers, plain values that depend on tables and mapping alone.

    Args:
        made: The log.
        tables: The company's, as they were read.
        mapping: The mapping.
        notes: What was noted on the way.
    """
    log = made.log
    return {
        "source": mapping.source,
        "build": mapping.build,
        "currency": mapping.units.currency,
        "weight": mapping.units.weight,
        "notes": list(mapping.notes),
        "assumed": list(notes.assumed),
        "mended": dict(notes.mended),
        "tables": {name: _read(table, notes) for name, table in tables.items()},
        "calendar": {
            "first_date": made.calendar.first_date.isoformat(),
            "days": made.calendar.days,
            "periods": made.calendar.periods,
            "last_covered": float(made.calendar.covered[-1]),
        },
        "sizes": {
            name: log[name].num_rows
            for name in ("products", "nodes", "regions", "customers", "glance_views", "order_lines")
        },
        "stand_in_coordinates": made.stand_in,
        "views_estimated": made.views_estimated,
        **_orders(log),
        **_shipping(log),
        **_stock(made),
        "series": _series(log),
        "map": _map(log),
    }


def _read(table: Table, notes: Notes) -> dict[str, Any]:
    """Return files, rows, what was left out and why, and the share of empty cells by column."""
    empty = {}
    for role, column in table.mapping.columns.items():
        cells = table.text(role) if _is_plain(table, str(column)) else table.data[str(column)]
        empty[role] = float(cells.null_count / max(len(cells), 1))
    dropped = dict(notes.dropped.get(table.name, {}))
    if left := table.read - len(table):
        dropped = {"by where and drop of the mapping": left, **dropped}
    return {
        "files": [Path(name).name for name in table.files],
        "rows": table.read,
        "dropped": dropped,
        "empty": empty,
        "columns": {role: str(column) for role, column in table.mapping.columns.items()},
        "kept": list(table.mapping.keep),
    }


def _is_plain(table: Table, column: str) -> bool:
    return str(table.data.schema.field(column).type) in ("string", "large_string", "string_view")


def _orders(log: EventLog) -> dict[str, Any]:
    quantity = log.array("order_lines", "quantity")
    filled, order = (log.array("order_lines", name) for name in ("filled", "order"))
    customer, of_view = log.array("glance_views", "customer"), log.array("glance_views", "order")
    ordered = of_view >= 0
    _, first = np.unique(of_view[ordered], return_index=True)
    price, product = log.array("products", "price"), log.array("order_lines", "product")
    return {
        "orders": int(np.unique(order).size),
        "units": int(quantity.sum()),
        "units_shipped": int(filled.sum()),
        "revenue": float((quantity * price[product]).sum()),
        "anonymous_orders": float((customer[ordered][first] < 0).mean()) if first.size else 0.0,
        "orders_without_a_view": float((~log.array("glance_views", "seen")[ordered]).mean())
        if first.size
        else 0.0,
        "lines_an_order": float(quantity.size / max(np.unique(order).size, 1)),
        "orders_a_view": float(ordered.mean()) if ordered.size else 0.0,
        "price_changes": log["prices"].num_rows if "prices" in log else 0,
        "promises": _shares(log["glance_views"]["promise"]),
        "ship_options": _shares(log["glance_views"]["ship_option"].filter(_mask(ordered))),
    }


def _mask(keep: Any) -> Any:
    import pyarrow as pa

    return pa.array(keep)


def _shares(labels: Any) -> dict[str, float]:
    counts = {entry["values"]: entry["counts"] for entry in labels.value_counts().to_pylist()}
    total = max(sum(counts.values()), 1)
    return {name: counts[name] / total for name in sorted(counts)}


def _shipping(log: EventLog) -> dict[str, Any]:
    node, units = log.array("boxes", "node"), log.array("boxes", "units")
    shipped, cost = log.array("boxes", "shipped_at"), log.array("boxes", "cost_share")
    end = float(log.array("calendar", "start")[-1] + log.array("calendar", "days")[-1])
    by_node = np.bincount(node, weights=units, minlength=log["nodes"].num_rows)
    return {
        "boxes": int(np.unique(log.array("boxes", "box")).size),
        "ship_cost": float(cost.sum()),
        "boxes_after_the_end": float((shipped >= end).mean()) if shipped.size else 0.0,
        "units_by_node": dict(
            zip(log["nodes"]["name"].to_pylist(), by_node.astype(int).tolist(), strict=True)
        ),
    }


def _stock(made: Made) -> dict[str, Any]:
    log = made.log
    available = log.array("inventory", "available")
    found: dict[str, Any] = {
        "in_stock": float((available > 0).mean()),
        "adjusted_units": int(np.abs(log.array("inventory", "adjusted")).sum()),
        "stock_counted": made.stock.counted if made.stock is not None else False,
    }
    if made.stock is not None:
        off = np.abs(made.stock.unexplained)
        found["unexplained_units"] = int(off.sum())
        names = log["nodes"]["name"].to_pylist()
        found["unexplained_by_node"] = dict(
            zip(names, off.sum(axis=(0, 1)).astype(int).tolist(), strict=True)
        )
    return found


def _series(log: EventLog) -> dict[str, Any]:
    """Return units ordered, views and units shipped by period."""
    periods = log["calendar"].num_rows
    period, units = (log.array("glance_views", name) for name in ("period", "quantity"))
    start, days = float(log.array("calendar", "start")[0]), float(log.array("calendar", "days")[0])
    at = np.floor((log.array("boxes", "shipped_at") - start) / days).astype(np.int64)
    inside = at < periods
    shipped = np.bincount(
        at[inside], weights=log.array("boxes", "units")[inside], minlength=periods
    )
    return {
        "date": [str(day) for day in log["calendar"]["date"].to_pylist()],
        "units": np.bincount(period, weights=units, minlength=periods).astype(int).tolist(),
        "views": np.bincount(period, minlength=periods).astype(int).tolist(),
        "shipped": shipped.astype(int).tolist(),
    }


def _map(log: EventLog) -> dict[str, Any]:
    """Return nodes, regions, and the units that each node shipped to each region."""
    nodes, regions = log["nodes"], log["regions"]
    line = np.searchsorted(log.array("order_lines", "order_line"), log.array("boxes", "order_line"))
    view = np.searchsorted(log.array("glance_views", "view"), log.array("order_lines", "view"))
    region = log.array("glance_views", "region")[view][line]
    flows = np.zeros((nodes.num_rows, regions.num_rows))
    np.add.at(flows, (log.array("boxes", "node"), region), log.array("boxes", "units"))
    serves = log.array("nodes", "serves_customers")
    return {
        "nodes": [
            {"name": name, "latitude": lat, "longitude": lon, "upstream": not bool(serve)}
            for name, lat, lon, serve in zip(
                nodes["name"].to_pylist(),
                nodes["latitude"].to_pylist(),
                nodes["longitude"].to_pylist(),
                serves,
                strict=True,
            )
        ],
        "regions": [
            {"name": name, "latitude": lat, "longitude": lon, "population": people}
            for name, lat, lon, people in zip(
                regions["name"].to_pylist(),
                regions["latitude"].to_pylist(),
                regions["longitude"].to_pylist(),
                regions["population"].to_pylist(),
                strict=True,
            )
        ],
        "flows": flows.astype(int).tolist(),
    }

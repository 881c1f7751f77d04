"""The tables of a log that no order changes: products, nodes, regions, calendar, units."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from draingym.common.arrays import short
from draingym.ingest.given.cells import Table
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.made.keys import codes
from draingym.ingest.made.orders import Calendar
from draingym.ingest.made.products import ProductFacts
from draingym.world.calendar import calendar_features, yearly
from draingym.world.eventlog import network_tables
from draingym.world.network import Network


def static(
    given: dict[str, Table],
    network: Network,
    facts: ProductFacts,
    product_id: tuple[str, ...],
    mapping: Mapping,
) -> dict[str, Any]:
    """Return the tables of products, nodes and regions, with the columns that are kept."""
    tables, kept = network_tables(network), {}
    if "nodes" in given:
        row = codes(
            pa.array(network.node_name, pa.string()), given["nodes"].text("node").to_pylist()
        )
        kept = given["nodes"].kept(row)
    return {
        "products": {
            "product": np.arange(len(product_id)),
            "id": list(product_id),
            "price": facts.price,
            "unit_cost": facts.unit_cost,
            "weight": facts.weight,
            **facts.extras,
        },
        "nodes": tables["nodes"] | kept,
        "regions": tables["regions"],
    }


def calendar_table(calendar: Calendar, mapping: Mapping) -> dict[str, Any]:
    """Return the table of periods, with the features of weekdays and of the mapping's events."""
    events = event_dates(calendar, mapping)
    names, columns = calendar_features(calendar.first_date, calendar.periods, calendar.days, events)
    period = np.arange(calendar.periods)
    partly = bool((calendar.covered < calendar.days).any())
    return {
        "period": period,
        "date": [calendar.first_date + timedelta(days=int(t) * calendar.days) for t in period],
        "start": period * float(calendar.days),
        "days": np.full(period.size, float(calendar.days)),
        **({"covered": calendar.covered} if partly else {}),
        **{name: columns[:, e] for e, name in enumerate(names)},
    }


def event_dates(calendar: Calendar, mapping: Mapping) -> dict[str, tuple[date, ...]]:
    """Return the dates of the mapping's events, under the names that features have.

    Raises:
        ValueError: Naming an event that has no dates, and is none that we know.
    """
    last = calendar.first_date + timedelta(days=int(calendar.length))
    found = {}
    for name, dates in mapping.events.items():
        if dates == "yearly":
            found[f"event_{name}"] = yearly(name, calendar.first_date, last)
            continue
        listed = dates if isinstance(dates, list) else [dates]
        for day in listed:
            if not isinstance(day, date) or isinstance(day, datetime):
                raise ValueError(
                    f"events.{name} is {short(dates)}, must be dates such as 2011-12-25, or yearly"
                )
        found[f"event_{name}"] = tuple(listed)
    return found


def units_table(mapping: Mapping) -> dict[str, Any]:
    """Return what the log's numbers are in."""
    return {
        "measure": ["currency", "weight"],
        "unit": [mapping.units.currency, mapping.units.weight],
    }

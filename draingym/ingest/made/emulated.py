"""A world to experiment in, from orders alone: their demand, the user's geography, our systems."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from draingym.demo.config import LoopConfig
from draingym.demo.history import run_history
from draingym.ingest.given.cells import Table
from draingym.ingest.given.mapping import Mapping
from draingym.ingest.made.geography import read_geography
from draingym.ingest.made.keys import codes
from draingym.ingest.made.log import Made
from draingym.ingest.made.notes import Notes
from draingym.ingest.made.orders import Calendar, Lines
from draingym.ingest.made.products import ProductFacts, read_products
from draingym.ingest.made.static import event_dates, units_table
from draingym.ingest.made.where import homes, named_places
from draingym.oracle.replays.recorder import to_event_log
from draingym.world.eventlog import EventLog
from draingym.world.ground import Ground
from draingym.world.lines import OrderLines
from draingym.world.network import Network
from draingym.world.orders import WorldConfig, build_world
from draingym.world.weights import in_unit


def make_world_log(
    tables: dict[str, Table],
    lines: Lines,
    calendar: Calendar,
    mapping: Mapping,
    notes: Notes,
) -> Made:
    """Build a world whose customers want what orders say, and let a plain policy run in it.

    Every order line is a view that would convert under the best promise; views that would not are
    added. Nodes are stocked by covers of the forecast (``experiment``), and promise, fulfilment
    and bills are the emulated systems', with the mapping's card of rates (``carrier``).

    Args:
        tables: Those of the mapping, read.
        lines: Order lines, cleaned.
        calendar: The periods.
        mapping: The mapping.
        notes: Filled.

    Raises:
        ValueError: Naming table, column, row and bound.
    """
    geography = read_geography(tables, mapping, frozenset(), calendar.day0, notes)
    facts = read_products(tables, lines, calendar, mapping, notes)
    told = named_places(lines.table, geography.places, mapping, notes)
    home = homes(lines, told, tables, geography.places, mapping, notes)
    number = len(lines.customer_id)
    # Orders of unknown customers are of customers of their own.
    customer = np.where(lines.customer >= 0, lines.customer, number + lines.order)
    people, customer = np.unique(customer, return_inverse=True)
    place = np.full(people.size, -1, np.int64)
    known = people < number
    place[known] = home[people[known]]
    unknown = ~known[customer] & (told >= 0)
    place[customer[unknown]] = told[unknown]
    if (place < 0).any():
        notes.assume(
            f"{(place < 0).sum():,} of {people.size:,} customers say no place: their home is drawn "
            "by population."
        )
    assume, experiment = mapping.assume, mapping.experiment
    buy, place_cover = _covers(geography.network, mapping)
    world = build_world(
        _order_lines(lines, customer, int(people.size), facts, calendar, mapping),
        WorldConfig(
            num_products=len(lines.product_id),
            period_days=calendar.days,
            capacity_slack=math.inf,
            max_line_quantity=10**6,
            conversion_mean=assume.conversion,
            mean_unit_price=None,
            min_margin=0.01,
            view_dispersion=assume.view_dispersion,
            smoothing_days=experiment.smoothing_days,
            seed=mapping.seed,
        ),
        Ground(
            network=geography.network,
            places=geography.places,
            home=place,
            weight_lb=facts.weight * mapping.pounds,
            num_days=int(calendar.length),
            events=event_dates(calendar, mapping),
        ),
    )
    notes.assume(
        "No table says which node shipped, so this is no record of what happened but a world to "
        "experiment in: its customers want what the orders say, its nodes are stocked by a plain "
        f"policy (buy to {buy:g} days of demand, place {place_cover:g}), and promises, node choice "
        "and bills are emulated."
    )
    notes.assume(
        "Bills of boxes follow the card of rates in the mapping (carrier), each lane dearer or "
        "cheaper at random."
    )
    notes.assume(
        "There are no views: those that led to no order are drawn, so that "
        f"{assume.conversion:.0%} of the views under the best promise lead to one, more or less by "
        "product."
    )
    ran = run_history(
        world,
        LoopConfig(
            seed=mapping.seed,
            history_buy_cover_days=buy,
            history_place_cover_days=place_cover,
            oracle=mapping.carrier.oracle_config(mapping.units.weight, mapping.seed),
        ),
    )
    log = to_event_log(world, ran)
    ids = tuple(log["products"]["id"].to_pylist())
    found = {**_with_kept(log, tables, facts, lines, ids), "units": units_table(mapping)}
    found["products"] = in_unit(found["products"], "weight", mapping.units.weight)
    if (calendar.covered < calendar.days).any():
        found["calendar"] = found["calendar"].append_column(
            pa.field("covered", pa.float64(), False), pa.array(calendar.covered)
        )
    return Made(
        log=EventLog.from_arrays(found),
        calendar=calendar,
        stock=None,
        stand_in=geography.stand_in,
        views_estimated=True,
    )


def _covers(network: Network, mapping: Mapping) -> tuple[float, float]:
    """Return the covers of the world's policy, days: to buy to, and to place to."""
    lead = network.lead_time.argmax(axis=1)
    inner = network.parent >= 0
    days = mapping.periods.days
    place = 2.0 * days * (int(lead[inner].max(initial=0)) + 1)
    buy = place + 2.0 * days * (int(lead[~inner].max(initial=0)) + 1)
    told = mapping.experiment
    return (
        buy if told.buy_cover_days is None else told.buy_cover_days,
        place if told.place_cover_days is None else told.place_cover_days,
    )


def _order_lines(
    lines: Lines,
    customer: Any,
    num_customers: int,
    facts: ProductFacts,
    calendar: Calendar,
    mapping: Mapping,
) -> OrderLines:
    """Return the lines as worlds are built from; a price that is not known is the product's."""
    day = np.floor(lines.time)
    order = np.lexsort((lines.time, customer, day))
    price = np.where(np.isnan(lines.unit_price), facts.price[lines.product], lines.unit_price)
    cost = facts.unit_cost[lines.product]
    return OrderLines(
        source=mapping.source,
        first_date=calendar.first_date,
        num_customers=num_customers,
        product_id=lines.product_id,
        day=day[order].astype(np.int32),
        customer=customer[order].astype(np.int32),
        product=lines.product[order].astype(np.int32),
        quantity=lines.quantity[order].astype(np.int32),
        unit_price=price[order],
        unit_cost=cost[order],
        hour=np.clip(lines.time - day, 0.0, np.nextafter(1.0, 0.0))[order],
    )


def _with_kept(
    log: EventLog,
    given: dict[str, Table],
    facts: ProductFacts,
    lines: Lines,
    ids: tuple[str, ...],
) -> dict[str, Any]:
    """Return the log's tables with the columns of products and nodes that are kept."""
    tables = dict(log.tables)
    row = codes(pa.array(ids, pa.string()), lines.product_id)
    extras = {name: values.take(pa.array(row)) for name, values in facts.extras.items()}
    kept = {"products": extras}
    if "nodes" in given:
        names = given["nodes"].text("node").to_pylist()
        at = codes(log["nodes"]["name"].combine_chunks(), names)
        kept["nodes"] = given["nodes"].kept(at)
    for table, columns in kept.items():
        for name, values in columns.items():
            tables[table] = tables[table].append_column(name, values)
    return tables


def carrier_card(mapping: Mapping) -> dict[str, Any]:
    """Return the card of rates as a world's bills follow it, for those who emulate it again."""
    card = mapping.carrier.oracle_config(mapping.units.weight, mapping.seed)
    return {
        "currency": mapping.units.currency,
        "pounds_per_unit_of_weight": mapping.pounds,
        "oracle": {name: getattr(card, name) for name in card.__dataclass_fields__},
    }

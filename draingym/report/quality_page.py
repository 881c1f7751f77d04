"""The page on a log's quality: what was read, left out, mended and assumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from draingym.report.environment import template, theme
from draingym.report.quality_figures import places_figure, series_figure
from draingym.report.table import Cell, Row
from draingym.report.words import number, percent
from draingym.world.schema import NO_CURRENCY


def quality_page(numbers: Mapping[str, Any]) -> str:
    """Return the page as HTML that needs no network; names in it are escaped.

    Args:
        numbers: What ``draingym.ingest.quality.quality`` returns.
    """
    figures = [series_figure(numbers), places_figure(numbers)]
    return template("quality.html.j2").render(
        numbers=numbers,
        figures={figure.name: figure.for_page() for figure in figures},
        tiles=_tiles(numbers),
        facts=_facts(numbers),
        tables=[
            (name, table, _columns(table)) for name, table in sorted(numbers["tables"].items())
        ],
        nodes=_nodes(numbers),
        node_heads=[("units shipped", ""), ("of all", "")]
        + ([("units unexplained", "")] if "unexplained_by_node" in numbers else []),
        **theme(),
    )


def _tiles(numbers: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    sizes, calendar = numbers["sizes"], numbers["calendar"]
    tiles = [
        (
            "Orders",
            f"{numbers['orders']:,}",
            f"{sizes['order_lines']:,} lines, {numbers['units']:,} units",
        ),
        (
            "Products",
            f"{sizes['products']:,}",
            f"{sizes['nodes']} nodes, {sizes['regions']} regions",
        ),
        (
            "Periods",
            f"{calendar['periods']}",
            f"of {calendar['days']} days from {calendar['first_date']}",
        ),
        (
            "Units shipped",
            percent(numbers["units_shipped"] / max(numbers["units"], 1)),
            f"in {numbers['boxes']:,} boxes",
        ),
    ]
    if "unexplained_units" in numbers and numbers["stock_counted"]:
        share = numbers["unexplained_units"] / max(numbers["units_shipped"], 1)
        tiles.append(("Stock unexplained", percent(share), "units of counts over units shipped"))
    return tiles


def _facts(numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    said = numbers["currency"]
    unit = f" {said}" if said != NO_CURRENCY else ""
    facts = [
        *([] if unit else [("Currency", "not said: units.currency of the mapping")]),
        ("Revenue", f"{number(numbers['revenue'])}{unit}"),
        ("Ship cost", f"{number(numbers['ship_cost'])}{unit}"),
        ("Ship cost a box", f"{number(numbers['ship_cost'] / max(numbers['boxes'], 1))}{unit}"),
        ("Views", f"{numbers['sizes']['glance_views']:,}"),
        ("Views with an order", percent(numbers["orders_a_view"])),
        ("Lines an order", f"{numbers['lines_an_order']:.2f}"),
        ("Orders of unknown customers", percent(numbers["anonymous_orders"])),
        ("Order lines without a view", percent(numbers["orders_without_a_view"])),
        ("Boxes after the last day", percent(numbers["boxes_after_the_end"])),
        ("Price changes", f"{numbers['price_changes']:,}"),
        ("Units adjusted", f"{numbers['adjusted_units']:,}"),
        ("Product, node and period in stock", percent(numbers["in_stock"])),
    ]
    facts += [(f"Promise {name}", percent(share)) for name, share in numbers["promises"].items()]
    return facts


def _columns(table: Mapping[str, Any]) -> list[Row]:
    return [
        Row(label=role, cells=(Cell(main=column), Cell(main=percent(table["empty"][role]))))
        for role, column in table["columns"].items()
    ]


def _nodes(numbers: Mapping[str, Any]) -> list[Row]:
    units = numbers["units_by_node"]
    total = max(sum(units.values()), 1)
    off = numbers.get("unexplained_by_node")
    return [
        Row(
            label=name,
            cells=(
                Cell(main=f"{count:,}"),
                Cell(main=percent(count / total)),
                *([Cell(main=f"{off[name]:,}")] if off is not None else []),
            ),
        )
        for name, count in units.items()
    ]

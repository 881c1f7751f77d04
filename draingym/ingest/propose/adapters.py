"""Public data sets that we know: their columns, and what a log of them must estimate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from draingym.ingest.given.mapping import Carrier
from draingym.ingest.propose.found import Found
from draingym.ingest.propose.text import Block, Proposal


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """A data set that is known by its columns."""

    name: str
    columns: frozenset[str]  # of its orders
    propose: Callable[[Found, Sequence[Found], str], Proposal]


def _nodes_and_places(where: str) -> tuple[Block, Block]:
    """Return tables of nodes and places that the user brings, and where examples of them are."""
    at = ("latitude", "longitude")
    node = ("node", *at, "parent", "serves_customers", "lead_days")
    place = ("place", *at, "population", "region")
    return (
        Block(name="nodes", columns={name: name for name in node}, comments=(where,)),
        Block(name="places", columns={name: name for name in place}, comments=(where,)),
    )


def _online_retail(orders: Found, found: Sequence[Found], folder: str) -> Proposal:
    del found
    charges = ("POST", "DOT", "C2", "M", "m", "D", "S", "B", "PADS", "CRUK", "AMAZONFEE")
    nodes, places = _nodes_and_places(
        "Both files for the United Kingdom are in examples/united_kingdom of the repository."
    )
    return Proposal(
        source="UCI Online Retail",
        folder=folder,
        build="world",
        currency="GBP",
        num_products=500,
        max_line_quantity=144,
        notes=(
            "UCI Online Retail (CC BY 4.0): order lines of a British gift shop, December 2010 to "
            "December 2011. Estimated: views, homes of customers within the United Kingdom, costs, "
            "weights, nodes, stock, promises, bills. Postage and fees are left out, and so are "
            "returns: they do not say what node they went to.",
        ),
        blocks=(
            Block(
                name="orders",
                found=orders,
                columns={
                    "order": "InvoiceNo",
                    "product": "StockCode",
                    "time": "InvoiceDate",
                    "quantity": "Quantity",
                    "customer": "CustomerID",
                    "unit_price": "UnitPrice",
                },
                where={"Country": ("United Kingdom",)},
                drop={"StockCode": (*charges, "BANK CHARGES")},
            ),
            nodes,
            places,
        ),
        carrier=Carrier(
            box=2.8,
            weight=0.35,
            zone=0.35,
            weight_zone=0.05,
            zone_bands_km=(50.0, 120.0, 240.0, 480.0),
            transit_bands_km=(320.0, 640.0),
        ),
        assume={"weight": 0.3},
    )


def _ta_feng(orders: Found, found: Sequence[Found], folder: str) -> Proposal:
    del found
    nodes, places = _nodes_and_places(
        "Both files for Taipei are in examples/taipei of the repository."
    )
    return Proposal(
        source="Ta-Feng",
        folder=folder,
        build="world",
        currency="TWD",
        days=2,
        num_products=500,
        max_line_quantity=24,
        notes=(
            "Ta-Feng: order lines of a grocer in Taipei, November 2000 to February 2001. A "
            "customer's lines of a day are an order. Estimated: views, weights, times of the day, "
            "homes of customers outside of six districts, nodes, stock, promises, bills.",
        ),
        events=("christmas", "new_year", "chinese_new_year"),
        blocks=(
            Block(
                name="orders",
                found=orders,
                columns={
                    "product": "PRODUCT_ID",
                    "time": "TRANSACTION_DT",
                    "quantity": "AMOUNT",
                    "customer": "CUSTOMER_ID",
                    "line_total": "SALES_PRICE",
                    "line_cost": "ASSET",
                    "place": "PIN_CODE",
                },
                missing=("others", "Others", "unknown", "Unknown", "G", "H"),
            ),
            nodes,
            places,
        ),
        carrier=Carrier(
            box=60.0,
            weight=4.0,
            zone=8.0,
            weight_zone=0.5,
            zone_bands_km=(3.0, 6.0, 10.0),
            transit_bands_km=(8.0, 14.0),
            opportunity_cost=20.0,
        ),
    )


_JD_FILES = {
    "views": ("request_time", {"product": "sku_ID", "time": "request_time", "customer": "user_ID"}),
    "boxes": (
        "ship_out_time",
        {"order": "order_ID", "box": "package_ID", "shipped_at": "ship_out_time"},
    ),
}


def _jd(orders: Found, found: Sequence[Found], folder: str) -> Proposal:
    def block(name: str, telling: str, columns: dict[str, str]) -> list[Block]:
        for file in found:
            if file is not orders and {telling, *columns.values()} <= set(file.columns):
                return [Block(name=name, found=file, columns=columns, missing=("-",))]
        return []

    network = block("nodes", "region_ID", {"node": "dc_ID", "parent": "region_ID"})
    places = block("places", "region_ID", {"place": "dc_ID", "region": "region_ID"})
    other = [
        b for name, (telling, columns) in _JD_FILES.items() for b in block(name, telling, columns)
    ]
    stock = block("stock", "date", {"product": "sku_ID", "node": "dc_ID", "time": "date"})
    return Proposal(
        source="JD.com, MSOM 2020",
        folder=folder,
        build="log",
        currency="CNY",
        days=1,
        num_products=500,
        notes=(
            "JD.com (MSOM Data Driven Research Challenge 2020): a category in March 2018, own "
            "stock alone (type 1). Estimated: coordinates (there are none), stock quantities (it "
            "is known only what was in stock), bills of boxes, weights, costs, which lines of an "
            "order are in which package, regions of clicks by those who bought nothing, and "
            "promises of clicks. Promises that are missing are taken for the slowest.",
        ),
        events=("chinese_new_year",),
        blocks=(
            Block(
                name="orders",
                found=orders,
                columns={
                    "order": "order_ID",
                    "product": "sku_ID",
                    "time": "order_time",
                    "quantity": "quantity",
                    "customer": "user_ID",
                    "unit_price": "final_unit_price",
                    "place": "dc_des",
                    "promise": "promise",
                    "node": "dc_ori",
                },
                missing=("-",),
                where={"type": ("1",)},
                keep=("original_unit_price", "gift_item"),
            ),
            *other,
            *stock,
            *network,
            *places,
        ),
        carrier=Carrier(
            box=6.0,
            weight=1.0,
            zone=1.0,
            weight_zone=0.3,
            zone_bands_km=(80.0, 400.0),  # same warehouse, same region, another region
            transit_bands_km=(80.0, 400.0),
            opportunity_cost=4.0,
        ),
        assume={"unknown_place": "draw", "link_hours": 24.0, "stock_cover_days": 3.0},
    )


ADAPTERS = (
    Adapter(
        name="online-retail",
        columns=frozenset(
            (
                "InvoiceNo",
                "StockCode",
                "Quantity",
                "InvoiceDate",
                "UnitPrice",
                "CustomerID",
                "Country",
            )
        ),
        propose=_online_retail,
    ),
    Adapter(
        name="ta-feng",
        columns=frozenset(
            (
                *("TRANSACTION_DT", "CUSTOMER_ID", "PIN_CODE", "PRODUCT_ID", "AMOUNT", "ASSET"),
                "SALES_PRICE",
            )
        ),
        propose=_ta_feng,
    ),
    Adapter(
        name="jd",
        columns=frozenset(
            ("order_ID", "user_ID", "sku_ID", "order_time", "promise", "dc_ori", "dc_des", "type")
        ),
        propose=_jd,
    ),
)


def known(found: Sequence[Found], folder: str) -> Proposal | None:
    """Return the mapping of a data set that we know; None where there is none."""
    for adapter in ADAPTERS:
        for file in found:
            if adapter.columns <= set(file.columns):
                return adapter.propose(file, found, folder)
    return None

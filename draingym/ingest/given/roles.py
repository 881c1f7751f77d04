"""The tables that a mapping may name, their columns, and words by which columns are recognised."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = "?"  # in a proposed mapping, where the user must say which column it is
Kind = str  # "text", "number", "whole", "time" or "flag"


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column that a table of a company may have."""

    kind: Kind
    what: str  # unit or meaning, for comments and errors
    needed: bool = False
    words: tuple[str, ...] = ()  # names it goes by, in lower case, letters and digits alone


def _text(what: str, *words: str, needed: bool = False) -> Column:
    return Column(kind="text", what=what, words=words, needed=needed)


def _number(what: str, *words: str, needed: bool = False) -> Column:
    return Column(kind="number", what=what, words=words, needed=needed)


def _whole(what: str, *words: str, needed: bool = False) -> Column:
    return Column(kind="whole", what=what, words=words, needed=needed)


def _time(what: str, *words: str, needed: bool = False) -> Column:
    return Column(kind="time", what=what, words=words, needed=needed)


_PRODUCT = _text(
    "id of the product",
    *("product", "productid", "sku", "skuid", "stockcode", "item", "itemid", "article", "asin"),
    *("articleid", "productcode", "itemcode", "upc", "ean"),
    needed=True,
)
_ORDER_ID = _text(
    "id of the order; lines of one order share it",
    *("order", "orderid", "orderno", "ordernumber", "invoice", "invoiceno", "invoiceid"),
    *("transactionid", "basket", "basketid", "receiptno"),
)
_CUSTOMER = _text(
    "id of the customer; empty for one who is not known",
    *("customer", "customerid", "user", "userid", "client", "clientid", "buyer", "buyerid"),
    *("member", "memberid", "account", "accountid"),
)
_PLACE = _text(
    "where the customer is: a name of the places table",
    *("place", "postcodearea", "postcode", "zip", "zipcode", "pincode", "city", "district"),
    *("area", "county", "shipto", "destination", "region", "dcdes"),
)
_NODE = _text(
    "name of the node",
    *("node", "warehouse", "warehouseid", "fc", "fcid", "dc", "dcid", "site", "location"),
    *("facility", "shippedfrom", "dcori", "store", "storeid", "depot", "plant", "branch"),
)
_NODE_NEEDED = Column(kind="text", what=_NODE.what, words=_NODE.words, needed=True)
_LATITUDE = _number("degrees north", "latitude", "lat")
_LONGITUDE = _number("degrees east", "longitude", "lon", "lng", "long")
_UNITS = ("units", "quantity", "qty", "amount", "count", "pieces", "pcs")
_UNIT_COST = ("unitcost", "cost", "cogs", "costprice", "purchaseprice", "buyingprice")
_SHIPPED = (
    *("shippedat", "shipped", "shipdate", "shipouttime", "shippingdate", "dispatchedat"),
    *("dispatched", "dispatchdate", "despatched", "despatchdate"),
)
_PROMISE = _text(
    "delivery promise that was shown: a label of promises, or days",
    *("promise", "promiseddays", "deliverypromise", "promised", "eta", "deliverytime"),
    *("promiseddelivery", "deliverydays"),
)

# Tables whose further columns can be kept, and the log's tables that they are kept in.
KEPT = {
    "orders": "order_lines",
    "views": "glance_views",
    "nodes": "nodes",
    "products": "products",
    "boxes": "boxes",
}

TABLES: dict[str, dict[str, Column]] = {
    "orders": {
        "order": _ORDER_ID,
        "product": _PRODUCT,
        "time": _time(
            "when it was ordered",
            *("time", "ordertime", "orderedat", "orderdate", "date", "datetime", "timestamp"),
            *("invoicedate", "transactiondt", "transactiondate", "createdat", "saledate"),
            needed=True,
        ),
        "quantity": _whole(
            "units ordered; below 0 for a return",
            *("quantity", "qty", "units", "amount", "pieces", "pcs"),
            needed=True,
        ),
        "customer": _CUSTOMER,
        "unit_price": _number(
            "currency a unit",
            *("unitprice", "price", "finalunitprice", "sellingprice", "itemprice"),
        ),
        "line_total": _number(
            "currency for all units of the line, in place of unit_price",
            *("linetotal", "total", "salesprice", "revenue", "sales", "lineamount"),
        ),
        "unit_cost": _number("what a unit cost to buy, currency", *_UNIT_COST),
        "line_cost": _number("what all units cost to buy, currency", "linecost", "asset"),
        "place": _PLACE,
        "promise": _PROMISE,
        "ship_option": _text(
            "delivery that was chosen: a label of promises, or days",
            *("shipoption", "shippingoption", "shippingmethod", "deliverymethod", "deliveryoption"),
            *("service", "shippingservice", "shipmode", "delivery"),
        ),
        "node": _NODE,
        "shipped_at": _time("when it left the node", *_SHIPPED),
        "ship_cost": _number(
            "what sending the line cost, currency", "shipcost", "freight", "shippingcost", "postage"
        ),
        "view": _text("id of the view that led to it", "view", "viewid", "session", "sessionid"),
    },
    "views": {
        "view": _text("id of the view", "view", "viewid", "eventid", "clickid"),
        "product": _PRODUCT,
        "time": _time(
            "when it was seen",
            *(
                "time",
                "viewedat",
                "seenat",
                "viewtime",
                "requesttime",
                "timestamp",
                "date",
                "datetime",
            ),
            needed=True,
        ),
        "customer": _CUSTOMER,
        "place": _PLACE,
        "promise": _PROMISE,
    },
    "boxes": {
        "order": Column(kind="text", what=_ORDER_ID.what, words=_ORDER_ID.words, needed=True),
        "product": _text("id of the product; without it, all of the order's", *_PRODUCT.words),
        "box": _text(
            "id of the box",
            *("box", "boxid", "package", "packageid", "parcel", "parcelid", "tracking"),
            *("shipment", "consignment"),
        ),
        "node": _NODE,
        "shipped_at": _time(
            "when it left the node",
            *(*_SHIPPED, "time", "date", "timestamp"),
            needed=True,
        ),
        "units": _whole("units in the box", *_UNITS),
        "cost": _number("the row's share of the bill, currency", "costshare", "cost", "freight"),
        "box_cost": _number("the bill of the whole box, currency", "boxcost", "shipcost", "bill"),
    },
    "stock": {
        "product": _PRODUCT,
        "node": _NODE_NEEDED,
        "time": _time(
            "when it was counted; a date is the end of that day",
            *("time", "date", "countedat", "snapshot", "snapshotdate", "timestamp", "asof"),
            needed=True,
        ),
        "on_hand": _whole(
            "units on the shelf; without it, a row says in stock, how many nobody knows",
            *("onhand", "stock", "inventory", "onhandunits", "stocklevel", *_UNITS),
        ),
    },
    "receipts": {
        "product": _PRODUCT,
        "node": _NODE_NEEDED,
        "time": _time(
            "when it could be sold first",
            *("time", "date", "receivedat", "received", "stowedat", "arrivedat", "timestamp"),
            *("receiptdate", "arrivaldate", "bookedat", "booked", "postedat", "posted"),
            needed=True,
        ),
        "units": _whole("units that arrived", *_UNITS, needed=True),
        "ordered_at": _time("when it was ordered", "orderedat", "orderdate", "ordered"),
    },
    "transfers": {
        "product": _PRODUCT,
        "source": _text(
            "node that sent them",
            *("source", "fromnode", "from", "origin", "sender", "fromwarehouse", "fromlocation"),
            *("fromsite", "fromstore", "sourcewarehouse", "sendingwarehouse"),
            needed=True,
        ),
        "node": _text(
            "node that gets them",
            *("node", "target", "tonode", "to", "destination", "receiver", "towarehouse"),
            *("tolocation", "tosite", "tostore", "targetwarehouse", "receivingwarehouse"),
            needed=True,
        ),
        "time": _time(
            "when they left",
            *("time", "date", "sentat", "sent", "leftat", "left"),
            *_SHIPPED,
            needed=True,
        ),
        "units": _whole("units", *_UNITS, needed=True),
        "arrived_at": _time(
            "when they could be sold there", "arrivedat", "arrived", "receivedat", "arrival"
        ),
    },
    "adjustments": {
        "product": _PRODUCT,
        "node": _NODE_NEEDED,
        "time": _time(
            "when",
            *("time", "date", "adjustedat", "adjusted", "timestamp", "bookedat", "booked"),
            *("postedat", "posted", "countedat"),
            needed=True,
        ),
        "units": _whole("units; below 0 for losses", *_UNITS, "change", "delta", needed=True),
        "reason": _text("why: damage, return, count", "reason", "kind", "type", "why"),
    },
    "products": {
        "product": _PRODUCT,
        "price": _number("currency a unit", "price", "unitprice", "listprice", "rrp"),
        "unit_cost": _number("what a unit costs to buy, currency", *_UNIT_COST),
        "weight": _number(
            "weight of a unit, in units.weight", "weight", "weightkg", "weightg", "weightlb", "mass"
        ),
    },
    "customers": {
        "customer": Column(
            kind="text", what="id of the customer", words=_CUSTOMER.words, needed=True
        ),
        "place": Column(kind="text", what=_PLACE.what, words=_PLACE.words, needed=True),
    },
    "nodes": {
        "node": Column(
            kind="text", what=_NODE.what, words=(*_NODE.words, "name", "id"), needed=True
        ),
        "latitude": _LATITUDE,
        "longitude": _LONGITUDE,
        "parent": _text(
            "node that replenishes it; empty for the vendor",
            "parent",
            "replenishedfrom",
            "replenishedby",
            "suppliedfrom",
            "suppliedby",
            "parentwarehouse",
            "regionid",
        ),
        "serves_customers": Column(
            kind="flag",
            what="whether boxes leave it for customers: yes or no",
            words=("servescustomers", "serves", "shipstocustomers"),
        ),
        "active_from": _time("day it opened", "activefrom", "opened", "openedon", "opening"),
        "daily_capacity": _number("units a day; empty for no limit", "dailycapacity", "capacity"),
        "lead_days": _number("days from order to shelf", "leaddays", "leadtime", "leadtimedays"),
    },
    "places": {
        "place": Column(
            kind="text",
            what="name, as orders have it",
            words=(*_PLACE.words, "name", "id", "code"),
            needed=True,
        ),
        "latitude": _LATITUDE,
        "longitude": _LONGITUDE,
        "population": _number(
            "people, or any weight", "population", "people", "weight", "inhabitants", "residents"
        ),
        "region": _text(
            "region it is counted in", "region", "state", "province", "county", "nation"
        ),
    },
}

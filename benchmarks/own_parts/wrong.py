"""Mappings and tables that a user may get wrong, as changes of a small export that is right."""

from __future__ import annotations

ORDERS = """\
order,product,time,quantity,price,place,node,option,who,shipped
1,a,2024-01-01 10:00:00,2,3.5,x,n,1d,k,2024-01-01 12:00:00
1,b,2024-01-01 10:00:00,1,9.0,x,n,1d,k,2024-01-01 12:00:00
2,a,2024-01-02 12:30:00,1,3.5,y,n,3d+,,2024-01-02 18:00:00
"""
NODES = """\
node,latitude,longitude,up,serves,lead,cap,open
m,47.0,2.0,,no,3,,
n,48.0,2.0,m,yes,1,,
"""
PLACES = """\
place,latitude,longitude,population
x,48.5,2.5,100
y,45.0,4.0,300
"""
MOVES = """\
product,node,time,units,ordered,source,why
a,n,2024-01-01,3,2023-12-30,m,
"""
STOCK = """\
product,node,time,units
a,n,2024-01-01,5
a,m,2024-01-01,5
"""
BOXES = """\
order,product,box,node,time,units,cost
1,a,b1,n,2024-01-01 13:00:00,2,3.0
1,b,b1,n,2024-01-01 13:00:00,1,1.0
2,a,b2,n,2024-01-02 15:00:00,1,2.0
"""
VIEWS = """\
view,product,time,who,place,promise
v1,a,2024-01-01 09:50:00,k,x,1d
v2,b,2024-01-02 09:50:00,,y,3d+
"""
PRODUCTS = """\
product,price,cost,weight
a,3.5,2,1
b,9,4,2
"""
CUSTOMERS = """\
who,place
k,x
"""
BASE = """\

build: log
periods: {days: 1}
tables:
  orders:
    file: orders.csv
    columns: {order: order, product: product, time: time, quantity: quantity, unit_price: price,
      place: place, node: node, ship_option: option, customer: who, shipped_at: shipped}
  nodes:
    file: nodes.csv
    columns: {node: node, latitude: latitude, longitude: longitude, parent: up,
      serves_customers: serves, lead_days: lead, daily_capacity: cap, active_from: open}
  places:
    file: places.csv
    columns: {place: place, latitude: latitude, longitude: longitude, population: population}
"""
FILES = {
    "orders": ORDERS,
    "nodes": NODES,
    "places": PLACES,
    "moves": MOVES,
    "stock": STOCK,
    "boxes": BOXES,
    "views": VIEWS,
    "products": PRODUCTS,
    "customers": CUSTOMERS,
}


def _named(table: str, file: str, columns: str) -> str:
    """A table of a mapping; columns that are called as ours are named once."""
    pairs = (c if ":" in c else f"{c}: {c}" for c in columns.split(", "))
    return f"  {table}:\n    file: {file}.csv\n    columns: {{{', '.join(pairs)}}}\n"


# Tables that a mapping may name besides those of ``BASE``: a file, and what its columns are.
MORE = {
    "stock": _named("stock", "stock", "product, node, time, on_hand: units"),
    "receipts": _named("receipts", "moves", "product, node, time, units, ordered_at: ordered"),
    "transfers": _named("transfers", "moves", "product, node, time, units, source"),
    "adjustments": _named("adjustments", "moves", "product, node, time, units, reason: why"),
    "boxes": _named("boxes", "boxes", "order, product, box, node, shipped_at: time, units, cost"),
    "views": _named("views", "views", "view, product, time, customer: who, place, promise"),
    "products": _named("products", "products", "product, price, unit_cost: cost, weight"),
    "customers": _named("customers", "customers", "customer: who, place"),
}
MAPPINGS = [  # what is replaced in ``BASE``, all of it where that is empty, and by what
    ("build: log", "build: log\nunits: [1]"),
    ("build: log", "build: log\nunits: {currency: 5}"),
    ("build: log", "build: log\nunits: {currency: '<script>'}"),
    ("{days: 1}", "{days: 1, first_date: 2024-13-01}"),
    ("{days: 1}", "{days: 1, first_date: soon}"),
    ("{days: 1}", "{days: 1, first_date: 2025-01-05}"),
    ("{days: 1}", "{days: 1, last_date: 2020-01-05}"),
    ("{days: 1}", "{days: 1, first_date: 2024-01-01 10:00:00}"),
    ("{days: 1}", "{days: 1.5}"),
    ("{days: 1}", "{days: null}"),
    ("{days: 1}", "{days: 1, incomplete: maybe}"),
    ("", "build: log\ntables: {}\n"),
    ("", "build: log\ntables: [a]\n"),
    ("", "build: log\ntables: {orders: null}\n"),
    ("", "build: log\ntables: {orders: {file: orders.csv, columns: [a, b]}}\n"),
    ("product: product, time", "product: null, time"),
    ("product: product, time", "product: yes, time"),
    ("product: product, time", "product: [a], time"),
    ("product: product, time", "product: '?', time"),
    ("product: product, time", "product: '', time"),
    ("build: log", "build: log\nnum_products: -1"),
    ("build: log", "build: log\nnum_products: 99999999999999999999"),
    ("build: log", "build: log\nnum_products: all"),
    ("build: log", "build: log\nseed: -1"),
    ("build: log", "build: log\nseed: x"),
    ("build: log", "build: log\nseed: 99999999999999999999"),
    ("build: log", "build: log\nmax_line_quantity: -3"),
    ("build: log", "build: log\nmax_line_quantity: 0.5"),
    ("file: orders.csv", "file: orders.csv\n    decimal: ';'"),
    ("file: orders.csv", "file: orders.csv\n    delimiter: 'ab'"),
    ("file: orders.csv", 'file: orders.csv\n    delimiter: "\\n"'),
    ("file: orders.csv", "file: orders.csv\n    delimiter: ';'"),
    ("file: orders.csv", "file: orders.csv\n    delimiter: 'ä'"),
    ("file: orders.csv", "file: orders.csv\n    encoding: klingon"),
    ("file: orders.csv", "file: orders.csv\n    encoding: utf-16"),
    ("file: orders.csv", "file: orders.csv\n    encoding: 5"),
    ("file: orders.csv", "file: orders.csv\n    encoding: rot13"),
    ("file: orders.csv", "file: orders.csv\n    encoding: base64"),
    ("file: orders.csv", "file: orders.csv\n    time_format: '%Q'"),
    ("file: orders.csv", "file: orders.csv\n    time_format: 5"),
    ("file: orders.csv", "file: orders.csv\n    time_format: '%d/%m/%Y'"),
    ("file: orders.csv", "file: orders.csv\n    time_format: '%'"),
    ("file: orders.csv", "file: orders.csv\n    missing: 5"),
    ("file: orders.csv", "file: orders.csv\n    missing: [5]"),
    ("file: orders.csv", "file: orders.csv\n    where: {colour: [red]}"),
    ("file: orders.csv", "file: orders.csv\n    where: {place: [z]}"),
    ("file: orders.csv", "file: orders.csv\n    where: [place]"),
    ("file: orders.csv", "file: orders.csv\n    drop: {node: [n]}"),
    ("file: orders.csv", "file: orders.csv\n    where: {place: null}"),
    ("file: orders.csv", "file: orders.csv\n    keep: [colour]"),
    ("file: orders.csv", "file: orders.csv\n    keep: [quantity]"),
    ("file: orders.csv", "file: orders.csv\n    keep: colour"),
    ("file: places.csv", "file: places.csv\n    keep: [population]"),
    ("build: log", "build: log\npromises: [a]"),
    ("build: log", "build: log\npromises: {a: .nan}"),
    ("build: log", "build: log\npromises: {a: -1}"),
    ("build: log", "build: log\npromises: {'': 1}"),
    ("build: log", "build: log\npromises: {a: 1, b: 1}"),
    ("build: log", "build: log\npromises: null"),
    ("build: log", "build: log\npromises: {'<b>': 1}"),
    ("build: log", "build: log\npromises: {none: 1}"),
    ("build: log", "build: log\nevents: [a]"),
    ("build: log", "build: log\nevents: {x: [5]}"),
    ("build: log", "build: log\nevents: {'a/b <x>': [2024-01-01]}"),
    ("build: log", "build: log\nevents: {x: [9999-12-31]}"),
    ("build: log", "build: log\nassume: {conversion: 0}"),
    ("build: log", "build: log\nassume: {conversion: 2}"),
    ("build: log", "build: log\nassume: {unknown: 1}"),
    ("build: log", "build: log\nassume: null"),
    ("build: log", "build: log\nassume: {promise: never}"),
    ("build: log", "build: log\nassume: {link_hours: -1}"),
    ("build: log", "build: log\nassume: {vendor_lead_days: 99999999}"),
    ("build: log", "build: log\nassume: {margin: .nan}"),
    ("build: log", "build: log\nassume: {stock_cover_days: 1.0e12}"),
    ("build: log", "build: log\ncarrier: {zone_bands_km: [3, 2]}"),
    ("build: log", "build: log\ncarrier: {zone_bands_km: near}"),
    ("build: log", "build: log\ncarrier: {box: .inf}"),
    ("build: log", "build: log\ncarrier: {cutoff_hour: 25}"),
    ("build: log", "build: log\ncarrier: {transit_bands_km: []}"),
    ("build: log", "build: log\nsource: 5"),
    ("build: log", "build: log\nsource: ''"),
    ("build: log", "build: log\nsource: '[/red] <b>'"),
    ("build: log", "build: log\nfolder: /"),
    ("build: log", "build: log\nfolder: .."),
    ("build: log", "build: log\nfolder: 5"),
    ("build: log", 'build: log\nfolder: "a\\0b"'),
    ("file: orders.csv", "file: sub"),
    ("file: orders.csv", "file: 'z*.csv'"),
    ("file: orders.csv", "file: '../*.csv'"),
    ("file: orders.csv", "file: '**/orders.csv'"),
    ("file: orders.csv", "file: 5"),
    ("file: orders.csv", "file: '~/orders.csv'"),
    ("file: orders.csv", "file: [orders.csv]"),
    ("file: orders.csv", "file: 'or[ders.csv'"),
    ("file: orders.csv", "file: orders.csv\n    table: x"),
    ("file: orders.csv", "file: orders.csv\n    folder: /etc"),
    ("build: log", "build: world"),
    ("", "build: log\ntables: &a {orders: *a}\n"),
    ("", ""),
]
_LAST = "2,a,2024-01-02 12:30:00,1,3.5,y,n,3d+,,2024-01-02 18:00:00\n"
TABLES = [  # table that is named besides, file, what is replaced in it, and by what
    ("orders", "orders", ORDERS.partition("\n")[2], ""),
    ("orders", "orders", ",2,3.5,x,n,1d", ",2,3.5,x,n"),
    ("orders", "orders", "a,2024", "a\0,2024"),
    ("orders", "orders", "a,2024", '"a,2024'),
    ("orders", "orders", "order,product", "\ufefforder,product"),
    ("orders", "orders", "\n", "\r"),
    ("orders", "orders", "\n", "\r\n"),
    ("orders", "orders", "2,a,", "\n2,a,"),
    (
        "orders",
        "orders",
        _LAST,
        _LAST * 2,
    ),
    ("orders", "orders", "00,2,", "00,0,"),
    ("orders", "orders", "00,2,", "00,1e30,"),
    ("orders", "orders", "00,2,", "00,1000000000,"),
    ("orders", "orders", "00,2,", "00,-2,"),
    ("orders", "orders", "00,2,", "00,,"),
    ("orders", "orders", "00,2,", "00,0x2,"),
    ("orders", "orders", "00,2,", '00,"1,000",'),
    ("orders", "orders", "2,3.5,x", "2,,x"),
    ("orders", "orders", "2,3.5,x", "2,0,x"),
    ("orders", "orders", "2,3.5,x", "2,1e300,x"),
    ("orders", "orders", "2,3.5,x", "2,€3.50,x"),
    ("orders", "orders", "2024-01-02 12:30:00", ""),
    ("orders", "orders", "2024-01-02 12:30:00", "2024-01-02T12:30:00Z"),
    ("orders", "orders", "2024-01-02 12:30:00", "9999-01-02 12:30:00"),
    ("orders", "orders", "2024-01-02 12:30:00", "2400-01-02 12:30:00"),
    ("orders", "orders", "2024-01-02 12:30:00", "2024-02-30 12:30:00"),
    ("orders", "orders", "2,a,", "2,,"),
    ("orders", "orders", "2,a,", "2,<script>alert(1)</script>,"),
    ("orders", "orders", "y,n,", "y,,"),
    ("orders", "orders", "2024-01-02 18:00:00", "2023-01-02 18:00:00"),
    ("orders", "orders", "2024-01-02 18:00:00", ""),
    ("orders", "orders", "2024-01-02 18:00:00", "2030-01-02 18:00:00"),
    ("orders", "orders", "3d+,,", "0,,"),
    ("orders", "orders", "3d+,,", "1e300,,"),
    ("orders", "orders", "3d+,,", "-3,,"),
    ("nodes", "nodes", "m,47.0,2.0,,no,3,,\nn,48.0,2.0,m,yes,1,,\n", ""),
    ("nodes", "nodes", "m,yes", "m,no"),
    ("nodes", "nodes", "m,yes", "m,perhaps"),
    ("nodes", "nodes", ",m,yes", ",q,yes"),
    ("nodes", "nodes", ",m,yes", ",n,yes"),
    ("nodes", "nodes", "yes,1", "yes,-1"),
    ("nodes", "nodes", "yes,1", "yes,1e9"),
    ("nodes", "nodes", "yes,1", "yes,400"),
    ("nodes", "nodes", "yes,1", "yes,soon"),
    ("nodes", "nodes", "yes,1,,", "yes,1,-1,"),
    ("nodes", "nodes", "yes,1,,", "yes,1,0,"),
    ("nodes", "nodes", "yes,1,,", "yes,1,inf,"),
    ("nodes", "nodes", "yes,1,,", "yes,1,,x"),
    ("nodes", "nodes", "yes,1,,", "yes,1,,2030-01-01"),
    ("nodes", "nodes", "\nm,", "\n,"),
    ("nodes", "nodes", "48.0", "north"),
    ("nodes", "nodes", "48.0,2.0", "48.0,999"),
    ("nodes", "nodes", "48.0", '"48,0"'),
    (
        "nodes",
        "nodes",
        "\nm,47.0,2.0,,no,3,,\nn,48.0,2.0,m",
        "\n<i>,47.0,2.0,,no,3,,\nn,48.0,2.0,<i>",
    ),
    ("nodes", "nodes", "48.0,2.0", "-48.0,178.0"),
    ("places", "places", "y,45", "x,45"),
    ("places", "places", "300", "many"),
    ("places", "places", "300", "nan"),
    ("places", "places", "300", ""),
    ("places", "places", "300", "1e300"),
    ("places", "places", "x,48.5,2.5,100\ny,45.0,4.0,300\n", ""),
    ("places", "places", "\ny,", "\n,"),
    ("places", "places", "45.0", ""),
    ("stock", "stock", "a,n", "a,n"),
    ("stock", "stock", "01,5\na,m", "01,-5\na,m"),
    ("stock", "stock", "a,n,", "zz,n,"),
    ("stock", "stock", "a,n,", "a,q,"),
    ("stock", "stock", "01,5\na,m", "01,1e12\na,m"),
    ("stock", "stock", "01,5\na,m", "01,2.5\na,m"),
    ("stock", "stock", "a,n,2024-01-01,5\n", "a,n,2024-01-01,5\na,n,2024-01-01,6\n"),
    ("stock", "stock", "2024-01-01,5\na,m", "x,5\na,m"),
    ("stock", "stock", "a,n,2024-01-01,5\na,m,2024-01-01,5\n", ""),
    ("receipts", "moves", "a,n", "a,n"),
    ("receipts", "moves", ",3,", ",-3,"),
    ("receipts", "moves", "a,n", "a,q"),
    ("receipts", "moves", "2023-12-30", "2024-06-30"),
    ("receipts", "moves", ",3,", ",x,"),
    ("receipts", "moves", ",3,", ",1e15,"),
    ("receipts", "moves", "a,n,2024-01-01,3,2023-12-30,m,\n", ""),
    ("transfers", "moves", "a,n", "a,n"),
    ("transfers", "moves", ",m,", ",n,"),
    ("transfers", "moves", ",m,", ",q,"),
    ("transfers", "moves", ",3,", ",-3,"),
    ("transfers", "moves", ",3,", ",1e9,"),
    ("adjustments", "moves", "a,n", "a,n"),
    ("adjustments", "moves", ",3,", ",-100000,"),
    ("adjustments", "moves", ",3,", ",0,"),
    ("adjustments", "moves", "a,n", "zz,n"),
    ("boxes", "boxes", "b1", "b1"),
    ("boxes", "boxes", "\n2,a", "\n9,a"),
    ("boxes", "boxes", "2024-01-02 15", "2024-01-01 15"),
    ("boxes", "boxes", "2.0", "-2"),
    ("boxes", "boxes", "00,1,2.0", "00,0,2.0"),
    ("boxes", "boxes", "00,1,2.0", "00,7,2.0"),
    ("boxes", "boxes", "b,b1,n", "b,b1,m"),
    ("boxes", "boxes", "b2,n", "b2,q"),
    ("boxes", "boxes", "2,a,b2", "2,b,b2"),
    ("boxes", "boxes", "2.0", ""),
    ("boxes", "boxes", "2024-01-02 15:00:00", ""),
    ("views", "views", "v1", "v1"),
    ("views", "views", "v2,b", "v2,zz"),
    ("views", "views", ",y,", ",zz,"),
    ("views", "views", "3d+", "soon"),
    ("views", "views", "v2", "v1"),
    ("views", "views", "2024-01-02", "2024-99-02"),
    ("products", "products", "a,3.5", "a,3.5"),
    ("products", "products", "b,9", "a,9"),
    ("products", "products", "b,9,4,2\n", ""),
    ("products", "products", "9,4", "-9,4"),
    ("products", "products", "9,4", "9,400"),
    ("products", "products", "4,2", "4,0"),
    ("products", "products", "4,2", "4,1e12"),
    ("products", "products", "9,4", "9,-4"),
    ("customers", "customers", "k,x", "k,x"),
    ("customers", "customers", "k,x\n", "k,x\nk,y\n"),
    ("customers", "customers", "k,x", "k,zz"),
    ("customers", "customers", "k,x", ",x"),
]

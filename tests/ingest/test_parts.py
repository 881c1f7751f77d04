"""Parts of an ingest by hand: lines merged, boxes of an order, counts within a period."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from draingym.ingest.propose.found import Found, find_tables
from draingym.ingest.propose.guess import guess_columns, guess_tables
from draingym.ingest.propose.init import propose
from draingym.ingest.run import ingest
from draingym.world.eventlog import EventLog, read_log

FILES = {
    "orders": """order,product,time,quantity,price,place
1,a,2024-01-01 10:00:00,2,4.0,x
1,a,2024-01-01 10:00:00,1,1.0,x
1,b,2024-01-01 10:00:00,1,9.0,x
2,a,2024-01-03 12:00:00,2,4.0,y
2,b,2024-01-03 12:00:00,0,4.0,y
3,a,2024-01-04 12:00:00,-1,4.0,y
""",
    "boxes": """order,box,node,shipped_at,bill
1,k1,n,2024-01-01 09:00:00,6.0
2,k2,m,2024-01-03 18:00:00,5.0
2,k2,m,2024-01-03 18:00:00,5.0
""",
    "stock": """product,node,time,on_hand
a,n,2023-12-31,5
a,n,2024-01-01 09:30:00,2
a,m,2024-01-04,7
b,n,2024-01-02,4
""",
    "nodes": "node,latitude,longitude\nn,48.0,2.0\nm,45.0,4.0\n",
    "places": "place,latitude,longitude,population\nx,48.5,2.5,100\ny,45.0,4.0,300\n",
}
MAPPING = """
build: log
periods: {days: 2, last_date: 2024-01-04}
tables:
  orders:
    file: orders.csv
    columns: {order: order, product: product, time: time, quantity: quantity, unit_price: price,
      place: place}
  boxes:
    file: boxes.csv
    columns: {order: order, box: box, node: node, shipped_at: shipped_at, box_cost: bill}
  stock:
    file: stock.csv
    columns: {product: product, node: node, time: time, on_hand: on_hand}
  nodes: {file: nodes.csv, columns: {node: node, latitude: latitude, longitude: longitude}}
  places:
    file: places.csv
    columns: {place: place, latitude: latitude, longitude: longitude, population: population}
"""


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., tuple[EventLog, dict]]:
    def maker(mapping: str = MAPPING, **files: str) -> tuple[EventLog, dict]:
        for name, text in {**FILES, **files}.items():
            (tmp_path / f"{name}.csv").write_text(text)
        (tmp_path / "mapping.yaml").write_text(mapping)
        numbers = ingest(tmp_path / "mapping.yaml", tmp_path / "log")
        return read_log(tmp_path / "log"), numbers

    return maker


def test_lines_and_boxes_by_hand(make: Callable[..., tuple[EventLog, dict]]) -> None:
    log, numbers = make()
    lines = log["order_lines"].to_pydict()
    assert log["products"]["id"].to_pylist() == ["a", "b"]
    assert lines["order_id"] == ["1", "1", "2"]
    assert lines["quantity"] == [3, 1, 2]
    assert log.array("products", "price").tolist() == [pytest.approx(17 / 5), 9.0]
    boxes = log["boxes"].to_pydict()
    assert boxes["units"] == [3, 1, 2]
    assert boxes["node"] == [0, 0, 1]
    np.testing.assert_allclose(boxes["cost_share"], [4.5, 1.5, 5.0])  # by weight
    assert (
        boxes["shipped_at"][0]
        == log.array("glance_views", "time")[log.array("order_lines", "view")[0]]
    )
    assert numbers["mended"]["boxes shipped before their order, taken for shipped with it"] == 2
    dropped = numbers["tables"]["orders"]["dropped"]
    assert dropped == {
        "no product, no time, or no units": 1,
        "returns to a node that nobody knows": 1,
    }
    assert numbers["mended"]["order lines of the same order and product, made one"] == 1


def test_counts_by_hand(make: Callable[..., tuple[EventLog, dict]]) -> None:
    log, numbers = make()
    stock = log["inventory"].to_pydict()
    cells = zip(stock["period"], stock["product"], stock["node"], strict=True)
    found = dict(zip(cells, zip(stock["on_hand"], stock["adjusted"], strict=True), strict=True))
    # a at n: 5 before; 2 were counted half an hour before 3 left, which is 1 short.
    assert found[0, 0, 0] == (0, -2)
    # a at m: 7 on the last day, after 2 left: 9 from the start.
    assert found[0, 0, 1] == (9, 0)
    assert found[1, 0, 1] == (7, 0)
    # b at n: 4 at the end of the first period, after 1 left.
    assert found[0, 1, 0] == (4, 0)
    assert found[1, 1, 0] == (4, 0)
    assert numbers["unexplained_units"] == 2
    assert numbers["stock_counted"]


def test_a_count_before_a_transfer_of_the_same_period(
    make: Callable[..., tuple[EventLog, dict]],
) -> None:
    """What was sent to a child after the count is no longer there when the period ends."""
    nodes = "node,latitude,longitude,up\nn,48.0,2.0,\nm,45.0,4.0,n\n"
    moves = "product,from,to,left,units,came\na,n,m,2024-01-02,3,2024-01-04\n"
    counted = FILES["stock"] + "a,n,2024-01-01 12:00:00,9\n"
    mapping = MAPPING.replace("{node: node, lat", "{node: node, parent: up, lat") + (
        "  transfers:\n    file: transfers.csv\n    columns: {product: product, source: from, "
        "node: to, time: left, units: units, arrived_at: came}\n"
    )
    log, _ = make(mapping, nodes=nodes, transfers=moves, stock=counted)
    stock = log["inventory"].to_pydict()
    cells = zip(stock["period"], stock["product"], stock["node"], strict=True)
    found = dict(zip(cells, zip(stock["on_hand"], stock["transferred"], strict=True), strict=True))
    assert found[0, 0, 0] == (6, 3)
    assert log["shipments"].to_pydict() == {
        "product": [0],
        "node": [1],
        "ordered_at": [0],
        "arrives_at": [1],
        "units": [3],
        "left_at": [1.0],
        "stowed_at": [3.0],
    }


def test_no_row_means_none_where_the_mapping_says_so(
    make: Callable[..., tuple[EventLog, dict]],
) -> None:
    log, _ = make(MAPPING + "assume: {absent_stock: zero}\n")
    stock = log["inventory"].to_pydict()
    cells = zip(stock["period"], stock["product"], stock["node"], strict=True)
    found = dict(zip(cells, stock["on_hand"], strict=True))
    assert found[1, 1, 1] == 0
    assert found[0, 0, 0] == 0  # b was counted on the second day, and a not


def test_stock_made_up_adds_up(make: Callable[..., tuple[EventLog, dict]]) -> None:
    start, end = MAPPING.index("  stock:"), MAPPING.index("  nodes:")
    log, numbers = make(MAPPING[:start] + MAPPING[end:])
    assert not numbers["stock_counted"]
    assert (log.array("inventory", "on_hand") >= 0).all()
    assert log.array("inventory", "adjusted").sum() == 0


def test_a_duckdb_database_reads_as_its_tables(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / f"{name}.csv").write_text(text)
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        for name in FILES:
            source = str(tmp_path / f"{name}.csv")
            connection.read_csv(source).create(name)
        connection.execute("CREATE VIEW outside AS SELECT 1")
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    numbers = ingest(tmp_path / "mapping.yaml", tmp_path / "log")
    database = MAPPING
    for name in FILES:
        database = database.replace(f"file: {name}.csv", f"file: shop.duckdb, table: {name}")
        database = database.replace(
            f"file: shop.duckdb, table: {name}\n", f"file: shop.duckdb\n    table: {name}\n"
        )
    (tmp_path / "mapping.yaml").write_text(database)
    again = ingest(tmp_path / "mapping.yaml", tmp_path / "other")
    same = ("sizes", "units", "ship_cost", "series", "mended")
    assert {k: again[k] for k in same} == {k: numbers[k] for k in same}
    for name in FILES:
        (tmp_path / f"{name}.csv").unlink()
    proposed = propose(tmp_path / "shop.duckdb")
    assert "file: shop.duckdb\n    table: boxes" in proposed


def test_columns_are_recognised_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(
        "Invoice No.,Stock Code,Order date,QTY,Unit Price,Customer ID,Ship-To,Colour\n"
    )
    (tmp_path / "what.csv").write_text("Warehouse,SKU,Snapshot Date,On Hand\n")
    _, found = find_tables(tmp_path)
    guesses, rest = guess_tables(found)
    assert [guess.name for guess in guesses] == ["orders", "stock"]
    assert not rest
    assert guesses[0].columns == {
        "order": "Invoice No.",
        "product": "Stock Code",
        "time": "Order date",
        "quantity": "QTY",
        "customer": "Customer ID",
        "unit_price": "Unit Price",
        "place": "Ship-To",
    }
    assert guesses[0].rest == ("Colour",)
    assert guesses[1].columns["on_hand"] == "On Hand"


def test_a_word_is_not_taken_from_a_column_that_has_the_name_itself() -> None:
    names = ("date", "time", "sku", "qty")
    rows = pa.table({name: pa.array([], pa.string()) for name in names})
    found = Found(file="x.csv", table="", encoding="utf-8", columns=names, rows=rows)
    assert guess_columns("orders", found)["time"] == "time"


@pytest.mark.parametrize(
    ("table", "columns", "expected"),
    [
        ("orders", "Order number,Article no.,Sold on,Qty,Customer no,Cost price,Shipping option",
         "order,product,,quantity,customer,unit_cost,ship_option"),
        ("boxes", "Order no,Parcel no,Warehouse,Dispatched on,Freight (EUR)",
         "order,box,node,shipped_at,cost"),
        ("receipts", "Article,Warehouse,Booked at,Pieces,Ordered on",
         "product,node,time,units,ordered_at"),
        ("transfers", "SKU,From warehouse,To warehouse,Sent at,Units,Arrived on",
         "product,source,node,time,units,arrived_at"),
        ("adjustments", "itemNumber,Site,Booked on,Change,Reason code",
         "product,node,time,units,reason"),
        ("nodes", "Warehouse name,Latitude,Longitude,Supplied by,Opened on",
         "node,latitude,longitude,parent,active_from"),
        ("places", "City,Lat,Lon,Population (thousand)", "place,latitude,longitude,population"),
        # What is said in full goes before what is said with a word more.
        ("products", "Product name,SKU,Price,Weight (kg)", ",product,price,weight"),
    ],
)  # fmt: skip
def test_columns_go_by_many_names(table: str, columns: str, expected: str) -> None:
    names = tuple(columns.split(","))
    rows = pa.table({name: pa.array([], pa.string()) for name in names})
    found = Found(file="x.csv", table="", encoding="utf-8", columns=names, rows=rows)
    roles = expected.split(",")
    told = {role: name for role, name in zip(roles, names, strict=True) if role}
    assert guess_columns(table, found) == told


def test_a_table_may_have_dates_beside_times_and_labels_for_out_of_stock(
    make: Callable[..., tuple[EventLog, dict]],
) -> None:
    views = """view;article;seen at;promise
1;a;01.01.2024 08:00;express
2;b;03.01.2024;Sold out
3;b;03.01.2024 11:30;gone
"""
    mapping = f"""{MAPPING}
  views:
    file: views.csv
    columns: {{view: view, product: article, time: seen at, promise: promise}}
    time_format: "%d.%m.%Y %H:%M"
promises: {{express: 1}}
out_of_stock: [Sold out, gone]
"""
    log, _ = make(mapping, views=views)
    seen = log.array("glance_views", "seen")
    assert log["glance_views"]["promise"].filter(seen).to_pylist() == ["express", "oos", "oos"]
    np.testing.assert_allclose(
        log.array("glance_views", "time")[seen], [8 / 24, 2.0, 2.0 + 11.5 / 24]
    )
    with pytest.raises(ValueError, match=r"row 2 is 'gone', must be one of .*, out_of_stock"):
        make(mapping.replace(", gone", ""), views=views)
    with pytest.raises(ValueError, match=r"promises.gone is out_of_stock as well, must be one of"):
        make(mapping.replace("express: 1", "express: 1, gone: 2"), views=views)

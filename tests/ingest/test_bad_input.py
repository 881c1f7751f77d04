"""Bad mappings and tables end in errors that name table, column, row and bound."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import draingym.ingest.run as run_module
from draingym.ingest.given.mapping import read_mapping
from draingym.ingest.propose.init import propose
from draingym.ingest.run import ingest

ORDERS = """order,product,time,quantity,price,place,node,option
1,a,2024-01-01 10:00:00,2,3.5,x,n,1d
1,b,2024-01-01 10:00:00,1,9.0,x,n,1d
2,a,2024-01-02 12:30:00,1,3.5,y,n,3d+
"""
NODES = "node,latitude,longitude\nn,48.0,2.0\n"
PLACES = "place,latitude,longitude,population\nx,48.5,2.5,100\ny,45.0,4.0,300\n"
MAPPING = """
build: log
periods: {days: 1}
tables:
  orders:
    file: orders.csv
    columns: {order: order, product: product, time: time, quantity: quantity, unit_price: price,
      place: place, node: node, ship_option: option}
  nodes:
    file: nodes.csv
    columns: {node: node, latitude: latitude, longitude: longitude}
  places:
    file: places.csv
    columns: {place: place, latitude: latitude, longitude: longitude, population: population}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def writer(mapping: str = MAPPING, **files: str) -> Path:
        given = {"orders": ORDERS, "nodes": NODES, "places": PLACES, **files}
        for name, text in given.items():
            (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
        (tmp_path / "mapping.yaml").write_text(mapping, encoding="utf-8")
        return tmp_path / "mapping.yaml"

    return writer


def test_the_smallest_export(write: Callable[..., Path]) -> None:
    path = write()
    numbers = ingest(path, path.parent / "log")
    assert numbers["sizes"]["order_lines"] == 3
    assert numbers["calendar"]["periods"] == 2
    assert numbers["units_shipped"] == 4
    page = (path.parent / "log" / "quality.html").read_text()
    assert "not said: units.currency of the mapping" in page
    assert "XXX" not in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("build: log", "build: later"), r"build is 'later', must be one of log, world"),
        (("build: log", "bild: log"), r"bild is no field, must be one of "),
        (("days: 1", "days: 0"), r"periods: days is 0, must be in \[1, 366\]"),
        (("days: 1", "days: 30"), r"orders cover 2 days from 2024-01-01 to 2024-01-02, must cover"),
        (("  orders:\n", "  sales:\n"), r"tables.sales is no table, must be one of orders"),
        (("order: order,", "orderr: order,"), r"tables.orders.columns.orderr is no column, must"),
        (("product: product,", ""), r"tables.orders.columns.product is missing, must name the id"),
        (
            ("price,", "cost,"),
            r"orders.csv lacks the column 'cost', must have one; its columns are",
        ),
        (
            ("orders.csv", "../orders.csv"),
            r"tables.orders.file is '../orders.csv', must be a path ",
        ),
        (("orders.csv", "/etc/passwd"), r"tables.orders.file is '/etc/passwd', must be a path ins"),
        (("orders.csv", "sub/orders.csv"), r"orders.csv is not there, must be a file"),
        (("orders.csv", "orders.doc"), r"orders.doc is not there, must be a file"),
        (("orders.csv", "mapping.yaml"), r"mapping.yaml is of no kind that we read, must end in"),
        (
            ("build: log", "build: log\nfolder: nowhere"),
            r"nowhere is no folder, must be the folder",
        ),
        (
            ("build: log", "build: log\npromises: {fast: 3, slow: 2}"),
            r"promises is .*fastest first",
        ),
        (("build: log", "build: log\npromises: {1d: 3}"), r"promises.1d is a label of ours"),
        (
            ("build: log", "build: log\nevents: {fair: soon}"),
            r"events.fair is 'soon', must be dates",
        ),
        (("build: log", "build: log\nevents: {fair: yearly}"), r"event 'fair', must be one of"),
        (("build: log", "build: log\nnum_products: 3"), r"num_products is 3, must be at most 2"),
        (("build: log", "build: log\nassume: {margin: 1}"), r"margin is 1, must be finite and in"),
        (
            ("build: log", "build: log\nunits: {weight: stone}"),
            r"weight is 'stone', must be one of",
        ),
        (("build: log", "build: log\ncarrier: {box: -1}"), r"carrier: box is -1, must be finite"),
        (("node: node, ship", "ship"), r"no table says which node shipped"),
        (("days: 1", "days: 1, first_date: 2024-01-01 10:00:00"), r"must be a date without a time"),
        (
            ("build: log", "build: log\nunits: {currency: ''}"),
            r"currency is '', must have 1 to 16 characters, such as EUR",
        ),
        (
            ("build: log", "build: log\ncarrier: {zone_bands_km: [300, 200]}"),
            r"carrier: zone_bands_km is \[300, 200\], must be above 0 and increase",
        ),
        (
            ("build: log", "build: log\ncarrier: {weight: -1}"),
            r"carrier: weight is -1, must be finite and in",
        ),
        (("build: log", 'build: log\nfolder: "a\\0b"'), r"folder is 'a\\x00b', must be a path wi"),
        (("build: log", "build: log\nbuild: world"), r"line 3: build is there twice, must be once"),
        (
            ("product: product", "product: '?'"),
            r"columns.product is '\?', must name a column of or",
        ),
        ((MAPPING, "[1, 2]"), r"mapping.yaml holds \[1, 2\], must hold fields by name"),
        ((MAPPING, "a: !!python/object/apply:os.system ['true']"), r"could not determine a constr"),
        ((MAPPING, "a: {"), r"mapping .*mapping.yaml cannot be read \(line 1"),
        ((MAPPING, "build: log"), r"tables is None, must hold tables by name"),
    ],
)
def test_mappings(write: Callable[..., Path], change: tuple[str, str], message: str) -> None:
    assert change[0] in MAPPING
    path = write(MAPPING.replace(*change))
    with pytest.raises(ValueError, match=message):
        ingest(path, path.parent / "log")
    assert not (path.parent / "log").exists()


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        (
            "orders",
            ",2,3.5,x",
            ",2.5,3.5,x",
            r"orders.quantity \(column 'quantity'\), row 0 is 2.5",
        ),
        ("orders", ",2,3.5,x", ",two,3.5,x", r"row 0 is 'two', must be a number"),
        (
            "orders",
            "9.0",
            "-9.0",
            r"orders.unit_price \(column 'price'\), row 1 is -9.0, must be at",
        ),
        ("orders", "9.0", "inf", r"row 1 is inf, must be a finite number"),
        ("orders", "9.0", "9;0", r"row 1 is '9;0', must be a number"),
        (
            "orders",
            "2024-01-02 12:30:00",
            "02.01.2024",
            r"row 2 is '02.01.2024', must be a local time as",
        ),
        (
            "orders",
            "2024-01-02 12:30:00",
            "1024-01-02",
            r"row 2 is '1024.*in the years 1700 to 2199",
        ),
        (
            "orders",
            "3.5,y",
            "3.5,z",
            r"orders.place \(column 'place'\), row 2 is 'z', must be a name",
        ),
        (
            "orders",
            "y,n,3d+",
            "y,m,3d+",
            r"orders.node \(column 'node'\), row 2 is 'm', must be a n",
        ),
        (
            "orders",
            "3d+",
            "soon",
            r"orders.ship_option .* row 2 is 'soon', must be one of 1d, 2d, 3d",
        ),
        (
            "orders",
            "2024-01-02 12:30:00",
            "2024-01-02T12:30:00Z",
            r"row 2 is '2024-01-02T12:30:00Z', must be a local time .* without a zone",
        ),
        ("orders", "3d+", "1e300", r"orders.ship_option .* row 2 is '1e300', must be one of"),
        ("orders", "price", "quantity", r"orders.csv has more than one column 'quantity'"),
        ("orders", ORDERS[60:], "", r"orders"),
        (
            "nodes",
            "48.0",
            "98.0",
            r"nodes.latitude .* row 0 is 98.0, must be in \[-90, 90\] degrees",
        ),
        ("nodes", "48.0", "", r"nodes.latitude .* row 0 is nan, must be in \[-90, 90\] degrees"),
        (
            "nodes",
            "n,48.0,2.0\n",
            "n,48.0,2.0\nn,4.0,2.0\n",
            r"row 1 is 'n', must be a name, there",
        ),
        ("places", ",300", ",1e300", r"places.population .* row 1 is 1e\+300, .* at most 1e\+12"),
        ("places", ",300", ",0", r"places.population .* row 1 is 0.0, must be above 0"),
        ("places", PLACES, "", r"places.csv cannot be read \(Empty CSV file\), must be a CSV file"),
    ],
)
def test_tables(write: Callable[..., Path], table: str, old: str, new: str, message: str) -> None:
    text = {"orders": ORDERS, "nodes": NODES, "places": PLACES}[table]
    assert old in text
    path = write(**{table: text.replace(old, new, 1)})
    with pytest.raises(ValueError, match=message):
        ingest(path, path.parent / "log")
    assert not (path.parent / "log").exists()


def test_a_node_that_replenishes_itself(write: Callable[..., Path]) -> None:
    mapping = MAPPING.replace(
        "columns: {node: node, latitude", "columns: {node: node, parent: up, latitude"
    )
    nodes = "node,latitude,longitude,up\nn,48.0,2.0,m\nm,47.0,2.0,n\n"
    path = write(mapping, nodes=nodes)
    with pytest.raises(ValueError, match=r"nodes.parent .* must be no node that it replenishes"):
        ingest(path, path.parent / "log")


def test_a_node_that_opens_after_a_box_left_it(write: Callable[..., Path]) -> None:
    mapping = MAPPING.replace("{node: node, latitude", "{node: node, active_from: open, latitude")
    path = write(mapping, nodes="node,latitude,longitude,open\nn,48.0,2.0,2024-03-01\n")
    bound = r"row 0 is '2024-03-01', must be no later than a box left 'n', 2024-01-01"
    with pytest.raises(ValueError, match=rf"nodes.csv: nodes.active_from .* {bound}"):
        ingest(path, path.parent / "log")


def test_columns_in_a_language_that_we_do_not_know(tmp_path: Path) -> None:
    export = tmp_path / "export"
    export.mkdir()
    (export / "orders.csv").write_text(
        "Auftrag;Artikel;Zeit;Menge;Preis\n1;a;31.01.2024 10:00;2;3,50\n", encoding="utf-8"
    )
    (export / "stock.csv").write_text("Artikel;Lager;Datum;Bestand\na;n;31.01.2024;5\n")
    proposed = propose(export)
    for line in (
        'product: "?"  # which column is it? id of the product',
        'time_format: "%d.%m.%Y %H:%M"',
        "decimal: ','",
        "# keep: [Auftrag, Artikel, Zeit, Menge, Preis]",
        "# Further columns, not used: Artikel, Lager, Datum, Bestand",
    ):
        assert line in proposed
    (tmp_path / "mapping.yaml").write_text(proposed)
    with pytest.raises(ValueError, match=r"tables.orders.columns.product is '\?', must name a col"):
        ingest(tmp_path / "mapping.yaml", tmp_path / "log")


def test_labels_of_promises_are_proposed(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(
        ORDERS.replace("1d", "same day").replace("option", "service")
    )
    assert "promises: {}  # fill in the days of each: {same day: ...}" in propose(tmp_path)
    lines = "3,a,2024-01-02 12:30:00,1,3.5,y,n,Out of stock\n"
    (tmp_path / "orders.csv").write_text(ORDERS.replace("option", "service") + lines)
    assert "promises: {}  # {same day: 0, " in propose(tmp_path)
    assert "out_of_stock: [Out of stock]  # labels that say that" in propose(tmp_path)


def test_a_column_that_is_not_used_tells_decimal_commas_and_another_the_hours(
    tmp_path: Path,
) -> None:
    (tmp_path / "orders.csv").write_text(
        "product;time;quantity;shipped;Tara\na;01.01.2024;2;01.01.2024 17:30;0,5\n"
    )
    proposed = propose(tmp_path)
    assert "decimal: ','" in proposed
    assert 'time_format: "%d.%m.%Y %H:%M"  # as 01.01.2024 17:30' in proposed


def test_links_do_not_lead_out_of_the_folder(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(MAPPING.replace("build: log", "build: log\nfolder: export"))
    (tmp_path / "export").mkdir()
    for name in ("orders", "nodes", "places"):
        os.symlink(tmp_path / f"{name}.csv", tmp_path / "export" / f"{name}.csv")
    with pytest.raises(ValueError, match=r"tables.orders: .*orders.csv leads outside .*export"):
        ingest(path, tmp_path / "log")


def test_other_encodings_and_decimal_commas(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write()
    text = ORDERS.replace("9.0", '"9,0"').replace("3.5", '"3,5"').replace("x,n", "Zürich,n")
    (tmp_path / "orders.csv").write_bytes(text.encode("latin-1"))
    (tmp_path / "places.csv").write_text(PLACES.replace("x,", "Zürich,"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"orders.csv cannot be read .* say so: encoding: latin-1"):
        ingest(path, tmp_path / "log")
    mapping = MAPPING.replace("file: orders.csv", "file: orders.csv\n    encoding: latin-1")
    path.write_text(mapping)
    with pytest.raises(ValueError, match=r"row 0 is '3,5', must be a number \(is the decimal sign"):
        ingest(path, tmp_path / "log")
    path.write_text(mapping.replace("encoding: latin-1", "encoding: latin-1\n    decimal: ','"))
    assert ingest(path, tmp_path / "log")["revenue"] == pytest.approx(3 * 3.5 + 9.0)
    proposed = propose(tmp_path)
    assert "encoding: latin-1" in proposed
    assert "decimal: ','" in proposed


def test_a_log_that_is_there_stays(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write()
    ingest(path, tmp_path / "log")
    before = {p.name: p.read_bytes() for p in (tmp_path / "log").iterdir()}

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(run_module, "write_json", full)
    with pytest.raises(OSError, match="no space left"):
        ingest(path, tmp_path / "log")
    monkeypatch.undo()
    assert {p.name: p.read_bytes() for p in (tmp_path / "log").iterdir()} == before
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    ingest(path, tmp_path / "log")
    assert {p.name: p.read_bytes() for p in (tmp_path / "log").iterdir()} == before


def test_what_is_no_log_is_not_replaced(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write()
    with pytest.raises(ValueError, match=r"must be a folder of its own: it is replaced"):
        ingest(path, tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"photos holds other things than a log, must be empty"):
        ingest(path, tmp_path / "photos")
    with pytest.raises(ValueError, match=r"must be a mapping file; draingym ingest --init"):
        read_mapping(tmp_path)


def test_a_folder_without_orders(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"holds 0 tables, must hold from 1 to 200: files that end"
    ):
        propose(tmp_path)
    (tmp_path / "colours.csv").write_text("name,red\nx,1\n")
    with pytest.raises(ValueError, match=r"holds no table of orders, must hold one with columns"):
        propose(tmp_path)
    with pytest.raises(ValueError, match=r"is not there, must be a folder of tables"):
        propose(tmp_path / "none")

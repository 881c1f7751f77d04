import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from draingym.world.eventlog import (
    EventLog,
    make_table,
    read_log,
    static_tables,
    validate_log,
    write_log,
)
from draingym.world.orders import World
from draingym.world.schema import OPTIONAL, SCHEMA
from draingym.world.views import PROMISES

UNITS = [
    ("glance_views", "quantity"),
    ("order_lines", "quantity"),
    ("order_lines", "filled"),
    ("boxes", "units"),
    ("inventory", "on_hand"),
    ("inventory", "stowed"),
    ("inventory", "transferred"),
    ("inventory", "available"),
    ("shipments", "units"),
]


def _set(log: EventLog, table: str, column: str, row: int, value: Any) -> EventLog:
    """Return the log with one cell changed."""
    old = log[table]
    values = old[column].to_pylist()
    values[row] = value
    kind = old.schema.field(column).type
    place = old.column_names.index(column)
    if pa.types.is_dictionary(kind):
        array = pa.array(values, type=pa.string()).dictionary_encode()
    else:
        array = pa.array(values, type=kind)
    new = old.set_column(place, old.schema.field(column), array)
    return EventLog(tables={**log.tables, table: new})


def _without(log: EventLog, table: str, row: int) -> EventLog:
    keep = [k for k in range(log[table].num_rows) if k != row]
    return EventLog(tables={**log.tables, table: log[table].take(keep)})


def _row(log: EventLog, table: str, column: str, test: Callable[[Any], bool]) -> int:
    return next(k for k, x in enumerate(log[table][column].to_pylist()) if test(x))


@pytest.mark.parametrize(("period_days", "seed"), [(1, 0), (1, 1), (3, 2)])
def test_whole_logs_are_valid(
    make_world: Callable[..., World],
    make_log: Callable[..., EventLog],
    period_days: int,
    seed: int,
) -> None:
    log = make_log(make_world(seed, period_days=period_days), seed)
    validate_log(log)
    assert {*SCHEMA} - OPTIONAL <= log.tables.keys()
    assert all(table.num_rows > 0 for table in log.tables.values())


def test_round_trip(log: EventLog, tmp_path: Path) -> None:
    write_log(log, tmp_path / "log")
    assert sorted(os.listdir(tmp_path / "log")) == sorted(f"{name}.parquet" for name in log.tables)
    again = read_log(tmp_path / "log")
    for name in log.tables:
        assert again[name].equals(log[name]), name
    write_log(again, tmp_path / "log")
    assert os.listdir(tmp_path) == ["log"]


def test_without_shipments(log: EventLog, tmp_path: Path) -> None:
    tables = {name: table for name, table in log.tables.items() if name != "shipments"}
    write_log(EventLog(tables=tables), tmp_path / "log")
    assert "shipments" not in read_log(tmp_path / "log")


def test_arrays(log: EventLog) -> None:
    order = log.array("glance_views", "order")
    option = log.array("glance_views", "ship_option")
    assert order.dtype == np.int64
    np.testing.assert_array_equal(order >= 0, option < 3)
    strings = log["glance_views"]["promise"].to_pylist()
    assert [PROMISES[k] for k in log.array("glance_views", "promise")] == strings


def test_hidden_truth_stays_hidden(log: EventLog, world: World) -> None:
    columns = {name for table in log.tables.values() for name in table.column_names}
    assert not columns & {"latent", "conversion", "pmf"}
    views = log["glance_views"]
    latent = pa.array(world.views.latent)
    told = EventLog(tables={**log.tables, "glance_views": views.append_column("latent", latent)})
    with pytest.raises(ValueError, match="glance_views has the column 'latent', must not tell"):
        validate_log(told)


def test_half_written_log_leaves_what_was(
    log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_log(log, tmp_path / "log")
    before = {p.name: p.read_bytes() for p in (tmp_path / "log").iterdir()}
    write, count = pq.write_table, iter(range(100))

    def fails(table: Any, where: Path, **options: Any) -> None:
        if next(count) == 4:
            Path(where).write_bytes(b"PAR1 half")
            raise OSError("no space left on device")
        write(table, where, **options)

    monkeypatch.setattr(pq, "write_table", fails)
    for target in ("log", "fresh"):
        with pytest.raises(OSError, match="no space left"):
            write_log(log, tmp_path / target)
        count = iter(range(100))
    assert os.listdir(tmp_path) == ["log"]
    assert {p.name: p.read_bytes() for p in (tmp_path / "log").iterdir()} == before


def test_invalid_log_is_not_written(log: EventLog, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"boxes.units, row 0 is -1"):
        write_log(_set(log, "boxes", "units", 0, -1), tmp_path / "log")
    assert os.listdir(tmp_path) == []


def test_unreadable_file_is_named(log: EventLog, tmp_path: Path) -> None:
    write_log(log, tmp_path / "log")
    path = tmp_path / "log" / "boxes.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    message = (
        r"^table .*boxes\.parquet cannot be read \(.*\), must be a Parquet file; restore it, or "
        "make the log anew by draingym ingest$"
    )
    with pytest.raises(ValueError, match=message):
        read_log(tmp_path / "log")
    path.unlink()
    with pytest.raises(ValueError, match="lacks the table 'boxes'"):
        read_log(tmp_path / "log")


@pytest.mark.parametrize("name", sorted({*SCHEMA} - OPTIONAL | {"shipments"}))
def test_missing_table_and_columns(log: EventLog, name: str) -> None:
    if name != "shipments":
        tables = {k: v for k, v in log.tables.items() if k != name}
        with pytest.raises(ValueError, match=f"log lacks the table '{name}'"):
            validate_log(EventLog(tables=tables))
    for column in SCHEMA[name].names:
        less = EventLog(tables={**log.tables, name: log[name].drop_columns([column])})
        with pytest.raises(ValueError, match=f"{name} lacks the column '{column}'"):
            validate_log(less)
        wrong = log[name].set_column(
            log[name].column_names.index(column), column, pa.nulls(log[name].num_rows, pa.binary())
        )
        with pytest.raises(ValueError, match=f"{name}.{column} is of type binary, must be"):
            validate_log(EventLog(tables={**log.tables, name: wrong}))
        if (name, column) not in {("glance_views", "order"), ("glance_views", "customer")}:
            row = log[name].num_rows - 1
            with pytest.raises(ValueError, match=rf"{name}.{column}, row {row} is null"):
                validate_log(_set(log, name, column, row, None))


def test_unknown_table(log: EventLog) -> None:
    tables = {**log.tables, "returns": log["boxes"]}
    with pytest.raises(ValueError, match="unknown table 'returns'"):
        validate_log(EventLog(tables=tables))


@pytest.mark.parametrize(
    ("table", "column", "row", "value", "message"),
    [
        ("products", "product", 1, 2, r"products.product, row 1 is 2, must be its row number"),
        ("products", "price", 2, 0.0, r"products.price, row 2 is 0.0, must be > 0"),
        ("products", "unit_cost", 0, -1.0, r"products.unit_cost, row 0 is -1.0, must be >= 0"),
        ("products", "weight", 0, np.inf, r"products.weight, row 0 is inf, must be finite"),
        ("nodes", "parent", 1, 2, r"nodes.parent, row 1 is 2, must be -1 or an earlier node"),
        ("nodes", "lead_time", 1, [0.5, 0.4], r"nodes.lead_time, row 1 is .* sum to 1"),
        ("nodes", "daily_capacity", 1, np.nan, r"nodes.daily_capacity, row 1 is nan, must be > 0"),
        (
            "nodes",
            "latitude",
            1,
            95.0,
            r"nodes.latitude, row 1 is 95.0, must be in \[-90.0, 90.0\]",
        ),
        ("nodes", "serves_customers", 2, False, r"boxes.node, row \d+ is 2, must be a node that s"),
        ("nodes", "active_from", 2, 11, r"boxes.node, row \d+ is 2, must be a node that exists"),
        ("customers", "region", 5, 4, r"customers.region, row 5 is 4, must be in \[0, 4\)"),
        ("calendar", "days", 3, 2.0, r"calendar.days, row 3 is 2.0, must be 1.0 as in row 0"),
        ("calendar", "start", 3, 3.5, r"calendar.start, row 3 is 3.5, must be the end of"),
        (
            "calendar",
            "weekday_sin",
            3,
            np.nan,
            r"calendar.weekday_sin, row 3 is nan, must be finite",
        ),
        ("glance_views", "view", 9, 8, r"glance_views.view, row 9 is 8, must be more than in the"),
        (
            "glance_views",
            "promise",
            9,
            "4d",
            r"glance_views.promise, row 9 is '4d', must be one of",
        ),
        ("glance_views", "ship_option", 9, "x", r"glance_views.ship_option, row 9 is 'x', must be"),
        ("glance_views", "product", 9, 3, r"glance_views.product, row 9 is 3, must be in \[0, 3\)"),
        ("glance_views", "customer", 9, -1, r"glance_views.customer, row 9 is -1, must be in"),
        ("glance_views", "region", 9, 9, r"glance_views.region, row 9 is 9, must be in \[0, 4\)"),
        ("glance_views", "time", 9, 7.5, r"glance_views.period, row 9 is 0, must be the period of"),
        ("glance_views", "quantity", 9, -1, r"glance_views.quantity, row 9 is -1, must be >= 0"),
        ("order_lines", "view", 4, 10**6, r"order_lines.view, row 4 is 1000000, must be a view"),
        ("order_lines", "filled", 4, 99, r"order_lines.filled, row 4 is 99, must be at most the"),
        ("order_lines", "order_line", 4, 3, r"order_lines.order_line, row 4 is 3, must be more"),
        ("boxes", "order_line", 4, 10**6, r"boxes.order_line, row 4 is 1000000, must be an order"),
        ("boxes", "node", 4, 0, r"boxes.node, row 4 is 0, must be a node that serves customers"),
        ("boxes", "node", 4, 7, r"boxes.node, row 4 is 7, must be in \[0, 3\)"),
        ("boxes", "units", 4, 0, r"boxes.units, row 4 is 0, must be > 0"),
        ("boxes", "cost_share", 4, -0.5, r"boxes.cost_share, row 4 is -0.5, must be >= 0"),
        ("boxes", "shipped_at", 4, -1.0, r"boxes.shipped_at, row 4 is -1.0, must be no earl"),
        ("boxes", "shipped_at", 4, 12.0, r"inventory.on_hand, row \d+ \(period 1, .* is off by -"),
        ("inventory", "on_hand", 7, -3, r"inventory.on_hand, row 7 is -3, must be >= 0"),
        ("inventory", "node", 7, 2, r"inventory.period, row 7 is 0, must be one row per period"),
        ("shipments", "product", 7, -1, r"shipments.product, row 7 is -1, must be in \[0, 3\)"),
        ("shipments", "arrives_at", 30, -1, r"shipments.arrives_at, row 30 is -1, must be >= 0"),
        ("shipments", "ordered_at", 30, 40, r"shipments.arrives_at, row 30 is \d+, must be no ear"),
    ],
)
def test_bad_values_are_named(
    log: EventLog, table: str, column: str, row: int, value: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        validate_log(_set(log, table, column, row, value))


def test_option_faster_than_the_promise(log: EventLog) -> None:
    row = _row(log, "glance_views", "promise", lambda x: x == "oos")
    with pytest.raises(ValueError, match=rf"ship_option, row {row} is '1d', must be no faster"):
        validate_log(_set(log, "glance_views", "ship_option", row, "1d"))


def test_orders_and_views_belong_together(log: EventLog) -> None:
    row = _row(log, "glance_views", "order", lambda x: x is not None)
    with pytest.raises(
        ValueError, match=rf"glance_views.order, row {row} is None, must be an order"
    ):
        validate_log(_set(log, "glance_views", "order", row, None))
    line = _row(log, "order_lines", "view", lambda x: x == row)
    with pytest.raises(ValueError, match=rf"order_lines.order, row {line} is .* order of its view"):
        validate_log(_set(log, "order_lines", "order", line, 10**6))
    unordered = _row(log, "glance_views", "order", lambda x: x is None)
    with pytest.raises(ValueError, match=rf"order_lines.order, row {line} is "):
        validate_log(_set(log, "order_lines", "view", line, unordered))


def test_one_box_has_one_node(log: EventLog) -> None:
    boxes = log["boxes"].to_pydict()
    first = boxes["node"].index(1)
    other = boxes["node"].index(2)
    bad = _set(log, "boxes", "box", other, boxes["box"][first])
    with pytest.raises(
        ValueError, match=r"boxes.node, row \d+ is [12], must be one node for a box"
    ):
        validate_log(bad)


@given(st.data())
def test_no_unit_appears_from_nowhere_or_vanishes(log: EventLog, data: st.DataObject) -> None:
    table, column = data.draw(st.sampled_from(UNITS))
    row = data.draw(st.integers(0, log[table].num_rows - 1))
    delta = data.draw(st.sampled_from([-1, 1]))
    cells = log[table].slice(row, 1).to_pylist()[0]
    if table == "shipments":
        # What the vendor sends towards the time after the log touches no stock in the log.
        assume(cells["node"] > 0 or cells["arrives_at"] < log["calendar"].num_rows)
    with pytest.raises(ValueError, match=r"(glance_views|order_lines|boxes|inventory|shipments)\."):
        validate_log(_set(log, table, column, row, cells[column] + delta))


@given(st.data())
def test_no_row_can_be_left_out(log: EventLog, data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(["order_lines", "boxes", "inventory", "shipments"]))
    row = data.draw(st.integers(0, log[table].num_rows - 1))
    cells = log[table].slice(row, 1).to_pylist()[0]
    if table == "shipments":
        assume(cells["node"] > 0 or cells["arrives_at"] < log["calendar"].num_rows)
    with pytest.raises(ValueError, match=r"(glance_views|order_lines|boxes|inventory)[. ]"):
        validate_log(_without(log, table, row))


def test_opening_stock_is_not_negative(log: EventLog) -> None:
    tables = {name: table for name, table in log.tables.items() if name != "shipments"}
    bad = _set(EventLog(tables=tables), "inventory", "stowed", 2, 10_000)
    with pytest.raises(ValueError, match=r"inventory.available, row 2 \(period 0, product 0, nod"):
        validate_log(bad)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("parcels", {}, "table 'parcels', must be one of"),
        ("regions", {"region": None}, "regions lacks the column 'region'"),
        ("regions", {"region": np.array([0.5, 1.5])}, "regions.region, must be int32"),
        ("regions", {"region": np.array([0, 2**40])}, "regions.region, must be int32"),
        ("regions", {"population": np.ones(3)}, "columns of different lengths"),
        ("regions", {"name": [1, 2]}, "regions.name, must be string"),
    ],
    ids=["table", "missing", "fraction", "overflow", "length", "type"],
)
def test_make_table_refuses(name: str, change: dict[str, Any], message: str) -> None:
    columns: dict[str, Any] = {
        "region": np.arange(2),
        "name": ["a", "b"],
        "latitude": np.zeros(2),
        "longitude": np.zeros(2),
        "population": np.ones(2),
    }
    columns = {k: v for k, v in (columns | change).items() if v is not None}
    with pytest.raises(ValueError, match=message):
        make_table(name, columns)


def test_make_table_refuses_unknown_codes(log: EventLog) -> None:
    columns = {name: log.array("glance_views", name) for name in SCHEMA["glance_views"].names}
    assert make_table("glance_views", columns)["promise"].to_pylist() == (
        log["glance_views"]["promise"].to_pylist()
    )
    columns["promise"] = columns["promise"].copy()
    columns["promise"][6] = 4
    with pytest.raises(ValueError, match=r"promise, row 6 is code 4, must be in \[0, 4\)"):
        make_table("glance_views", columns)


def test_static_tables_tell_the_network(world: World) -> None:
    tables = static_tables(world)
    assert tables["nodes"]["lead_time"].to_pylist() == world.network.lead_time.tolist()
    assert tables["nodes"]["parent"].to_pylist() == [-1, 0, 0]
    assert str(tables["calendar"]["date"][2]) == "2000-11-03"
    home = world.customer_place[4]
    customer = tables["customers"].slice(4, 1).to_pylist()[0]
    assert customer["latitude"] == world.places.latitude[home]
    assert customer["region"] == world.places.region[home]


@given(st.data())
def test_stock_does_not_rise_by_itself(log: EventLog, data: st.DataObject) -> None:
    # A unit more at hand and for sale from one period on agrees with the boxes of every period.
    tables = {name: table for name, table in log.tables.items() if name != "shipments"}
    columns = {name: log.array("inventory", name).copy() for name in SCHEMA["inventory"].names}
    product, node = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))
    first = data.draw(st.integers(1, log["calendar"].num_rows - 1))
    here = (columns["product"] == product) & (columns["node"] == node)
    for name in ("on_hand", "available"):
        columns[name][here & (columns["period"] >= first)] += 1
    bad = EventLog(tables={**tables, "inventory": make_table("inventory", columns)})
    message = rf"inventory.available, row \d+ \(period {first}, product {product}, node {node}\)"
    with pytest.raises(ValueError, match=message + r": \d+ is off by 1, must be on_hand of"):
        validate_log(bad)


def test_box_is_shipped_after_its_order(log: EventLog) -> None:
    line = log["boxes"]["order_line"][4].as_py()
    view = log["order_lines"]["view"][line].as_py()
    time = log["glance_views"]["time"][view].as_py()
    validate_log(_set(log, "boxes", "shipped_at", 4, time))
    with pytest.raises(
        ValueError, match=r"boxes.shipped_at, row 4 is .*, must be no earlier than its order"
    ):
        validate_log(_set(log, "boxes", "shipped_at", 4, np.nextafter(time, 0.0)))

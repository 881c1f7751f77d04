"""What logs of others say: other types for the same values, optional columns and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from draingym.world.casts import conform
from draingym.world.eventlog import EventLog, read_log, validate_log, write_log
from draingym.world.homes import view_homes
from draingym.world.panel import build_panel, load_panel, save_panel
from draingym.world.prices import panel_prices, price_paths
from draingym.world.schema import SCHEMA, make_table


def with_column(log: EventLog, table: str, name: str, values: Any) -> EventLog:
    """Return the log with a column more, or another one."""
    old = log[table]
    if name in old.column_names:
        new = old.set_column(old.column_names.index(name), name, values)
    else:
        new = old.append_column(name, values)
    return EventLog(tables={**log.tables, table: new})


def test_pandas_writes_a_log(log: EventLog, tmp_path: Path) -> None:
    """Large strings, 64-bit keys, real numbers for keys with nulls, plain text for labels."""
    write_log(log, tmp_path / "log")
    for name, table in log.tables.items():
        frame = table.to_pandas()
        for label in ("promise", "ship_option"):
            if label in frame:
                frame[label] = frame[label].astype(str)
        for column in frame.select_dtypes("int32"):
            frame[column] = frame[column].astype("int64")
        frame.to_parquet(tmp_path / "log" / f"{name}.parquet")
    again = read_log(tmp_path / "log")
    for name, table in log.tables.items():
        assert again[name].to_pydict() == table.to_pydict(), name
        for field in SCHEMA[name]:
            assert again[name].schema.field(field.name).type == field.type
    assert pd.__version__


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        (pa.large_string(), "id"),
        (pa.string_view(), "id"),
        (pa.dictionary(pa.int8(), pa.large_string()), "id"),
        (pa.int64(), "product"),
        (pa.uint8(), "product"),
        (pa.float64(), "product"),
        (pa.dictionary(pa.int32(), pa.int64()), "product"),
        (pa.float32(), "weight"),
        (pa.int16(), "price"),
    ],
    ids=str,
)
def test_lossless_casts(log: EventLog, kind: Any, column: str) -> None:
    table = log["products"]
    if column in ("price", "weight"):
        values = pa.array([4.0, 5.0, 6.5 if pa.types.is_floating(kind) else 7.0])
    else:
        values = table[column].combine_chunks()
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type).dictionary_encode().cast(kind)
    else:
        values = values.cast(kind)
    other = with_column(log, "products", column, values)
    read = EventLog.from_arrays(other.tables)
    assert read["products"].schema.field(column).type == SCHEMA["products"].field(column).type
    assert read["products"][column].to_pylist() == values.to_pylist()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pa.array([0.0, 1.5, 2.0]), r"products.product, row 1 is 1.5, must be int32"),
        (pa.array([0, 1, 2**40]), r"products.product, row 2 is 1099511627776, must be int32"),
    ],
    ids=["fraction", "overflow"],
)
def test_casts_that_lose_something(log: EventLog, values: Any, message: str) -> None:
    table = with_column(log, "products", "product", values)["products"]
    with pytest.raises(ValueError, match=message):
        conform("products", table)


def test_types_that_are_no_cast_are_named(log: EventLog) -> None:
    text = pa.array([str(k) for k in log["products"]["product"].to_pylist()])
    with pytest.raises(ValueError, match=r"products.product is of type string, must be int32"):
        validate_log(EventLog.from_arrays(with_column(log, "products", "product", text).tables))


def test_adjustments(log: EventLog, tmp_path: Path) -> None:
    tables = {name: table for name, table in log.tables.items() if name != "shipments"}
    columns = {name: log.array("inventory", name).copy() for name in SCHEMA["inventory"].names}
    # Two units of product 1 break at node 1 in period 3: all later stock is two lower, and the
    # stock before is two higher, so that none is below zero.
    here = (columns["product"] == 1) & (columns["node"] == 1)
    early = here & (columns["period"] < 3)
    for name in ("on_hand", "available"):
        columns[name][early] += 2
    columns["adjusted"] = np.where(here & (columns["period"] == 3), -2, 0)
    adjusted = EventLog.from_arrays({**tables, "inventory": columns})
    validate_log(adjusted)
    panel = build_panel(adjusted)
    assert panel["adjusted"].sum() == -2
    save_panel(panel, tmp_path / "panel.zarr")
    assert load_panel(tmp_path / "panel.zarr")["adjusted"].sum() == -2
    columns["adjusted"] = np.zeros_like(columns["adjusted"])
    bad = EventLog.from_arrays({**tables, "inventory": columns})
    message = r"inventory.available, row \d+ \(period 3, product 1, node 1\): \d+ is off by -2"
    with pytest.raises(ValueError, match=message):
        validate_log(bad)
    short = panel.drop_vars("adjusted")
    with pytest.raises(ValueError, match=r"panel\.available of product 1"):
        save_panel(short, tmp_path / "other.zarr")


def test_a_log_without_optional_columns_has_their_defaults(log: EventLog) -> None:
    assert log.array("glance_views", "seen").all()
    assert not log.array("inventory", "adjusted").any()
    np.testing.assert_array_equal(log.array("calendar", "covered"), log.array("calendar", "days"))
    assert "adjusted" not in build_panel(log)
    np.testing.assert_array_equal(price_paths(log), panel_prices(build_panel(log)))


def test_orders_of_unknown_customers(log: EventLog) -> None:
    who = log.array("glance_views", "customer").astype(np.int64)
    order = log.array("glance_views", "order")
    unknown = (who % 3 == 0) | (order % 2 == 0)
    customer = pa.array(np.where(unknown, 0, who), pa.int32(), mask=unknown)
    other = with_column(log, "glance_views", "customer", customer)
    validate_log(other)
    np.testing.assert_array_equal(other.array("glance_views", "customer") < 0, unknown)
    homes = view_homes(other)
    assert (homes.customer[~unknown] == who[~unknown]).all()
    assert homes.customer[unknown].min() >= log["customers"].num_rows
    bad = with_column(
        log, "glance_views", "customer", pa.array(np.where(unknown, -1, who), pa.int32())
    )
    with pytest.raises(ValueError, match=r"glance_views.customer, row \d+ is -1, must be in"):
        validate_log(bad)


def test_own_labels(log: EventLog) -> None:
    words = {"1d": "today", "2d": "in two days", "3d+": "3d+", "oos": "oos", "none": "none"}
    tables = dict(log.tables)
    tables["promises"] = make_table(
        "promises", {"label": ["today", "in two days"], "within_days": [0.0, 2.0]}
    )
    other = EventLog(tables=tables)
    for name in ("promise", "ship_option"):
        text = [words[x] for x in log["glance_views"][name].to_pylist()]
        other = with_column(other, "glance_views", name, pa.array(text).dictionary_encode())
    other = EventLog.from_arrays(other.tables)
    validate_log(other)
    for name in ("promise", "ship_option"):
        np.testing.assert_array_equal(
            other.array("glance_views", name), log.array("glance_views", name)
        )
    mine, theirs = build_panel(log), build_panel(other)
    for name in mine.data_vars:
        np.testing.assert_array_equal(mine[name], theirs[name], err_msg=str(name))
    for bad, message in (
        ({"label": ["1d"], "within_days": [1.0]}, r"promises.label, row 0 is '1d', must be there"),
        ({"label": ["a", "b"], "within_days": [2.0, 1.0]}, r"promises.within_days, row 1 is 1.0"),
        (
            {"label": ["a"], "within_days": [-1.0]},
            r"promises.within_days, row 0 is -1.0, must be >",
        ),
    ):
        tables = {**log.tables, "promises": make_table("promises", bad)}
        with pytest.raises(ValueError, match=message):
            validate_log(EventLog(tables=tables))
    without = {name: t for name, t in other.tables.items() if name != "promises"}
    with pytest.raises(ValueError, match=r"glance_views.promise, row \d+ is '(today|in two days)'"):
        validate_log(EventLog(tables=without))


def test_prices_that_change(log: EventLog) -> None:
    tables = dict(log.tables)
    tables["prices"] = make_table(
        "prices", {"period": [2, 5], "product": [1, 1], "price": [7.0, 8.0]}
    )
    other = EventLog(tables=tables)
    validate_log(other)
    own = log.array("products", "price")
    path = build_panel(other)["price_path"].to_numpy()
    np.testing.assert_array_equal(path[1, :2], own[1])
    np.testing.assert_array_equal(path[1, 2:5], 7.0)
    np.testing.assert_array_equal(path[1, 5:], 8.0)
    np.testing.assert_array_equal(path[0], own[0])
    tables["prices"] = make_table(
        "prices", {"period": [2, 2], "product": [1, 1], "price": [7.0, 8.0]}
    )
    with pytest.raises(
        ValueError, match=r"prices.price, row 1 is 8.0, must be the only one of its"
    ):
        validate_log(EventLog(tables=tables))


def test_further_columns_are_kept(log: EventLog, tmp_path: Path) -> None:
    other = with_column(log, "products", "brand", pa.array(["x", None, "z"]))
    other = with_column(other, "calendar", "holiday", pa.array(["no"] * log["calendar"].num_rows))
    write_log(other, tmp_path / "log")
    again = read_log(tmp_path / "log")
    assert again["products"]["brand"].to_pylist() == ["x", None, "z"]
    np.testing.assert_array_equal(build_panel(again)["feature"], build_panel(log)["feature"])
    bought = pq.read_table(tmp_path / "log" / "calendar.parquet")
    assert "holiday" in bought.column_names


def test_a_last_period_that_the_data_ends_in(log: EventLog) -> None:
    days = log.array("calendar", "days")
    covered = days.copy()
    covered[-1] = 0.5
    other = with_column(log, "calendar", "covered", pa.array(covered))
    validate_log(other)
    np.testing.assert_array_equal(other.array("calendar", "covered"), covered)
    assert "covered" not in build_panel(other)["feature"]
    covered[-1] = 2.0
    with pytest.raises(ValueError, match=r"calendar.covered, row 11 is 2.0, must be in \(0, 1.0\]"):
        validate_log(with_column(log, "calendar", "covered", pa.array(covered)))

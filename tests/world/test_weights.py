"""A log's weights are in its own unit; logs of before, in pounds, are still read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from draingym.world.eventlog import EventLog, make_table, read_log, validate_log, write_log
from draingym.world.log_folder import open_log
from draingym.world.panel import build_panel
from draingym.world.weights import POUNDS, pounds_per, product_pounds, weight_unit
from tests.world.test_own_logs import with_column


def in_units(log: EventLog, unit: str) -> EventLog:
    """Return a log that says what its weights are in."""
    units = make_table("units", {"measure": ["currency", "weight"], "unit": ["EUR", unit]})
    return EventLog(tables={**log.tables, "units": units})


def written_before(log: EventLog, folder: Path) -> Path:
    """Write a log as versions did that had its weights in pounds whatever the unit."""
    write_log(log, folder)
    path = folder / "products.parquet"
    table = pq.read_table(path)
    pounds = pa.array(table["weight"].to_numpy() * pounds_per(weight_unit(log.tables)))
    at = table.column_names.index("weight")
    pq.write_table(table.set_column(at, "weight_lb", pounds), path)
    return folder


@pytest.mark.parametrize(
    ("unit", "of_one"),
    [("kg", 0.45359237), ("g", 453.59237), ("t", 0.00045359237), ("lb", 1.0), ("oz", 16.0)],
)
def test_a_pound_in_every_unit(unit: str, of_one: float) -> None:
    assert of_one * pounds_per(unit) == pytest.approx(1.0, rel=1e-8)
    assert unit in POUNDS


def test_the_same_goods_in_kilograms_and_in_pounds(log: EventLog) -> None:
    weight = log.array("products", "weight")
    np.testing.assert_array_equal(product_pounds(log.tables), weight)  # it says nothing: pounds
    metric = in_units(with_column(log, "products", "weight", pa.array(0.45359237 * weight)), "kg")
    validate_log(metric)
    np.testing.assert_allclose(product_pounds(metric.tables), weight, rtol=1e-8)
    panel, same = build_panel(log), build_panel(metric)
    np.testing.assert_allclose(same["weight_lb"], panel["weight_lb"], rtol=1e-8)


@pytest.mark.parametrize("unit", ["", "kg"])
def test_logs_of_before_are_read(log: EventLog, tmp_path: Path, unit: str) -> None:
    own = in_units(log, unit) if unit else log
    folder = written_before(own, tmp_path / "log")
    for read in (read_log(folder), open_log(folder)):
        assert read["products"].column_names == log["products"].column_names
        np.testing.assert_allclose(
            read.array("products", "weight"), log.array("products", "weight"), rtol=1e-15
        )
        np.testing.assert_allclose(
            product_pounds(read.tables), product_pounds(own.tables), rtol=1e-15
        )
    write_log(read_log(folder), tmp_path / "again")
    assert "weight_lb" not in pq.read_schema(tmp_path / "again" / "products.parquet").names


def test_a_column_of_the_user_s_own_is_no_weight(log: EventLog) -> None:
    other = with_column(log, "products", "weight_lb", pa.array(["heavy", "light", "light"]))
    read = EventLog.from_arrays(other.tables)
    validate_log(read)
    assert read["products"]["weight"].to_pylist() == log["products"]["weight"].to_pylist()
    assert read["products"]["weight_lb"].to_pylist() == ["heavy", "light", "light"]


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (
            {"measure": ["currency", "weight"], "unit": ["EUR", "stone"]},
            r"units.unit, row 1 is 'stone', must be one of kg, g, t, lb, oz",
        ),
        (
            {"measure": ["weight", "weight"], "unit": ["kg", "lb"]},
            r"units.measure, row 1 is 'weight', must be there once",
        ),
    ],
    ids=["unknown", "twice"],
)
def test_bad_units_are_named(
    log: EventLog, tmp_path: Path, units: dict[str, Any], message: str
) -> None:
    bad = EventLog(tables={**log.tables, "units": make_table("units", units)})
    with pytest.raises(ValueError, match=f"^{message}"):
        validate_log(bad)
    write_log(log, tmp_path / "log")
    pq.write_table(bad["units"], tmp_path / "log" / "units.parquet")
    for read in (read_log, open_log):
        with pytest.raises(ValueError, match=message):
            read(tmp_path / "log")
    with pytest.raises(ValueError, match=r"unit of weight is 'st', must be one of kg, g, t, lb, o"):
        pounds_per("st")

"""Files with flipped bits, cut short or crafted: a ValueError that names the file, or no harm."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr

from draingym.world.eventlog import EventLog, read_log, validate_log, write_log
from draingym.world.panel import load_panel, save_panel
from draingym.world.panel_checks import check_panel

Found = TypeVar("Found")


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Flip some bits, cut the end off, write zeros, or put a piece in twice."""
    at = rng.randrange(len(content))
    match rng.choice(["flip", "flip", "flip", "cut", "zeros", "twice"]):
        case "flip":
            changed = bytearray(content)
            for _ in range(rng.choice([1, 1, 8])):
                changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            return bytes(changed)
        case "cut":
            return content[:at]
        case "zeros":
            return content[:at] + bytes(min(16, len(content) - at)) + content[at + 16 :]
        case _:
            return content[:at] + content[max(0, at - 9) :]


def read(function: Callable[[Path], Found], folder: Path) -> Found | str:
    """What is found in a folder, or why it is refused."""
    try:
        return function(folder)
    except ValueError as error:
        return str(error)


def damages(folder: Path, number: int) -> Iterator[Path]:
    """Damage one file of a folder at a time, for as long as the caller looks at it."""
    rng = random.Random(0)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for _ in range(number):
        path = rng.choice(files)
        whole = path.read_bytes()
        path.write_bytes(damaged(whole, rng))
        yield path
        path.write_bytes(whole)


@pytest.fixture(scope="module")
def log_folder(log: EventLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged") / "log"
    write_log(log, folder)
    return folder


@pytest.fixture(scope="module")
def panel_folder(panel: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged") / "panel"
    save_panel(panel, folder)
    return folder


def test_damaged_tables_are_refused_or_do_no_harm(log_folder: Path) -> None:
    refused = 0
    for path in damages(log_folder, 150):
        again = read(read_log, log_folder)
        if isinstance(again, str):
            refused += 1
            assert str(log_folder) in again, path.name
        else:
            validate_log(again)
    assert refused > 100


def test_damaged_chunks_are_refused_or_do_no_harm(panel_folder: Path) -> None:
    refused = 0
    for path in damages(panel_folder, 40):
        again = read(load_panel, panel_folder)
        if isinstance(again, str):
            refused += 1
            assert str(panel_folder) in again, path
        else:
            check_panel(again)
    assert refused > 20


def test_every_variable_of_a_panel_must_be_there(panel: xr.Dataset) -> None:
    for name in panel.data_vars:
        with pytest.raises(ValueError, match=r"panel\.\w+ is missing, must have the dimensions"):
            check_panel(panel.drop_vars(str(name)))
    for name in ("product", "period", "node", "region"):
        with pytest.raises(ValueError, match=rf"panel\.{name} is missing"):
            check_panel(panel.drop_vars(name))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("parent", 7, r"panel\.parent\[0\] is 7, must be -1 \(vendor\) or an earlier node"),
        ("parent", -2, r"panel\.parent\[0\] is -2, must be -1"),
        ("price", np.nan, r"panel\.price\[0\] is nan, must be finite and above 0"),
        ("price", np.inf, r"panel\.price\[0\] is inf"),
        ("unit_cost", -1.0, r"panel\.unit_cost\[0\] is -1\.0, must be finite and at least 0"),
        ("conversion", 1.0, r"panel\.conversion\[0\] is 1\.0, must be in \(0, 1\)"),
        ("calendar", np.inf, r"panel\.calendar\[0, 0\] is inf, must be finite"),
        ("date", np.datetime64("NaT"), r"panel\.date\[0\] is .*, must be a date"),
        ("node_latitude", 91.0, r"panel\.node_latitude\[0\] is 91\.0, must be in \[-90"),
        ("daily_capacity", 0.0, r"panel\.daily_capacity\[0\] is 0\.0, must be above 0"),
        ("population", 0.0, r"panel\.population\[0\] is 0\.0"),
        ("lead_time", 0.5, r"panel\.lead_time\[0, 0\] is 0\.5, must be probabilities that sum"),
        ("ship_cost", np.inf, r"panel\.ship_cost\[0, 0, 0\] is inf, must be finite"),
        ("on_hand", 2**60, r"panel\.on_hand\[0, 0, 0\] is 1152921504606846976, must be in \[0, "),
    ],
)
def test_values_that_cannot_be_are_named(
    panel: xr.Dataset, name: str, value: float, message: str
) -> None:
    changed = panel.copy(deep=True)
    changed[name].to_numpy()[(0,) * panel[name].ndim] = value
    with pytest.raises(ValueError, match=message):
        check_panel(changed)


def test_a_panel_of_another_make_is_refused(panel: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"panel\.outbound has the dimensions \('node', 'period'"):
        check_panel(panel.assign(outbound=panel["outbound"].transpose("node", "period", "product")))
    with pytest.raises(ValueError, match=r"panel\.price is of type int64, must be of kind float64"):
        check_panel(panel.assign(price=panel["price"].astype(np.int64)))
    with pytest.raises(ValueError, match=r"serves_customers.* is False, must be true for at least"):
        check_panel(panel.assign(serves_customers=panel["serves_customers"] & False))
    with pytest.raises(ValueError, match=r"reaches \d+ periods ahead, must be \d+, the longest"):
        check_panel(panel.isel(ahead=slice(0, 1)))
    with pytest.raises(ValueError, match="period_days is None, must be finite and above 0 days"):
        check_panel(panel.drop_attrs())
    panel.drop_vars("parent").to_zarr(tmp_path / "panel", zarr_format=2, consolidated=False)
    with pytest.raises(ValueError, match=r"panel: panel\.parent is missing"):
        load_panel(tmp_path / "panel")


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "[" * 10_000, '{"zarr_format": 9}'])
def test_metadata_that_cannot_be_are_refused(panel_folder: Path, tmp_path: Path, text: str) -> None:
    shutil.copytree(panel_folder, tmp_path / "panel")
    for name in ("parent/.zarray", "on_hand/.zattrs", ".zattrs", ".zgroup"):
        path = tmp_path / "panel" / name
        whole = path.read_text()
        path.write_text(text)
        with pytest.raises(ValueError, match=r"panel.*must"):
            load_panel(tmp_path / "panel")
        path.write_text(whole)
    about = json.loads((tmp_path / "panel" / "parent" / ".zarray").read_text())
    for shape in ([10**12], [-1], ["x"], [2, 2]):
        (tmp_path / "panel" / "parent" / ".zarray").write_text(json.dumps(about | {"shape": shape}))
        with pytest.raises(ValueError, match=r"panel.*must be"):
            load_panel(tmp_path / "panel")


def with_cell(log: EventLog, table: str, column: str, value: object) -> EventLog:
    """The log with another value in the first row of a column."""
    found = log[table]
    position = found.column_names.index(column)
    field = found.schema.field(column)
    if field.type == pa.date32():
        values = pa.array([value, *found[column].cast(pa.int32()).to_pylist()[1:]], pa.int32())
        values = values.cast(pa.date32())
    else:
        values = pa.array([value, *found[column].to_pylist()[1:]], field.type)
    return EventLog(tables={**log.tables, table: found.set_column(position, field, values)})


@pytest.mark.parametrize(
    ("table", "column", "value", "message"),
    [
        ("glance_views", "time", 1e300, r"glance_views\.period, row 0 is 0, must be the period of"),
        ("glance_views", "time", -1e300, r"glance_views\.period, row 0"),
        ("boxes", "shipped_at", 1e300, r"boxes\.shipped_at, row 0 is 1e\+300, must be before"),
        ("calendar", "days", 5e-324, r"calendar\.days, row 1 is 1\.0, must be 5e-324 as in row 0"),
        ("calendar", "start", 1e308, r"calendar\.start, row 1 is 1\.0, must be the end"),
        ("calendar", "date", 2**31 - 1, r"calendar\.date, row 0 is .*, must be in the years 1700"),
        ("calendar", "date", -(2**31), r"calendar\.date, row 0 is .*, must be in the years 1700"),
        ("nodes", "lead_time", [1e308, 1e308], r"nodes\.lead_time, row 0 is .*, must be prob"),
        ("nodes", "lead_time", [None], r"nodes\.lead_time, row 0 is \[None\], must be prob"),
        ("nodes", "lead_time", [], r"nodes\.lead_time, row 0 is \[\], must be prob"),
        ("nodes", "lead_time", [0.0] * 4000 + [1.0], "must be of at most 3660 periods"),
        ("shipments", "ordered_at", -(2**31), "must be at most 3660 periods after ordered_at"),
        ("shipments", "units", 2**62, r"shipments\.units, row 0 is \d+, must be at most 9\.0"),
        ("inventory", "on_hand", 2**63 - 1, r"inventory\.on_hand, row 0 is \d+, must be at most"),
        ("products", "price", 1e30, r"products\.price, row 0 is 1e\+30, must be at most 1e\+12"),
        ("products", "price", np.inf, r"products\.price, row 0 is inf, must be finite"),
    ],
)
def test_odd_values_in_a_log_are_named(
    log: EventLog, table: str, column: str, value: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        validate_log(with_cell(log, table, column, value))


def test_a_table_with_a_column_twice_is_refused(log: EventLog, tmp_path: Path) -> None:
    twice = log["products"].append_column("price", log["products"]["price"])
    with pytest.raises(ValueError, match=r"products\.price is there twice, must be there once"):
        validate_log(EventLog(tables={**log.tables, "products": twice}))


def test_text_that_is_no_text_is_refused(log: EventLog, log_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(log_folder, tmp_path / "log")
    table = log["products"]
    raw = pa.array([b"\xff\xfe"] * table.num_rows, pa.binary()).view(pa.string())
    broken = table.set_column(1, table.schema.field("id"), raw)
    pq.write_table(broken, tmp_path / "log" / "products.parquet")
    with pytest.raises(ValueError, match=r"products\.parquet cannot be read \(.*\), must be a P"):
        read_log(tmp_path / "log")

"""Every engine finds the same panel, from memory and from disk, whatever the order of rows."""

import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr

from draingym.world.engines import DuckDB, Engine
from draingym.world.eventlog import EventLog, write_log
from draingym.world.log_folder import open_log
from draingym.world.panel import build_panel, load_panel, save_panel


@pytest.fixture(scope="module")
def folder(log: EventLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("logs") / "log"
    write_log(log, made)
    return made


@pytest.mark.parametrize(
    "engine",
    [DuckDB(threads=1), DuckDB(threads=3, memory="300MB")],
    ids=["one thread", "little memory"],
)
def test_a_log_on_disk_gives_the_panel_of_one_in_memory(
    panel: xr.Dataset, folder: Path, engine: Engine, tmp_path: Path
) -> None:
    opened = open_log(folder)
    found = build_panel(opened, engine=engine)
    assert found.identical(panel)
    assert opened.path("glance_views") == folder / "glance_views.parquet"
    assert not {"glance_views", "boxes", "inventory"} & opened.tables._read.keys()  # never read
    save_panel(found, tmp_path / "panel")
    assert load_panel(tmp_path / "panel").identical(panel)


def test_the_order_of_rows_does_not_matter(log: EventLog, panel: xr.Dataset) -> None:
    random = np.random.default_rng(0)
    boxes = log["boxes"].take(random.permutation(log["boxes"].num_rows))
    tables = {**log.tables, "boxes": boxes}
    assert build_panel(EventLog(tables=tables)).identical(panel)


def test_odd_costs_are_summed_as_exactly_as_any_order_can(log: EventLog) -> None:
    random = np.random.default_rng(1)
    cost = random.lognormal(2.0, 3.0, log["boxes"].num_rows)
    at = log["boxes"].column_names.index("cost_share")
    boxes = log["boxes"].set_column(at, log["boxes"].schema.field(at), pa.array(cost))
    found = [
        build_panel(EventLog(tables={**log.tables, "boxes": table}))["ship_cost"].to_numpy()
        for table in (boxes, boxes.take(np.arange(boxes.num_rows)[::-1]))
    ]
    np.testing.assert_array_equal(*found)
    np.testing.assert_allclose(found[0].sum(), cost.sum(), rtol=1e-10)


# Py4J leaves sockets to be closed by whoever collects them.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_spark_gives_the_panel_of_duckdb_as_the_page_says(panel: xr.Dataset, folder: Path) -> None:
    pytest.importorskip("pyspark", reason="PySpark is not installed: make test-spark installs it")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, and there is no `java` on the path")
    page = Path(__file__).parents[2] / "docs" / "scale_out.md"
    (block,) = re.findall(r"```python\n(from [\w.]+ import Spark\n.*?)```", page.read_text(), re.S)
    names = {"build_panel": build_panel, "log": open_log(folder)}
    exec(compile(block, page.name, "exec"), names)
    assert names["panel"].identical(panel)


def change(folder: Path, out: Path, table: str, column: str, row: int, value: object) -> Path:
    shutil.copytree(folder, out)
    path = out / f"{table}.parquet"
    found = pq.read_table(path)
    values = found[column].to_pylist()
    values[row] = value
    at = found.column_names.index(column)
    field = found.schema.field(at).with_nullable(True)
    pq.write_table(found.set_column(at, field, pa.array(values, field.type)), path)
    return out


@pytest.mark.parametrize(
    ("table", "column", "value", "message"),
    [
        ("glance_views", "product", -1, r"glance_views.product, row 7 is -1, must be in \[0, 2\]"),
        ("glance_views", "region", 99, r"glance_views.region, row 7 is 99, must be in \[0, 3\]"),
        (
            "glance_views",
            "period",
            1,
            r"glance_views.period, row 7 is 1, must be the period of its",
        ),
        ("glance_views", "time", float("nan"), "glance_views.period, row 7 is 0, must be the"),
        ("glance_views", "product", None, "glance_views.product, row 7 is null, must not be"),
        ("boxes", "cost_share", float("nan"), r"boxes.cost_share, row 7 is nan, must be in \[0, 1"),
        ("boxes", "units", 0, r"boxes.units, row 7 is 0, must be in \[1, "),
        ("inventory", "node", 3, r"inventory.node, row 7 is 3, must be in \[0, 2\]"),
        ("shipments", "ordered_at", 99, r"shipments.ordered_at, row 7 is 99, must be in \[-3660, "),
        ("products", "product", 0, None),
    ],
)
def test_a_bad_value_on_disk_is_named(
    folder: Path, tmp_path: Path, table: str, column: str, value: object, message: str | None
) -> None:
    row = 7 if message else 1
    bad = change(folder, tmp_path / "bad", table, column, row, value)
    message = message or r"products.product, row 1 is 0, must be its row number"
    with pytest.raises(ValueError, match=rf"^{bad}: {message}"):
        open_log(bad)


def test_what_a_log_on_disk_lacks_is_named(folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(folder, bad)
    path = bad / "boxes.parquet"
    boxes = pq.read_table(path)
    pq.write_table(boxes.drop_columns(["node"]), path)
    with pytest.raises(ValueError, match=r"bad: boxes lacks the column 'node'"):
        open_log(bad)
    pq.write_table(boxes.set_column(0, "box", boxes["box"].cast("int32")), path)
    with pytest.raises(ValueError, match=r"bad: boxes.box is of type int32, must be int64"):
        open_log(bad)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"table .*boxes.parquet cannot be read"):
        open_log(bad)
    path.unlink()
    with pytest.raises(ValueError, match=r"bad lacks the table 'boxes', must hold boxes.parquet"):
        open_log(bad)
    with pytest.raises(ValueError, match=r"memory is 'much', must be a size such as '2GB'"):
        build_panel(open_log(folder), engine=DuckDB(memory="much"))
    with pytest.raises(ValueError, match=r"threads is 0, must be"):
        DuckDB(threads=0)

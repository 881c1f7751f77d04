import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from draingym.world.eventlog import EventLog
from draingym.world.orders import World
from draingym.world.panel import (
    build_panel,
    load_panel,
    pipeline_at,
    save_panel,
)
from draingym.world.panel_checks import check_conservation

UNITS = [
    "outbound",
    "stowed",
    "transferred",
    "on_hand",
    "available",
    "in_transit",
    "shipped",
    "initial_pipeline",
]


@pytest.fixture(scope="module", params=[(1, 3), (3, 4)], ids=["days", "three-day periods"])
def pair(
    request: pytest.FixtureRequest,
    make_world: Callable[..., World],
    make_log: Callable[..., EventLog],
) -> tuple[EventLog, xr.Dataset]:
    period_days, seed = request.param
    log = make_log(make_world(seed, period_days=period_days, num_days=15), seed)
    return log, build_panel(log)


def test_sums_by_a_plain_loop(pair: tuple[EventLog, xr.Dataset]) -> None:
    log, panel = pair
    days = panel.attrs["period_days"]
    expected: dict[str, Any] = {
        name: np.zeros(panel[name].shape)
        for name in ("outbound", "ship_cost", "glance_views", "orders", "ordered_units", "shipped")
    }
    expected["initial_pipeline"] = np.zeros(panel["initial_pipeline"].shape)
    lanes: Counter[tuple[int, ...]] = Counter()
    region_of = {row["view"]: row["region"] for row in log["glance_views"].to_pylist()}
    view_of = {row["order_line"]: row["view"] for row in log["order_lines"].to_pylist()}
    product_of = {row["order_line"]: row["product"] for row in log["order_lines"].to_pylist()}
    for row in log["boxes"].to_pylist():
        cell = product_of[row["order_line"]], int(row["shipped_at"] // days), row["node"]
        expected["outbound"][cell] += row["units"]
        expected["ship_cost"][cell] += row["cost_share"]
        lanes[(*map(int, cell), region_of[view_of[row["order_line"]]])] += row["units"]
    for row in log["glance_views"].to_pylist():
        cell = row["product"], row["period"], row["region"]
        expected["glance_views"][cell] += 1
        expected["orders"][cell] += row["order"] is not None
        expected["ordered_units"][cell] += row["quantity"]
    for row in log["shipments"].to_pylist():
        lead = row["arrives_at"] - row["ordered_at"]
        if row["ordered_at"] < 0:
            cell = row["product"], row["arrives_at"], row["node"]
            expected["initial_pipeline"][cell] += row["units"]
        else:
            expected["shipped"][row["product"], row["ordered_at"], row["node"], lead] += row[
                "units"
            ]
    for name, values in expected.items():
        np.testing.assert_allclose(panel[name], values, rtol=1e-12, err_msg=name)
    node, region, units = (panel[f"lane_{x}"].to_numpy() for x in ("node", "region", "units"))
    used = np.argwhere(units > 0)
    found = {
        (int(p), int(t), int(node[p, t, s]), int(region[p, t, s])): int(units[p, t, s])
        for p, t, s in used
    }
    assert found == lanes
    assert len(used) == len(found)  # a lane has one slot
    assert (np.diff(units > 0, axis=2).sum(axis=2) <= 1).all()  # what is empty comes last
    for row in log["inventory"].to_pylist():
        cell = row["product"], row["period"], row["node"]
        for name in ("on_hand", "stowed", "transferred", "available"):
            assert panel[name].to_numpy()[cell] == row[name]


def test_structure(pair: tuple[EventLog, xr.Dataset], log: EventLog) -> None:
    _, panel = pair
    for name in UNITS[:6]:
        assert panel[name].dims == ("product", "period", "node")
        assert panel[name].dtype == np.int64
    assert panel["parent"].to_numpy().tolist() == [-1, 0, 0]
    assert panel["serves_customers"].to_numpy().tolist() == [False, True, True]
    assert panel["calendar"].dims == ("period", "feature")
    assert panel["distance_km"].shape == (3, 4)
    assert bool(panel["active"].all())
    np.testing.assert_allclose(panel["lead_time"].sum("lead"), 1.0)


def test_static_columns_are_the_worlds(world: World, panel: xr.Dataset) -> None:
    np.testing.assert_array_equal(panel["distance_km"], world.network.distance_km)
    np.testing.assert_array_equal(panel["lead_time"], world.network.lead_time)
    np.testing.assert_array_equal(panel["calendar"], world.calendar)
    np.testing.assert_array_equal(panel["price"], world.products.price)
    np.testing.assert_array_equal(panel["glance_views"], world.glance_views())
    assert panel["product"].to_numpy().tolist() == list(world.products.id)
    assert panel["feature"].to_numpy().tolist() == list(world.calendar_name)
    assert str(panel["date"].to_numpy()[1])[:10] == "2000-11-02"


def test_conversion_is_smoothed_under_the_best_promise(pair: tuple[EventLog, xr.Dataset]) -> None:
    log, panel = pair
    seen, orders = np.zeros(3), np.zeros(3)
    for row in log["glance_views"].to_pylist():
        if row["promise"] == "1d":
            seen[row["product"]] += 1
            orders[row["product"]] += row["order"] is not None
    mean = (orders.sum() + 0.5) / (seen.sum() + 1)
    np.testing.assert_allclose(panel["conversion"], (orders + 50 * mean) / (seen + 50))


def test_units_per_order_and_conversion_know_the_first_periods_alone(log: EventLog) -> None:
    early = build_panel(log, known_periods=1)
    units, lines = np.zeros(3), np.zeros(3)
    seen, orders = np.zeros(3), np.zeros(3)
    for row in log["glance_views"].to_pylist():
        if row["period"] == 0:
            units[row["product"]] += row["quantity"]
            lines[row["product"]] += row["order"] is not None
            if row["promise"] == "1d":
                seen[row["product"]] += 1
                orders[row["product"]] += row["order"] is not None
    rate = (orders.sum() + 0.5) / (seen.sum() + 1)
    size, prior = (units.sum() + 1) / (lines.sum() + 1), 50 * rate
    np.testing.assert_allclose(early["conversion"], (orders + 50 * rate) / (seen + 50))
    np.testing.assert_allclose(early["units_per_order"], (units + prior * size) / (lines + prior))


@pytest.mark.parametrize("known", [0, 10**6])
def test_known_periods_out_of_bounds_are_refused(log: EventLog, known: int) -> None:
    with pytest.raises(ValueError, match=rf"known_periods is {known}, must be in \[1, "):
        build_panel(log, known_periods=known)


def test_same_log_same_bits(log: EventLog, panel: xr.Dataset) -> None:
    assert build_panel(log).identical(panel)


def test_without_shipments(log: EventLog, panel: xr.Dataset) -> None:
    tables = {name: table for name, table in log.tables.items() if name != "shipments"}
    short = build_panel(EventLog(tables=tables))
    assert "shipped" not in short
    assert short["on_hand"].identical(panel["on_hand"])
    with pytest.raises(ValueError, match="panel lacks 'shipped'"):
        pipeline_at(short, 0)


@given(st.data())
def test_no_unit_appears_from_nowhere_or_vanishes(panel: xr.Dataset, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(UNITS))
    cell = tuple(data.draw(st.integers(0, size - 1)) for size in panel[name].shape)
    changed = panel.copy(deep=True)
    changed[name].to_numpy()[cell] += data.draw(st.sampled_from([-1, 1]))
    with pytest.raises(ValueError, match=r"panel\.\w+"):
        check_conservation(changed)


def test_conservation_names_product_period_node_and_values(panel: xr.Dataset) -> None:
    changed = panel.copy(deep=True)
    changed["on_hand"].to_numpy()[2, 5, 1] += 1
    value = int(panel["on_hand"].to_numpy()[2, 5, 1])
    message = (
        rf"panel.on_hand of product 2 \('P\d+'\), period 5, node 1 \('Louisville, KY'\) is "
        rf"{value + 1}, must be {value}, available - outbound"
    )
    with pytest.raises(ValueError, match=message):
        check_conservation(changed)


@pytest.mark.parametrize(
    ("name", "cell", "value", "message"),
    [
        ("ship_cost", (0, 0, 0), 1.0, r"panel.ship_cost .* is 1.0, must be 0.0"),
        ("ship_cost", (0, 0, 1), -1.0, r"panel.ship_cost .* is -1.0, must be 0.0"),
        ("ship_cost", (0, 0, 1), np.nan, r"panel.ship_cost .* is nan"),
        ("orders", (1, 2, 3), 10**6, r"panel.orders .* region 3 .* is 1000000, .* at most views"),
        ("glance_views", (1, 2, 3), -1, r"panel.glance_views .* is -1, must be 0"),
        ("lane_units", (0, 1, 0), 10**6, r"panel.outbound .* must be \d+, the units of its lanes"),
        ("lane_node", (0, 1, 0), 99, r"panel.lane_node\[0, 1, 0\] is 99, must be in \[0, 2\]"),
        ("lane_region", (0, 1, 0), -1, r"panel.lane_region\[0, 1, 0\] is -1, must be in"),
        ("active", (slice(None), 0, 2), False, r"panel.\w+ .* period 0, node 2 .*exists"),
    ],
    ids=["free", "negative", "nan", "orders", "views", "lanes", "no node", "no region", "active"],
)
def test_other_rules(panel: xr.Dataset, name: str, cell: Any, value: float, message: str) -> None:
    changed = panel.copy(deep=True)
    changed[name].to_numpy()[cell] = value
    with pytest.raises(ValueError, match=message):
        check_conservation(changed)


def test_units_are_whole(panel: xr.Dataset) -> None:
    with pytest.raises(ValueError, match=r"panel.on_hand is of type float64, must be int64"):
        check_conservation(panel.assign(on_hand=panel["on_hand"].astype(np.float64)))


def test_pipeline_by_a_plain_loop(pair: tuple[EventLog, xr.Dataset]) -> None:
    log, panel = pair
    T = panel.sizes["period"]
    for period in range(T + 1):
        pipeline = pipeline_at(panel, period)
        expected = np.zeros_like(pipeline)
        for row in log["shipments"].to_pylist():
            if row["ordered_at"] < period <= row["arrives_at"]:
                expected[row["product"], row["arrives_at"] - period, row["node"]] += row["units"]
        np.testing.assert_array_equal(pipeline, expected)
    assert pipeline_at(panel, 2).sum() > 0
    before = panel["in_transit"].isel(period=T - 1)
    np.testing.assert_array_equal(pipeline_at(panel, T).sum(axis=1), before)
    with pytest.raises(ValueError, match=rf"period is {T + 1}, must be in \[0, {T}\]"):
        pipeline_at(panel, T + 1)


@pytest.mark.parametrize("per_chunk", [1, 2, 16])
def test_round_trip(panel: xr.Dataset, tmp_path: Path, per_chunk: int) -> None:
    for _ in range(2):
        save_panel(panel, tmp_path / "panel", products_per_chunk=per_chunk)
    again = load_panel(tmp_path / "panel")
    assert again.identical(panel)
    assert {name: again[name].dtype for name in panel.variables} == {
        name: panel[name].dtype for name in panel.variables
    }
    assert os.listdir(tmp_path) == ["panel"]
    chunks = [f for f in os.listdir(tmp_path / "panel" / "on_hand") if f[0] != "."]
    assert len(chunks) == -(-3 // per_chunk)


def test_half_written_panel_leaves_what_was(
    panel: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_panel(panel, tmp_path / "panel")
    write = xr.Dataset.to_zarr

    def fails(self: xr.Dataset, store: Any, **options: Any) -> None:
        options.pop("encoding")
        write(self[["on_hand", "price"]], store, **options)
        raise OSError("no space left on device")

    monkeypatch.setattr(xr.Dataset, "to_zarr", fails)
    for target in ("panel", "fresh"):
        with pytest.raises(OSError, match="no space left"):
            save_panel(panel, tmp_path / target)
    assert os.listdir(tmp_path) == ["panel"]
    assert load_panel(tmp_path / "panel").identical(panel)


def test_bad_panel_is_not_written(panel: xr.Dataset, tmp_path: Path) -> None:
    changed = panel.copy(deep=True)
    changed["stowed"].to_numpy()[0, 0, 0] += 1
    with pytest.raises(ValueError, match=r"panel\.\w+"):
        save_panel(changed, tmp_path / "panel")
    with pytest.raises(ValueError, match="products_per_chunk is 0, must be >= 1"):
        save_panel(panel, tmp_path / "panel", products_per_chunk=0)
    assert os.listdir(tmp_path) == []


def test_damaged_panel_is_refused(panel: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a folder with a panel"):
        load_panel(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ValueError, match=r"^panel .*empty cannot be read \(.*\), must be a panel in Zarr"
    ):
        load_panel(tmp_path / "empty")
    save_panel(panel, tmp_path / "panel")
    chunk = next(f for f in (tmp_path / "panel" / "on_hand").iterdir() if f.name[0] != ".")
    chunk.write_bytes(chunk.read_bytes()[:10])
    message = (
        r"^panel .*panel cannot be read \(.*\), must be a panel in Zarr; draingym panel makes it "
        "again of its log$"
    )
    with pytest.raises(ValueError, match=message):
        load_panel(tmp_path / "panel")
    chunk.unlink()  # Zarr reads a chunk that is not there as zeros
    with pytest.raises(ValueError, match=r"panel\.on_hand"):
        load_panel(tmp_path / "panel")


@given(st.data())
def test_stock_does_not_rise_by_itself(panel: xr.Dataset, data: st.DataObject) -> None:
    product, node = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))
    first = data.draw(st.integers(1, panel.sizes["period"] - 1))
    changed = panel.copy(deep=True)
    for name in ("on_hand", "available"):
        changed[name].to_numpy()[product, first:, node] += 1
    with pytest.raises(ValueError, match=rf"panel.available of product {product} .* node {node} "):
        check_conservation(changed)

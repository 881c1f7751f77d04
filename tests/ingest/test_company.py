"""A company's export by the two commands: everything that its tables say is in the log."""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.own_parts.company import DAYS, FIRST, LAST, NODES, PRICES, SKUS, Company
from draingym.ingest.run import ingest
from draingym.world.eventlog import EventLog, unit_of
from draingym.world.homes import view_homes
from draingym.world.panel import build_panel
from draingym.world.prices import price_paths


def days(stamp: str) -> float:
    return (datetime.strptime(stamp, "%d/%m/%Y %H:%M") - FIRST).total_seconds() / 86_400


def rows(company: Company, table: str, when: str) -> list[dict[str, Any]]:
    return [row for row in company.tables[table] if days(row[when]) < LAST]


def test_orders_and_boxes_are_the_companys(company: Company, log: EventLog) -> None:
    orders = rows(company, "orders", "Ordered at")
    assert log["order_lines"].num_rows == len(orders)
    ids = log["products"]["id"].to_pylist()
    found = Counter(
        zip(
            log["order_lines"]["order_id"].to_pylist(),
            (ids[k] for k in log.array("order_lines", "product")),
            log["order_lines"]["quantity"].to_pylist(),
            strict=True,
        )
    )
    assert found == Counter((r["Order No"], r["SKU"], r["Qty"]) for r in orders)
    numbers = {r["Order No"] for r in orders}
    boxes = [r for r in company.tables["shipments"] if r["Order No"] in numbers]
    assert log["boxes"].num_rows == len(boxes)
    assert log.array("boxes", "units").sum() == sum(r["Units"] for r in boxes)
    paid = sum(float(r["Cost"].replace(",", ".")) for r in boxes)
    assert log.array("boxes", "cost_share").sum() == pytest.approx(paid)
    names = log["nodes"]["name"].to_pylist()
    by_node = Counter(names[k] for k in log.array("boxes", "node"))
    assert by_node == Counter(r["Warehouse"] for r in boxes)


def test_boxes_leave_after_the_last_day(company: Company, log: EventLog) -> None:
    late = log.array("boxes", "shipped_at") >= LAST
    numbers = {r["Order No"] for r in rows(company, "orders", "Ordered at")}
    sent = [r for r in company.tables["shipments"] if r["Order No"] in numbers]
    assert late.sum() == sum(days(r["Shipped at"]) >= LAST for r in sent) > 0
    panel = build_panel(log)
    units = log.array("boxes", "units")
    assert panel["outbound"].sum() == units[~late].sum()
    assert panel["lane_units"].sum() == units[~late].sum()


def test_stock_is_what_was_counted(
    company: Company, log: EventLog, numbers: dict[str, Any]
) -> None:
    assert numbers["unexplained_units"] == 0
    ids, names = (log[t][c].to_pylist() for t, c in (("products", "id"), ("nodes", "name")))
    counted = {
        (row["SKU"], row["Warehouse"], int(days(row["Date"] + " 00:00"))): row["On hand"]
        for row in company.tables["stock"]
    }
    columns = ("period", "product", "node", "on_hand")
    for t, i, n, units in zip(*(log.array("inventory", c) for c in columns), strict=True):
        assert units == counted[ids[i], names[n], 7 * int(t) + 6]
    changes = sum(r["Units"] for r in rows(company, "adjustments", "Adjusted at"))
    assert log.array("inventory", "adjusted").sum() == changes
    panel = build_panel(log)
    assert panel["adjusted"].sum() == changes
    sent = sum(r["Units"] for r in rows(company, "transfers", "Left at"))
    assert panel["transferred"].sum() == sent
    assert list(panel["parent"].to_numpy()) == [-1, 0, 0]
    assert names[0] == next(iter(NODES))


def test_unknown_customers_and_orders_without_a_view(
    company: Company, log: EventLog, numbers: dict[str, Any]
) -> None:
    orders = rows(company, "orders", "Ordered at")
    ordered = log.array("glance_views", "order") >= 0
    unknown = log.array("glance_views", "customer") < 0
    assert (unknown & ordered).sum() == sum(not r["Client"] for r in orders)
    assert log["glance_views"]["customer"].null_count == unknown.sum()
    blind = ~log.array("glance_views", "seen")
    expected = sum(not r["Client"] or r["Channel"] == "phone" for r in orders)
    # A phone order may be linked with a chance view of the same customer a few hours before.
    assert 0.8 * expected <= blind.sum() <= expected
    assert not (blind & ~ordered).any()
    views = rows(company, "views", "Viewed at")
    assert (~ordered).sum() + (ordered & ~blind).sum() == len(views)
    assert 0 < numbers["anonymous_orders"] < 1
    homes = view_homes(log)
    regions = log.array("regions", "latitude")[log.array("glance_views", "region")]
    np.testing.assert_array_equal(homes.latitude[unknown], regions[unknown])
    line = log.array("glance_views", "order")
    for order in np.unique(line[unknown & ordered])[:20]:
        assert np.unique(homes.customer[line == order]).size == 1
    alone = homes.customer[unknown & ~ordered]
    assert np.unique(alone).size == alone.size


def test_a_line_was_promised_what_its_view_was(company: Company, log: EventLog) -> None:
    """Orders name the option alone; one without a view was promised no more than it chose."""
    views: defaultdict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for r in rows(company, "views", "Viewed at"):
        views[r["Client"], r["SKU"]].append((days(r["Viewed at"]), r["Promised"]))
    promised = {
        (r["Order No"], r["SKU"]): promise
        for r in rows(company, "orders", "Ordered at")
        for when, promise in views[r["Client"], r["SKU"]]
        if r["Client"] and r["Channel"] == "web"
        if days(r["Ordered at"]) - when == pytest.approx(0.02, abs=0.001)
    }
    line_view, ids = log.array("order_lines", "view"), log["products"]["id"].to_pylist()
    shown, chosen = (log["glance_views"][c].to_pylist() for c in ("promise", "ship_option"))
    seen = log.array("glance_views", "seen")
    names = zip(
        log["order_lines"]["order_id"].to_pylist(),
        (ids[k] for k in log.array("order_lines", "product")),
        strict=True,
    )
    told = 0
    for (order, sku), view in zip(names, line_view, strict=True):
        if not seen[view]:
            assert shown[view] == chosen[view]
        elif (order, sku) in promised:
            assert shown[view] == promised[order, sku]
            told += shown[view] != chosen[view]
    assert told > 10  # were content with a slower option than they were promised


def test_labels_prices_ids_and_columns_are_kept(log: EventLog) -> None:
    shown = set(log["glance_views"]["promise"].to_pylist())
    assert shown == {"same day", "express", "standard"}
    assert log["promises"].to_pydict() == {
        "label": ["same day", "express", "standard"],
        "within_days": [0.0, 1.0, 4.0],
    }
    codes = {"same day": 0, "express": 0, "standard": 2}
    text = log["glance_views"]["promise"].to_pylist()
    assert [codes[x] for x in text] == log.array("glance_views", "promise").tolist()
    assert set(log["products"]["id"].to_pylist()) == set(SKUS)
    path, ids = price_paths(log), log["products"]["id"].to_pylist()
    for sku, price in zip(SKUS, PRICES, strict=True):
        np.testing.assert_allclose(path[ids.index(sku), :3], price)
        np.testing.assert_allclose(path[ids.index(sku), 3:], 0.8 * price, rtol=1e-3)
    panel = build_panel(log)
    np.testing.assert_array_equal(panel["price_path"], path)
    assert set(log["products"]["Brand"].to_pylist()) == {f"b{k}" for k in range(5)}
    channel = log["glance_views"]["Channel"].to_pylist()
    assert set(channel) == {"web", None}  # None for an order without a view
    assert set(log["order_lines"]["Channel"].to_pylist()) == {"web", "phone"}
    assert unit_of(log, "currency", "USD") == "EUR"
    assert log.array("products", "weight")[ids.index("A-100")] == pytest.approx(0.2)


def test_the_incomplete_week_is_left_out_or_kept(
    mapping: Path, log: EventLog, tmp_path: Path
) -> None:
    assert log["calendar"].num_rows == LAST // 7
    text = mapping.read_text().replace("incomplete: drop", "incomplete: keep")
    shutil.copytree(mapping.parent / "export", tmp_path / "export")
    folder = f"folder: {mapping.parent / 'export'}"
    assert folder in text
    (tmp_path / "mapping.yaml").write_text(text.replace(folder, "folder: export"))
    numbers = ingest(tmp_path / "mapping.yaml", tmp_path / "log")
    assert numbers["calendar"] == {
        "first_date": "2024-01-01",
        "days": 7,
        "periods": 7,
        "last_covered": float(DAYS - LAST),
    }
    assert numbers["unexplained_units"] == 0


def test_the_page_and_its_numbers(made: tuple[Path, dict[str, Any]]) -> None:
    out, numbers = made
    assert json.loads((out / "quality.json").read_text()) == json.loads(json.dumps(numbers))
    page = (out / "quality.html").read_text()
    assert "<svg" in page
    assert numbers["tables"]["orders"]["dropped"]["outside of the periods"] > 0
    assert f"{numbers['orders']:,}" in page
    assert " EUR</dd>" in page


def test_names_are_escaped(mapping: Path, tmp_path: Path) -> None:
    shutil.copytree(mapping.parent / "export", tmp_path / "export")
    for name in ("warehouses", "shipments", "stock", "receipts", "transfers", "adjustments"):
        path = tmp_path / "export" / f"{name}.csv"
        path.write_text(path.read_text().replace("Nord", "<script>alert(1)</script>"))
    folder = f"folder: {mapping.parent / 'export'}"
    text = mapping.read_text().replace(folder, "folder: export")
    text = text.replace("source: export", "source: '<img src=x onerror=alert(1)>'")
    (tmp_path / "mapping.yaml").write_text(text)
    ingest(tmp_path / "mapping.yaml", tmp_path / "log")
    page = (tmp_path / "log" / "quality.html").read_text()
    assert "<script>" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_the_same_tables_give_the_same_bytes(
    mapping: Path, made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    ingest(mapping, tmp_path / "again")
    for path in made[0].iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name

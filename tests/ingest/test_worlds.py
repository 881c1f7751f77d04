"""Orders alone: a world on a geography of the user's own; data sets that we know."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from draingym.ingest.propose.init import propose
from draingym.ingest.run import ingest
from draingym.world.eventlog import read_log, unit_of
from draingym.world.geography import great_circle_km
from draingym.world.panel import build_panel

EXAMPLES = Path(__file__).parents[2] / "examples"


def online_retail(folder: Path, lines: int = 1200, products: int = 8) -> Path:
    """Write order lines in the form of UCI Online Retail: returns, fees, no customers."""
    rng = np.random.default_rng(3)
    invoice = np.sort(rng.integers(0, lines // 4, lines))
    start = datetime.datetime(2010, 12, 1, 8, 26)
    number = [f"{536365 + k}" for k in invoice]
    code = [f"{22000 + k}A" for k in rng.integers(0, products, lines)]
    quantity = rng.integers(1, 12, lines)
    for k in range(0, lines, 97):
        number[k], quantity[k] = "C" + number[k], -quantity[k]
    for k in range(0, lines, 89):
        code[k] = "POST"
    customer = np.where(rng.random(lines) < 0.25, np.nan, 17000 + invoice % 60)
    table = pa.table(
        {
            "InvoiceNo": number,
            "StockCode": code,
            "Quantity": quantity,
            "InvoiceDate": pa.array(
                [start + datetime.timedelta(hours=int(k)) for k in invoice * 24 // 12],
                pa.timestamp("ns"),
            ),
            "UnitPrice": np.round(rng.uniform(0.5, 9.0, lines), 2),
            "CustomerID": customer,
            "Country": np.where(np.arange(lines) % 50 == 0, "France", "United Kingdom"),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "online_retail.parquet")
    return folder


def world_mapping(text: str, folder: Path, example: str, **numbers: int) -> Path:
    """Write a mapping with an example's nodes and places, and smaller numbers."""
    text = text.replace("folder: .\n", f"folder: {EXAMPLES / example}\n")
    for name, value in numbers.items():
        lines = [line for line in text.splitlines() if line.strip().startswith(f"{name}: ")]
        assert len(lines) == 1, name
        text = text.replace(lines[0], f"{lines[0].split(':')[0]}: {value}")
    path = folder / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = online_retail(tmp_path_factory.mktemp("retail"))
    path = world_mapping(
        propose(folder), folder, "united_kingdom", num_products=6, max_line_quantity=10
    )
    return folder / "log", ingest(path, folder / "log")


def test_online_retail_becomes_a_world_in_the_united_kingdom(
    world: tuple[Path, dict[str, object]],
) -> None:
    out, numbers = world
    log = read_log(out)
    assert numbers["build"] == "world"
    assert unit_of(log, "currency", "") == "GBP"
    assert unit_of(log, "weight", "") == "kg"
    np.testing.assert_allclose(log.array("products", "weight"), 0.3)  # as the mapping assumes
    nodes, regions = log["nodes"]["name"].to_pylist(), log["regions"]["name"].to_pylist()
    assert nodes[0] == "Felixstowe"
    assert set(regions) >= {"London", "Scotland", "Northern Ireland"}
    assert log.array("nodes", "parent").tolist() == [-1] + [0] * 6
    assert log["products"].num_rows == 6
    dropped = numbers["tables"]["orders"]["dropped"]  # type: ignore[index]
    assert dropped["by where and drop of the mapping"] > 0  # France and postage
    assert dropped["returns"] > 0
    assert dropped["over 10 units"] > 0
    assert any("world to experiment in" in text for text in numbers["assumed"])  # type: ignore[attr-defined]
    assert (out / "carrier.json").is_file()
    # Prices are the orders' own, and boxes cost what the card says, lanes and noise apart.
    price = log.array("products", "price")
    assert ((price > 0.5) & (price < 9.0)).all()
    panel = build_panel(log)
    km = great_circle_km(
        log.array("nodes", "latitude")[:, None],
        log.array("nodes", "longitude")[:, None],
        log.array("regions", "latitude"),
        log.array("regions", "longitude"),
    )
    np.testing.assert_array_equal(panel["distance_km"], km)
    assert km.max() < 1200
    assert panel["outbound"].sum() > 0
    assert panel["outbound"][:, :, 0].sum() == 0


def test_the_company_needs_no_us(world: tuple[Path, dict[str, object]]) -> None:
    page = (world[0] / "quality.html").read_text()
    for word in ("USD", " lb", "zip"):
        assert word not in page, word


def ta_feng(folder: Path) -> Path:
    """Write order lines in the form of Ta-Feng."""
    rng = np.random.default_rng(5)
    rows = [
        "TRANSACTION_DT,CUSTOMER_ID,AGE_GROUP,PIN_CODE,PRODUCT_SUBCLASS,PRODUCT_ID,AMOUNT,ASSET,SALES_PRICE"
    ]
    for day in range(24):
        date = (datetime.date(2000, 11, 1) + datetime.timedelta(days=day)).strftime("%m/%d/%Y")
        for _ in range(20):
            customer = int(rng.integers(1000, 1040))
            pin = ["105", "106", "110", "114", "115", "221", "others", "Unknown"][customer % 8]
            units, product = int(rng.integers(1, 4)), int(rng.integers(0, 5))
            rows.append(
                f"{date},{customer:08d},35-39,{pin},100{product},"
                f"47120{product},{units},{20 * units},{29 * units}"
            )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ta_feng.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.slow
def test_ta_feng_becomes_a_world_in_taipei(tmp_path: Path) -> None:
    folder = ta_feng(tmp_path / "export")
    path = world_mapping(propose(folder), tmp_path, "taipei", num_products=4)
    numbers = ingest(path, tmp_path / "log")
    log = read_log(tmp_path / "log")
    districts = ["Da'an", "Nangang", "Neihu", "Songshan", "Xinyi", "Xizhi"]
    assert log["regions"]["name"].to_pylist() == districts
    assert numbers["calendar"]["days"] == 2
    assert numbers["currency"] == "TWD"
    np.testing.assert_allclose(log.array("products", "price"), 29.0)
    np.testing.assert_allclose(log.array("products", "unit_cost"), 20.0)
    assert any("dates alone" in text for text in numbers["assumed"])
    assert any("say no place" in text for text in numbers["assumed"])


def jd(folder: Path) -> Path:
    """Write tables in the form of JD.com's, MSOM 2020, with its "-" values and gaps."""
    rng = np.random.default_rng(7)
    network = [(region, dc) for region, dc in ((1, 1), (1, 2), (1, 3), (4, 4), (4, 5))]
    tables: dict[str, list[str]] = {
        "JD_order_data": [
            "order_ID,user_ID,sku_ID,order_date,order_time,quantity,type,promise,"
            "original_unit_price,final_unit_price,direct_discount_per_unit,"
            "quantity_discount_per_unit,bundle_discount_per_unit,coupon_discount_per_unit,"
            "gift_item,dc_ori,dc_des"
        ],
        "JD_click_data": ["sku_ID,user_ID,request_time,channel"],
        "JD_inventory_data": ["dc_ID,sku_ID,date"],
        "JD_network_data": ["region_ID,dc_ID", *(f"{r},{d}" for r, d in network)],
        "JD_delivery_data": ["package_ID,order_ID,type,ship_out_time,arr_station_time,arr_time"],
        "JD_sku_data": ["sku_ID,type,brand_ID,attribute1,attribute2,activate_date,deactivate_date"],
        "JD_user_data": [
            "user_ID,user_level,first_order_month,plus,gender,age,marital_status,education,"
            "city_level,purchase_power"
        ],
    }
    skus = [f"{k:010x}" for k in range(4)]
    tables["JD_sku_data"] += [f"{sku},1,b{k},3,-,-,-" for k, sku in enumerate(skus)]
    number = 0
    for day in range(1, 15):
        date = f"2018-03-{day:02d}"
        for sku in skus:
            for _, dc in network:
                if rng.random() < 0.8:
                    tables["JD_inventory_data"].append(f"{dc},{sku},{date}")
        for _ in range(12):
            number += 1
            user, order = f"u{rng.integers(30)}", f"o{number:06d}"
            hour, minute = int(rng.integers(1, 20)), int(rng.integers(60))
            kind, des = int(rng.random() < 0.15) + 1, int(rng.integers(1, 7))
            region = 1 if des <= 3 else 4
            for sku in rng.choice(skus, size=int(rng.integers(1, 3)), replace=False):
                gift = rng.random() < 0.1
                promise = rng.choice(["1", "2", "3", "-"], p=[0.5, 0.2, 0.1, 0.2])
                origin = des if des <= 5 and rng.random() < 0.7 else region
                tables["JD_order_data"].append(
                    f"{order},{user},{sku},{date},{date} {hour:02d}:{minute:02d}:25.0,"
                    f"{rng.integers(1, 3)},{kind},{promise},99.0,{0.0 if gift else 79.0},20.0,0.0,"
                    f"0.0,0.0,{int(gift)},{origin},{des}"
                )
                if rng.random() < 0.7:
                    tables["JD_click_data"].append(
                        f"{sku},{user},{date} {hour - 1:02d}:{minute:02d}:11,app"
                    )
            if kind == 1 and rng.random() < 0.9:
                tables["JD_delivery_data"].append(
                    f"p{number:06d},{order},1,{date} {hour + 2:02d}:00:00,-,-"
                )
        for _ in range(60):
            user = "-" if rng.random() < 0.5 else f"u{rng.integers(90)}"
            tables["JD_click_data"].append(
                f"{rng.choice(skus)},{user},{date} {rng.integers(24):02d}:30:00,mobile"
            )
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_jd_becomes_a_log(tmp_path: Path) -> None:
    folder = jd(tmp_path / "export")
    text = propose(folder)
    path = tmp_path / "mapping.yaml"
    path.write_text(text.replace("num_products: 500", "num_products: 4"))
    numbers = ingest(path, tmp_path / "log")
    log = read_log(tmp_path / "log")
    assert log["nodes"]["name"].to_pylist() == ["1", "4", "2", "3", "5"]
    assert log.array("nodes", "parent").tolist() == [-1, -1, 0, 0, 1]
    assert numbers["stand_in_coordinates"]
    assert not numbers["stock_counted"]
    assert numbers["tables"]["orders"]["dropped"]["by where and drop of the mapping"] > 0
    assert {"1d", "2d", "3d", "3d+"} == set(log["glance_views"]["promise"].to_pylist()) - {"oos"}
    assert log["promises"].to_pydict() == {"label": ["3d"], "within_days": [3.0]}
    unknown = log.array("glance_views", "customer") < 0
    ordered = log.array("glance_views", "order") >= 0
    assert unknown[~ordered].mean() > 0.4
    assert not unknown[ordered].any()
    assert (~log.array("glance_views", "seen")).sum() > 0
    # What a node had in stock at the end of a day is what its table says, and never less than that.
    rows = {
        tuple(line.split(",")) for line in (folder / "JD_inventory_data.csv").read_text().split()
    }
    ids, names = (log[t][c].to_pylist() for t, c in (("products", "id"), ("nodes", "name")))
    columns = ("period", "product", "node", "on_hand")
    serves = log.array("nodes", "serves_customers")
    for t, i, n, units in zip(*(log.array("inventory", c) for c in columns), strict=True):
        if serves[n]:
            there = (names[n], ids[i], f"2018-03-{t + 1:02d}") in rows
            assert (units > 0) == there
    assert any("Stock is made up" in text for text in numbers["assumed"])
    assert any("coordinates" in text for text in numbers["assumed"])
    assert any("card of rates" in text for text in numbers["assumed"])
    build_panel(log)

"""A small company in France, and its export as CSV: semicolons, decimal commas, days first.

Its export holds adjustments, anonymous views and orders, orders by phone, ids that are text, prices
that change, and boxes that leave after the last whole week.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

FIRST = datetime(2024, 1, 1)
DAYS = 45  # six weeks, and three days of a seventh
LAST = 42  # days of whole weeks
SHELF = 25  # units of a product below which a node that serves customers is sent more
SKUS = ("A-100", "A-200", "B-007", "C-x/1", "D & <co>")
PRICES = (12.5, 30.0, 7.2, 55.0, 18.9)
PLACES = {
    "Lyon": (45.76, 4.84, 520_000),
    "Lille": (50.63, 3.06, 230_000),
    "Nantes": (47.22, -1.55, 310_000),
    "Nice": (43.70, 7.27, 340_000),
}
NODES = {
    "Central": (47.9, 1.9, "", "non"),
    "Nord": (50.4, 2.8, "Central", "oui"),
    "Sud": (43.6, 4.8, "Central", "oui"),
}
LABELS = ("same day", "express", "standard")


@dataclass
class Company:
    """Rows of each table, as the export has them, and what is true of them."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    on_hand: dict[tuple[str, str], int] = field(default_factory=dict)
    leaving: list[tuple[int, str, str, int]] = field(default_factory=list)  # packed, not gone
    phone_lines: int = 0
    anonymous_orders: int = 0
    orders: int = 0
    last: int = LAST  # days of whole weeks
    shelf: int = SHELF


def _stamp(days: float) -> str:
    return (FIRST + timedelta(minutes=round(days * 1440))).strftime("%d/%m/%Y %H:%M")


def _comma(value: float) -> str:
    return f"{value:.2f}".replace(".", ",")


def run_company(seed: int = 0, days: int = DAYS, shelf: int = SHELF) -> Company:
    """Let the company run: its flows add up.

    Args:
        seed: Of everything.
        days: That its tables tell of.
        shelf: Units of a product below which a node that serves customers is sent more.
    """
    rng = np.random.default_rng(seed)
    made = Company(last=7 * (days // 7), shelf=shelf)
    rows, stock = made.tables, made.on_hand
    for sku in SKUS:
        for node in NODES:
            stock[sku, node] = shelf + 5
    rows["stock"] = [
        {"Date": "31/12/2023", "Warehouse": node, "SKU": sku, "On hand": units}
        for (sku, node), units in stock.items()
    ]
    coming: list[tuple[int, str, str, int]] = []
    for day in range(days):
        for _, sku, node, units in [c for c in coming if c[0] == day]:
            stock[sku, node] += units
        for _, sku, node, units in [c for c in made.leaving if c[0] == day]:
            stock[sku, node] -= units
        made.leaving = [c for c in made.leaving if c[0] > day]
        _replenish(made, coming, day, rng)
        _views(made, day, rng)
        for _ in range(int(rng.poisson(6))):
            _order(made, day, rng)
        if rng.random() < 0.4:
            _adjust(made, day, rng)
        rows["stock"] += [
            {"Date": _stamp(day)[:10], "Warehouse": node, "SKU": sku, "On hand": units}
            for (sku, node), units in stock.items()
        ]
    rows["views"].sort(key=lambda row: datetime.strptime(row["Viewed at"], "%d/%m/%Y %H:%M"))
    return made


def _replenish(
    made: Company, coming: list[tuple[int, str, str, int]], day: int, rng: np.random.Generator
) -> None:
    rows, stock = made.tables, made.on_hand
    for sku in SKUS:
        if day % 7 == 1:
            units = int(rng.integers(30, 60))
            rows["receipts"].append(
                {
                    "SKU": sku,
                    "Warehouse": "Central",
                    "Received at": _stamp(day),
                    "Units": units,
                    "Order date": _stamp(day - 5),
                }
            )
            stock[sku, "Central"] += units
        for node in ("Nord", "Sud"):
            if day % 3 == 2 and stock[sku, node] < made.shelf and stock[sku, "Central"] > 0:
                units = min(int(rng.integers(8, 20)), stock[sku, "Central"])
                stock[sku, "Central"] -= units
                coming.append((day + 2, sku, node, units))
                rows["transfers"].append(
                    {
                        "SKU": sku,
                        "From": "Central",
                        "To": node,
                        "Left at": _stamp(day),
                        "Units": units,
                        "Arrived at": _stamp(day + 2),
                    }
                )


def _near(city: str) -> tuple[str, str]:
    """Return the nodes that serve customers, the nearer one first."""
    return ("Nord", "Sud") if city in ("Lille", "Nantes") else ("Sud", "Nord")


def _promised(made: Company, time: float, sku: str, city: str) -> str:
    """Return the label that is shown: by distance, hour, and what is on the nearer node's shelf.

    Nantes is too far from any node for a fast one, and every city from the node that is not near.
    """
    same_day, express, standard = LABELS
    if city == "Nantes" or not made.on_hand[sku, _near(city)[0]]:
        return standard
    return same_day if city != "Nice" and time % 1.0 < 0.5 else express


def _views(made: Company, day: int, rng: np.random.Generator) -> None:
    for _ in range(int(rng.poisson(40))):
        known = rng.random() < 0.3
        time = day + rng.uniform(0.0, 0.99)
        sku, city = str(rng.choice(SKUS)), str(rng.choice(list(PLACES)))
        made.tables["views"].append(
            {
                "Viewed at": _stamp(time),
                "SKU": sku,
                "Client": f"cl-{rng.integers(40):03d}" if known else "",
                "City": city,
                "Promised": _promised(made, time, sku, city),
                "Channel": "web",
            }
        )


def _order(made: Company, day: int, rng: np.random.Generator) -> None:
    rows, stock = made.tables, made.on_hand
    made.orders += 1
    number = f"FR-{made.orders:05d}"
    time = day + rng.uniform(0.3, 0.9)
    phone = rng.random() < 0.2
    client = "" if rng.random() < 0.25 else f"cl-{rng.integers(40):03d}"
    city = str(rng.choice(list(PLACES)))
    made.anonymous_orders += not client
    shipped = {}
    late = day == made.last - 1  # what is ordered on the log's last day leaves after it
    chosen = [SKUS[k] for k in rng.choice(len(SKUS), size=int(rng.integers(1, 4)), replace=False)]
    promised = {sku: _promised(made, time, sku, city) for sku in chosen}
    # No option is faster than what is promised of any line; some are content with the slowest.
    slowest = max(LABELS.index(label) for label in promised.values())
    option = LABELS[-1] if rng.random() < 0.2 else LABELS[slowest]
    for sku in chosen:
        units = int(rng.integers(1, 5))
        price = PRICES[SKUS.index(sku)] * (0.8 if day >= 21 else 1.0)
        rows["orders"].append(
            {
                "Order No": number,
                "SKU": sku,
                "Ordered at": _stamp(time),
                "Qty": units,
                "Client": client,
                "Unit price": _comma(price),
                "Ship to": city,
                "Service": option,
                "Channel": "phone" if phone else "web",
            }
        )
        seen = bool(client) and not phone
        made.phone_lines += not seen
        if seen:
            rows["views"].append(
                {
                    "Viewed at": _stamp(time - 0.02),
                    "SKU": sku,
                    "Client": client,
                    "City": city,
                    "Promised": promised[sku],
                    "Channel": "web",
                }
            )
        near = _near(city)
        packed = {n: sum(c[3] for c in made.leaving if c[1:3] == (sku, n)) for n in near}
        node = next((n for n in near if stock[sku, n] - packed[n] >= units), None)
        if node is not None:
            shipped[sku] = (node, units)
            if late:
                made.leaving.append((day + 2, sku, node, units))
            else:
                stock[sku, node] -= units
    for sku, (node, units) in shipped.items():
        rows["shipments"].append(
            {
                "Parcel": f"{number}/{node}",
                "Order No": number,
                "SKU": sku,
                "Warehouse": node,
                "Shipped at": _stamp(time + (2.0 if late else 0.01)),
                "Units": units,
                "Cost": _comma(3.1 + 0.4 * units),
            }
        )


def _adjust(made: Company, day: int, rng: np.random.Generator) -> None:
    sku, node = str(rng.choice(SKUS)), str(rng.choice(["Nord", "Sud"]))
    units = int(rng.choice([-2, -1, 1, 3]))
    packed = sum(c[3] for c in made.leaving if c[1:3] == (sku, node))
    if made.on_hand[sku, node] - packed + units >= 0:
        made.on_hand[sku, node] += units
        reason = "damage" if units < 0 else "return"
        made.tables["adjustments"].append(
            {
                "SKU": sku,
                "Warehouse": node,
                "Adjusted at": _stamp(day + 0.95),
                "Units": units,
                "Reason": reason,
            }
        )


def write_export(company: Company, folder: Path) -> Path:
    """Write the export, with tables of products, warehouses and cities."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = dict(company.tables)
    tables["products"] = [
        {
            "SKU": sku,
            "Weight kg": _comma(0.2 + 0.3 * k),
            "Unit cost": _comma(0.6 * p),
            "Brand": f"b{k}",
        }
        for k, (sku, p) in enumerate(zip(SKUS, PRICES, strict=True))
    ]
    tables["warehouses"] = [
        {
            "Warehouse": name,
            "Latitude": _comma(lat),
            "Longitude": _comma(lon),
            "Parent": parent,
            "Serves customers": {"oui": "yes", "non": "no"}[serves],
            "Lead days": 2 if parent else 5,
        }
        for name, (lat, lon, parent, serves) in NODES.items()
    ]
    tables["cities"] = [
        {"City": name, "Latitude": _comma(lat), "Longitude": _comma(lon), "Population": people}
        for name, (lat, lon, people) in PLACES.items()
    ]
    for name, rows in tables.items():
        lines = [";".join(rows[0])]
        lines += [";".join(str(value) for value in row.values()) for row in rows]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


PROMISES = "promises: {same day: 0, express: 1, standard: 4}"


def write_mapping(text: str, path: Path, *changes: tuple[str, str]) -> Path:
    """Write a proposed mapping as a user would correct it: with the labels of promises.

    Raises:
        ValueError: If a change finds nothing to change.
    """
    for old, new in (("promises: {}", PROMISES), *changes):
        if old not in text:
            raise ValueError(f"{old!r} is not in the mapping")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path

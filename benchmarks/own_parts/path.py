"""Bar 1: from a company's own tables to its orders, by the commands of the page on own data.

Each command runs in a process of its own, as a user types it; nothing is written but text: what a
mapping needs corrected, and a small JSON file for ``train-drain``. Two companies: UCI Online Retail
as Parquet, with the nodes and places of ``examples/united_kingdom``, and a small one's CSV files,
which are made here. Where ``draingym check`` fails, ``validate`` is told to judge all the same, as
its page then says; where its verdict is no, models are fine-tuned and judged again.

The bar is held to the processor's clock with all cores added: no less than the wall's on a machine
that does nothing else, and the same on one that does. The wall's stands beside it.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks._common import Claim, at_least, at_most, figure_only
from benchmarks.own_parts.commands import ROOT, finish
from benchmarks.own_parts.company import run_company, write_export, write_mapping
from benchmarks.own_parts.kills import DRAIN, SETTINGS
from draingym.common.files import write_json

MINUTES = 20.0
RETAIL = "online_retail.parquet"
_LIMITS = {"node shares": 3.0, "units": 2.0, "ship cost": 3.0}  # of bar 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Shop:
    """A company, and what it types."""

    name: str
    known: int  # periods that models and policies are fitted on
    write: Callable[[Path], None]  # its tables, into a folder
    correct: Callable[[str, Path], Any]  # a proposed mapping, into a file
    drain: Mapping[str, Any] = field(default_factory=dict)  # of ``train-drain``; else its defaults
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)  # of bar 2, by figure


def online_retail(data: Path) -> Shop:
    """Return UCI Online Retail: 500 products in the United Kingdom, 53 weeks.

    Raises:
        ValueError: If its file is not there.
    """
    source = data / RETAIL
    if not source.exists():
        raise ValueError(
            f"{source} is not there, must be UCI Online Retail as Parquet: give --data"
        )

    def write(folder: Path) -> None:
        (folder / "export").mkdir()
        shutil.copy(source, folder / "export" / RETAIL)
        for name in ("nodes.csv", "places.csv"):
            shutil.copy(ROOT / "examples" / "united_kingdom" / name, folder / name)

    return Shop(
        name="Online Retail",
        known=35,
        write=write,
        correct=lambda text, path: path.write_text(text, encoding="utf-8"),
    )


def company(weeks: int = 34) -> Shop:
    """Return a shop of 5 products: anonymous views, phone orders, adjustments, ids as text."""

    def write(folder: Path) -> None:
        write_export(run_company(days=7 * weeks + 3, shelf=60), folder / "export")

    return Shop(
        name="company",
        known=round(weeks * 2 / 3),
        write=write,
        correct=lambda text, path: write_mapping(text, path, ("currency: XXX", "currency: EUR")),
        limits=_LIMITS,
    )


def small_company() -> Shop:
    """Return the shop's first weeks by two days, with training that is over at once."""
    days = ("  days: 7", "  days: 2")
    return Shop(
        name="company",
        known=14,
        write=_write_small,
        correct=lambda text, path: write_mapping(
            text, path, ("currency: XXX", "currency: EUR"), days
        ),
        drain=DRAIN,
        settings=SETTINGS,
    )


def _write_small(folder: Path) -> None:
    write_export(run_company(), folder / "export")


def run(folder: Path, shops: Sequence[Shop]) -> tuple[list[dict[str, Any]], list[Claim]]:
    """Go from tables to orders.

    Args:
        folder: Of all that is made; a command that was run to its end is not run again.
        shops: Whose.

    Returns:
        Rows and claims.
    """
    rows: list[dict[str, Any]] = []
    claims: list[Claim] = []
    for shop in shops:
        found = _walk(shop, folder / shop.name.lower().replace(" ", "_"))
        rows += found
        claims += claims_of(shop, found)
    return rows, claims


def claims_of(shop: Shop, rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Return what a shop's rows say: minutes, orders, and its check as it came out."""
    steps = [row for row in rows if row["table"] == "commands"]
    figures = [row for row in rows if row["table"] == "check"]
    orders = next(row for row in rows if row["table"] == "orders")
    name = shop.name
    claims = [
        at_most(
            1,
            f"{name}, {orders['products']} products, from tables to orders.csv: "
            "processor's clock, both cores added",
            sum(row["processor s"] for row in steps) / 60,
            "minutes",
            MINUTES,
        ),
        figure_only(
            1, f"{name}: wall's clock", sum(row["seconds"] for row in steps) / 60, "minutes"
        ),
        at_least(1, f"{name}: rows of orders.csv", orders["rows"], "", 1),
    ]
    for row in figures:
        what = f"{name}: self-replay of the fitted oracle, {row['figure']} off by"
        bound = shop.limits.get(row["figure"])
        if bound is None:
            claims.append(figure_only(1, what, row["off"], row["unit"]))
        else:
            claims.append(at_most(2, what, row["off"], row["unit"], bound))
    within = sum(row["passes"] for row in figures)
    claims.append(
        figure_only(
            1, f"{name}: figures of draingym check, of {len(figures)}, in bounds", within, ""
        )
    )
    return claims


class _Walk:
    """Runs commands in a folder, one after the other; keeps how long each took."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.kept = folder, folder / "steps.json"
        self.rows: list[dict[str, Any]] = []
        self.done: dict[str, dict[str, Any]] = {}
        if self.kept.exists():
            self.done = json.loads(self.kept.read_text(encoding="utf-8"))

    def __call__(
        self, words: str, made: Sequence[str], *, codes: Sequence[int] = (0,), said: str = ""
    ) -> int:
        """Run a command to its end, unless it was; return its exit code.

        Args:
            words: After ``draingym``.
            made: What it makes; removed first, so that a run that was interrupted starts anew.
            codes: With which it may end.
            said: File for what it prints, if that is what it is for.
        """
        if words not in self.done:
            for name in made:
                path = self.folder / name
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            print(f"{self.folder.name}: draingym {words}", flush=True)
            ended = finish(self.folder, words.split(), self.folder / (said or "said.txt"), codes)
            self.done[words] = {
                "seconds": ended.seconds,
                "processor s": ended.processor,
                "exit code": ended.code,
            }
            write_json(self.kept, self.done)
        row = self.done[words]
        self.rows.append({"table": "commands", "command": f"draingym {words}", **row})
        return int(row["exit code"])


def _walk(shop: Shop, folder: Path) -> list[dict[str, Any]]:
    """Return rows of a shop's commands, of its check and of its orders."""
    if not (folder / "written").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shop.write(folder)
        training = {"panel": "panel.zarr", "out": "drain", "tensorboard": False}
        fields = {"drain": dict(shop.drain)} if shop.drain else {}
        write_json(folder / "drain.json", training | fields)
        write_json(folder / "settings.json", dict(shop.settings))
        (folder / "written").touch()
    draingym = _Walk(folder)
    proposed = folder / "proposed.yaml"
    draingym("ingest --init export", ("proposed.yaml",), said="proposed.yaml")
    shop.correct(proposed.read_text(encoding="utf-8"), folder / "mapping.yaml")
    draingym("ingest mapping.yaml --out log", ("log",))
    failed = draingym("check log", ("log_check.json",), codes=(0, 1))
    draingym(f"panel log --known-periods {shop.known} --out panel.zarr", ("panel.zarr",))
    draingym("train-drain drain.json", ("drain",))
    of = "--panel panel.zarr --settings settings.json"
    drain, policy = "drain/drain_model.npz", "neural.npz"
    draingym(f"train-policy log --drain {drain} {of} --out {policy}", (policy,))
    judge = f"{of} --allow-overlap products{' --allow-failed-check' if failed else ''}"

    def verdict(out: str) -> str:
        draingym(f"validate log --drain {drain} --policies {policy} {judge} --out {out}", (out,))
        page = json.loads((folder / out / "validation.json").read_text(encoding="utf-8"))
        return str(page["use"])

    use = [verdict("verdict")]
    if use[0] == "none":
        words = f"fine-tune log --drain {drain} --policies {policy} {of} --out tuned"
        draingym(words, ("tuned",))
        drain, policy = "tuned/drain_model.npz", "tuned/neural.npz"
        use.append(verdict("tuned_verdict"))
    _todays_stock(folder)
    draingym(
        f"recommend log --drain {drain} --policy {policy} {of} --stock stock.csv --out orders.csv",
        ("orders.csv",),
    )
    with (folder / "orders.csv").open(encoding="utf-8", newline="") as file:
        orders = list(csv.DictReader(file))
    summary = {
        "table": "orders",
        "products": _products(folder),
        "rows": len(orders),
        "verdict": ", fine-tuned: ".join(use),
        "units to buy": sum(float(r["units"]) for r in orders if r["action"] == "buy"),
        "units to place": sum(float(r["units"]) for r in orders if r["action"] == "place"),
    }
    rows = [*draingym.rows, *_check_rows(folder / "log_check.json"), summary]
    return [{"shop": shop.name, **row} for row in rows]


def _check_rows(path: Path) -> list[dict[str, Any]]:
    found = json.loads(path.read_text(encoding="utf-8"))["self_replay"]["comparisons"]
    return [
        {
            "table": "check",
            "figure": row["what"],
            "off": 100.0 * row["off"],
            "bound": 100.0 * row["bound"],
            "unit": "points" if row["what"] in ("node shares", "promises") else "%",
            "worst": row["worst"],
            "passes": row["off"] <= row["bound"],
        }
        for row in found
    ]


def _products(folder: Path) -> int:
    return int(pq.read_metadata(folder / "log" / "products.parquet").num_rows)


def _todays_stock(folder: Path) -> None:
    """Write what a company would export of today: what the log's last period ends with."""
    log = folder / "log"
    ids = pq.read_table(log / "products.parquet", columns=["id"])["id"].to_pylist()
    names = pq.read_table(log / "nodes.parquet", columns=["name"])["name"].to_pylist()
    rows = pq.read_table(log / "inventory.parquet").to_pylist()
    last = max(row["period"] for row in rows)
    with (folder / "stock.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("product", "node", "on_hand"))
        writer.writerows(
            (ids[row["product"]], names[row["node"]], row["on_hand"])
            for row in rows
            if row["period"] == last and row["on_hand"]
        )


def draw(axis: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the minutes of each verb, a bar a shop."""
    shops = list(dict.fromkeys(row["shop"] for row in rows))
    steps = [row for row in rows if row["table"] == "commands"]
    verbs = list(dict.fromkeys(row["command"].split()[1] for row in steps))
    left = [0.0] * len(shops)
    for verb in verbs:
        minutes = [
            sum(
                row["processor s"] / 60
                for row in steps
                if row["shop"] == shop and row["command"].split()[1] == verb
            )
            for shop in shops
        ]
        axis.barh(shops, minutes, left=left, label=verb)
        left = [a + b for a, b in zip(left, minutes, strict=True)]
    axis.axvline(MINUTES, color="0.6", linestyle=":")
    axis.set_xlabel("minutes of the processor from tables to orders.csv")
    axis.legend(frameon=False, fontsize=8)

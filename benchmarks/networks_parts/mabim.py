"""A chain of warehouses that store many products in one room: MABIM (ReplenishmentEnv) beside ours.

Both play the same orders, day by day, on data that are made here. A step is a day of the whole
chain; as ours is larger, days of a product in a warehouse are compared, too.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import jax

from benchmarks._common import timed
from benchmarks._peers import MISSING, Loop, source_of
from benchmarks.parity.mabim import mapped
from benchmarks.throughput_parts.lines_and_trees import Fixed
from draingym import Network, Normal, Scenario, batch_returns, jit

WAREHOUSES, THEIRS, OURS = 3, 200, 1000  # products of each side
DAYS, PEER_DAYS, LOOKBACK = 50, 1500, 21
BATCH, MEAN, LEAD = 16, 10.0, 2
PRICES = (6.0, 8.0, 9.0, 11.0)  # of the vendor, and down the chain
ROOM = 45.0  # units a product; what is ordered does not always fit
_NAMES = [f"store{w}" for w in range(WAREHOUSES, 0, -1)]  # from head to tail
_SHARED = {
    "unit_order_cost": 10,
    "volume": 1,
    "basic_holding_cost": 0.001,
    "backlog_ratio": 0.1,
    "overflow_cost_ratio": 0.5,
}
_STORAGE_COST = 0.002

LOOP = Loop(
    peer="mabim",
    what=f"{THEIRS} products in {WAREHOUSES} warehouses, a fixed action",
    setup=(
        "import numpy\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from ReplenishmentEnv.env.replenishment_env import ReplenishmentEnv\n"
        "env = ReplenishmentEnv(sys.argv[3])\n"
        f"a = numpy.full(({WAREHOUSES}, {THEIRS}), {MEAN})"
    ),
    step="lambda: env.step(a)[2]",
    again="env.reset",
    printed=1_061.0,
)


def chain(products: int) -> Network:
    """Return the chain as a network of ours; demand is normal, and lost where there is no stock."""

    def table(values: Sequence[float]) -> list[list[float]]:
        return [[value] * products for value in values]

    day = {
        "t": 0,
        "inputs": {
            "customer_demand": [MEAN] * products,
            "selling_price": table(PRICES[1:]),
            "procurement_cost": table(PRICES[:-1]),
        },
        "actions": {"order": table([MEAN] * WAREHOUSES)},
    }
    case = {
        "parameters": {
            "days": DAYS,
            "warehouses_head_to_tail": _NAMES,
            "skus": list(range(products)),
            "capacity": [ROOM * products] * WAREHOUSES,
            "unit_storage_cost_per_volume": [_STORAGE_COST] * WAREHOUSES,
            "volume": table([1.0] * WAREHOUSES),
            "lead_time": [[LEAD] * products] * WAREHOUSES,
            "integer_mode": False,
            "reward_function": "reward2",
            **{name: [_SHARED[name]] * WAREHOUSES for name in _SHARED if name != "volume"},
        },
        "initial": {"stock": table([2.0 * MEAN] * WAREHOUSES)},
        "periods": [day],
    }
    network = mapped(case).network
    sells = tuple(f"{WAREHOUSES - 1} {s}" for s in range(products))
    return replace(
        network,
        arcs=[replace(arc, accepts=1.0) for arc in network.arcs],
        demand={sells: Normal(means=(MEAN,) * products, sds=(0.3 * MEAN,) * products)},
    )


def rate(products: int, batch: int, repeats: int) -> float:
    """Return days a second of the whole chain, over a batch of trajectories."""
    built = chain(products).built
    scenario = built.sample(jax.random.key(0), DAYS, batch)

    @jit
    def run(scenario: Scenario) -> jax.Array:
        return batch_returns(built.simulator, built.params, Fixed(units=MEAN), None, scenario)

    (wall, _) = timed({"": lambda: run(scenario)}, repeats)[""]
    return batch * DAYS / wall


def write_data(folder: Path) -> Path:
    """Write what MABIM reads, tables of days and products; return its configuration."""
    start = date(2020, 1, 1)
    days = [start + timedelta(d) for d in range(-LOOKBACK, PEER_DAYS)]
    names = [f"SKU{s}" for s in range(THEIRS)]
    for k, price in enumerate([*PRICES, MEAN]):
        row = ",".join([str(price)] * THEIRS)
        lines = [f"Date,{','.join(names)}", *(f"{day:%Y/%m/%d},{row}" for day in days)]
        (folder / f"{k}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    info = ["SKU,init_stock,vlt", *(f"{name},{2 * MEAN:g},{LEAD}" for name in names)]
    (folder / "info.csv").write_text("\n".join(info) + "\n", encoding="utf-8")
    ends = ["super_vendor", *_NAMES, "consumer"]
    warehouses = []
    for w, name in enumerate(_NAMES):
        dynamic = {"procurement_cost": w, "selling_price": w + 1}
        if w == WAREHOUSES - 1:
            dynamic["demand"] = len(PRICES)
        warehouses.append(
            {
                "name": name,
                "capacity": ROOM * THEIRS,
                "unit_storage_cost": _STORAGE_COST,
                "accept_sku": "equal_accept",
                "upstream": ends[w],
                "downstream": ends[w + 2],
                "sku": {
                    "dynamic_data": [
                        {"name": kind, "file": str(folder / f"{k}.csv")}
                        for kind, k in dynamic.items()
                    ],
                    "static_data": str(folder / "info.csv"),
                    "shared_data": _SHARED,
                },
            }
        )
    last = start + timedelta(PEER_DAYS - 1)
    config: dict[str, Any] = {
        "env": {
            "mode": [
                {
                    "name": "train",
                    "start_date": f"{start:%Y/%m/%d}",
                    "end_date": f"{last:%Y/%m/%d}",
                }
            ],
            "lookback_len": LOOKBACK,
            "integerization_sku": False,
            "warmup": "replenish_by_last_demand",
            "sku_list": names,
        },
        "warehouse": warehouses,
        "profit_function": "reward2",
        "reward_function": "reward2",
        "action": {"mode": "continuous"},
        "output_state": {
            "current_state": ["selling_price", "procurement_cost", "in_stock", "in_transit"],
            "lookback_state": ["demand"],
        },
        "visualization": {"state": ["demand", "sale"]},
    }
    path = folder / "chain.yml"
    path.write_text(json.dumps(config), encoding="utf-8")  # what is JSON is YAML
    return path


def rows(folder: Path | None, repeats: int) -> list[dict[str, Any]]:
    """Return the chain beside MABIM's."""
    theirs, measured = None, MISSING
    if folder is not None:
        with tempfile.TemporaryDirectory() as scratch:
            config = write_data(Path(scratch))
            try:
                source = str(source_of(folder, "mabim"))
                theirs = LOOP.rate(folder, source, str(config), repeats=repeats)
                measured = "in this run"
            except (OSError, subprocess.CalledProcessError) as error:
                measured = f"{MISSING} ({type(error).__name__})"
    found = []
    for products, batch in ((THEIRS, 8 * BATCH), (OURS, BATCH)):
        ours = rate(products, batch, repeats)
        found.append(
            {
                "problem": f"chain of {products} products in {WAREHOUSES} warehouses",
                "measured": "simulation",
                "batch": batch,
                "M steps/s": ours / 1e6,
                "peer": "MABIM",
                "peer's M steps/s": None if theirs is None else theirs / 1e6,
                "times faster": None if theirs is None else ours / theirs,
                "a product": None if theirs is None else ours * products / (theirs * THEIRS),
                "peer measured": measured,
            }
        )
    return found

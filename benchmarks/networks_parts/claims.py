"""The bars of networks, from the rows of the parts that are there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks._common import Claim, at_least, at_most, figure_only

Rows = Sequence[Mapping[str, Any]]

# Times that ours must be faster, by problem, what is measured, and batch; None is any batch.
_STORE, _SERIAL = "lost-sales store", "serial system of four"
_SIMULATION, _TRAINING = "simulation", "training"
NEEDS: Mapping[tuple[str, str, int], float] = {
    (_STORE, _SIMULATION, 1024): 30.0,
    (_STORE, _SIMULATION, 8192): 20.0,
    (_STORE, _TRAINING, 1024): 4.0,
    (_STORE, _TRAINING, 8192): 2.0,
    (_SERIAL, _SIMULATION, 1024): 10.0,
    (_SERIAL, _SIMULATION, 8192): 10.0,
    (_SERIAL, _TRAINING, 1024): 4.0,
    (_SERIAL, _TRAINING, 8192): 2.0,
    ("one warehouse, five stores", _SIMULATION, 1024): 10.0,
    ("two warehouses, ten stores", _SIMULATION, 1024): 10.0,
}
WIDE_TIMES, WIDE_SHARE = 1.5, 0.6  # of layers of 512: over HDPO, or of the processor's peak
ORGYM, CHAIN, TREE, FIRST = 500.0, 1000.0, 0.95, 3.0


def parity(rows: Rows) -> list[Claim]:
    """Bar 1: the share of cases that are reproduced, in each precision."""
    claims = []
    for precision, bound in (("float32", "1e-4"), ("float64", "1e-9")):
        found = [row["reproduced"] == 1.0 for row in rows if row["precision"] == precision]
        if found:
            what = f"cases reproduced in full, {precision}, to {bound}"
            claims.append(at_least(1, what, sum(found) / len(found), "share", 1.0))
    return claims


def optima(rows: Rows) -> list[Claim]:
    """Bar 2: known optima, and known policies."""
    furthest = max(row["apart"] for row in rows)
    worst = max(row["worst action"] for row in rows)
    what = "known policies: what their worst action costs beyond the best, relative"
    return [
        at_most(
            2, f"{len(rows)} known optima, the one furthest from ours, relative", furthest, "share",
            1e-4,
        ),
        at_most(2, what, worst, "share", 1e-5),
    ]  # fmt: skip


def trees(rows: Rows) -> list[Claim]:
    """Bar 3: a described line over the same line made by hand."""
    rate = {row["line as"]: row["M steps/s"] for row in rows}
    what = "serial line as a network, over the same as a tree"
    return [at_least(3, what, rate["network"] / rate["tree"], "x", TREE)]


def hdpo(rows: Rows, peak: Rows) -> list[Claim]:
    """Bar 3: over HDPO; what was not there to be timed does not pass."""
    claims = []
    best = max((row["GFLOP/s"] for row in peak), default=math.nan)
    for row in rows:
        what = f"{row['problem']}, {row['measured']}, batch {row['batch']}, over HDPO"
        times = _number(row["times faster"])
        bound = NEEDS.get((row["problem"], row["measured"], row["batch"]))
        if bound is not None:
            claims.append(at_least(3, what, times, "x", bound))
            continue
        share = 1e-3 * row["M steps/s"] * row["flops a step"] / best
        claims.append(figure_only(3, what, times, "x"))
        claims.append(figure_only(3, f"{what[:-11]}, of the peak of a product", share, "share"))
        reached = [x for x in (times / WIDE_TIMES, share / WIDE_SHARE) if math.isfinite(x)]
        what = f"{row['layers']} layers: {WIDE_TIMES:g}x of HDPO or {WIDE_SHARE:.0%} of the peak"
        claims.append(at_least(3, what, max(reached, default=math.nan), "of it", 1.0))
    return claims


def orgym(rows: Rows) -> list[Claim]:
    """Bar 3: over or-gym's network environment."""
    what = "or-gym's network, over NetworkManagement-v1"
    return [at_least(3, what, _number(row["times faster"]), "x", ORGYM) for row in rows]


def mabim(rows: Rows) -> list[Claim]:
    """Bar 3: days of the larger chain over days of MABIM's; by product as a figure."""
    *_, larger = rows
    what = f"{larger['problem']}, days over MABIM's of 200 products"
    by_product = _number(larger["a product"])
    return [
        at_least(3, what, _number(larger["times faster"]), "x", CHAIN),
        figure_only(3, "the same, days of a product", by_product, "x"),
    ]


def first_step(rows: Rows) -> list[Claim]:
    """Bar 5: import to first step."""
    worst = {
        name: max(row[name] for row in rows)
        for name in ("first step warm, s", "of the processor, s", "first step cold, s")
    }
    warm, processor, cold = worst.values()
    return [
        at_most(5, "import to first step with a warm cache, slowest id", warm, "s", FIRST),
        figure_only(5, "the same, of the processor", processor, "s"),
        figure_only(5, "import to first step with a cold cache, slowest id", cold, "s"),
    ]


def of_parts(parts: Mapping[str, Rows]) -> list[Claim]:
    """Return the claims of the parts that are there."""
    found = []
    for name, of in (("parity", parity), ("optima", optima), ("trees", trees)):
        found += of(parts[name]) if parts.get(name) else []
    if parts.get("hdpo"):
        found += hdpo(parts["hdpo"], parts.get("peak", ()))
    for name, of in (("orgym", orgym), ("mabim", mabim), ("first_step", first_step)):
        found += of(parts[name]) if parts.get(name) else []
    return found


def _number(value: float | None) -> float:
    return math.nan if value is None else value

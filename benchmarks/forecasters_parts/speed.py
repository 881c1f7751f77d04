"""Training beside the independent implementation: same data, sizes, updates, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks._common import Claim, Clock, at_most, figure_only
from benchmarks.forecasters_parts.datasets import Dataset
from benchmarks.forecasters_parts.methods import Method, there
from benchmarks.forecasters_parts.neural import neural_peers
from benchmarks.forecasters_parts.ours import FAMILY, our_methods
from benchmarks.forecasters_parts.sizes import Sizes
from benchmarks.forecasters_parts.truth import make_truth
from draingym.forecasters.cross_validation import origins_of


def speed(sizes: Sizes, clock: Clock) -> dict[str, Any]:
    """Time fits of ours and of others' networks to the same series; all of them take turns."""
    effort = replace(sizes.effort, epochs=sizes.timed, patience=sizes.timed)
    timed = replace(sizes, effort=effort)
    methods = there([*our_methods(timed), *neural_peers(timed)])
    return timed_fits(make_truth(sizes.series).dataset, methods, timed, clock)


def timed_fits(
    dataset: Dataset, methods: Sequence[Method], sizes: Sizes, clock: Clock
) -> dict[str, Any]:
    """Return seconds of each method's fits; the first one compiles, and is told apart."""
    updates, settings = sizes.effort.updates, sizes.tried[-1]
    origin = origins_of(dataset.data.num_periods, dataset.horizon, sizes.origins)[0]
    times: dict[str, list[float]] = {method.name: [] for method in methods}
    for turn in range(sizes.turns + 1):
        for method in methods:
            began = time.perf_counter()
            method.fit(dataset, origin, settings, turn)
            times[method.name].append(time.perf_counter() - began)
        print(f"turn {turn} of fits is over", flush=True)
    clock(f"{updates} updates of {sizes.effort.batch} windows, {sizes.turns} turns")
    rows = [
        {
            **{"table": "speed", "model": name, "updates": updates},
            **{"batch": sizes.effort.batch, "width": settings["size"]},
            "first seconds": found[0],
            "seconds": statistics.median(found[1:]),
            "all seconds": found,
        }
        for name, found in times.items()
    ]
    return {"rows": rows, "size": f"speed: {updates} updates, {dataset.data.num_series} series"}


def speed_claims(rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Return the claims of bar 7: seconds over those of the independent implementation."""
    found = {row["model"]: row for row in rows if row["table"] == "speed"}
    claims = []
    for model, family in FAMILY.items():
        if model not in found or family not in found:
            continue
        mine, theirs = found[model], found[family]
        what = f"training of {model} over that of {family}"
        claims.append(at_most(7, what, mine["seconds"] / theirs["seconds"], "x", 1.0))
        first = mine["first seconds"] / theirs["first seconds"]
        claims.append(figure_only(7, f"{what}, with compiling", first, "x"))
    return claims

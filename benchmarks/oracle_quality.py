"""How good is the oracle itself, where policies put stock that history never put there?

A historical policy leaves a log of the emulated world, whose truth is hidden. The oracle draws
latents from that log, given history (conditional) or anew (independent), and replays policies far
from history. The truth replays them with the customers' real latents. Bias and variance of a
policy's value, and of differences of two policies on the same draws, under both conversions; and
the factor by which conditional conversion cuts the variance of a difference (bar 2).

    python -m benchmarks.oracle_quality [--preset small|full]
"""

from __future__ import annotations

import itertools
import time
from typing import Any, Literal

import numpy as np
import tyro
from numpy.typing import NDArray

from benchmarks._common import (
    Claim,
    at_least,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks.oracle_parts.estimates import summary, variance_factor
from benchmarks.oracle_parts.replayed_world import (
    CONVERSIONS,
    MEASURES,
    make_setting,
    order_lines,
    replay,
)

FloatArray = NDArray[np.float64]
NAME = "oracle_quality"


def main(
    preset: Literal["small", "full"] = "full", worlds: int = 4, seeds: int = 32
) -> list[Claim]:
    """Replay policies far from history, print the tables, write JSON and figure.

    Args:
        preset: Real orders at the demo's size, or small synthetic ones.
        worlds: Worlds whose hidden truth the oracle is held against.
        seeds: Draws of the latents in each.
    """
    began = time.perf_counter()
    source, lines = order_lines(preset)
    truths: list[FloatArray] = []
    found: dict[str, list[FloatArray]] = {kind: [] for kind in CONVERSIONS}
    names: list[str] = []
    for number in range(worlds):
        setting = make_setting(lines, preset, number)
        names = list(setting.policies)
        skip = setting.world.num_periods // 3
        truth, values = replay(setting, range(seeds), skip)
        truths.append(truth)
        for kind in CONVERSIONS:
            found[kind].append(values[kind])
        print(f"world {number + 1} of {worlds}: {time.perf_counter() - began:.0f} s", flush=True)
    real = np.stack(truths)  # [W, policy, 4]
    drawn = {kind: np.stack(found[kind]) for kind in CONVERSIONS}  # [W, S, policy, 4]
    rows: list[dict[str, Any]] = []
    for i, name in enumerate(names):
        for kind in CONVERSIONS:
            for m, quantity in enumerate(MEASURES):
                what = {"kind": "policy", "policy": name, "against": "", "measure": quantity}
                rows.append(
                    {**what, "conversion": kind, **summary(real[:, i, m], drawn[kind][..., i, m])}
                )
    pairs = list(itertools.combinations(range(len(names)), 2))
    differences = {
        kind: np.stack([drawn[kind][..., a, 0] - drawn[kind][..., b, 0] for a, b in pairs], axis=-1)
        for kind in CONVERSIONS
    }
    for d, (a, b) in enumerate(pairs):
        for kind in CONVERSIONS:
            what = {"kind": "difference", "policy": names[a], "against": names[b]}
            real_difference = real[:, a, 0] - real[:, b, 0]
            rows.append(
                {
                    **what,
                    "measure": "value",
                    "conversion": kind,
                    **summary(real_difference, differences[kind][..., d]),
                }
            )
    factor, low, high = variance_factor(differences["conditional"], differences["independent"])
    # Pairs with history's own policy, which conditional conversion replays exactly, set aside.
    far = [d for d, pair in enumerate(pairs) if names.index("history") not in pair]
    far_factor, far_low, far_high = variance_factor(
        differences["conditional"][..., far], differences["independent"][..., far]
    )

    def error(kind: str) -> float:
        chosen = [r for r in rows if r["kind"] == "difference" and r["conversion"] == kind]
        return float(np.exp(np.mean([np.log(r["rmse"] ** 2) for r in chosen])))

    def bias(kind: str) -> float:
        chosen = [
            r
            for r in rows
            if r["kind"] == "policy" and r["measure"] == "value" and r["conversion"] == kind
        ]
        return float(100.0 * np.mean([abs(r["bias"] / r["truth"]) for r in chosen]))

    claims = [
        figure_only(
            2, "variance of a paired difference, independent over conditional", factor, "x"
        ),
        at_least(2, "the same, lower end of its 95% interval", low, "x", 1.0),
        figure_only(2, "the same, upper end of its 95% interval", high, "x"),
        figure_only(2, "the factor between the policies far from history alone", far_factor, "x"),
        at_least(2, "the same, lower end of its 95% interval", far_low, "x", 1.0),
        figure_only(2, "the same, upper end of its 95% interval", far_high, "x"),
        figure_only(
            2,
            "mean squared error of a paired difference, independent over conditional",
            error("independent") / error("conditional"),
            "x",
        ),
        *(
            figure_only(2, f"mean absolute bias of a policy's value, {kind}", bias(kind), "%")
            for kind in CONVERSIONS
        ),
    ]
    for kind in ("policy", "difference"):
        shown = [r for r in rows if r["kind"] == kind and r["measure"] == "value"]
        print_table(f"Value of a {kind}, USD a period", shown)
    print_claims(claims)
    size = f"{preset}: {source}, {worlds} worlds, {len(names)} policies, {seeds} seeds"
    write_result(NAME, "oracle", claims, rows, range(seeds), size, time.perf_counter() - began)
    save_figure(NAME, lambda axes: draw(axes, names, real, drawn, differences), panels=2)
    return claims


def draw(
    axes: Any,
    names: list[str],
    real: FloatArray,
    drawn: dict[str, FloatArray],
    differences: dict[str, FloatArray],
) -> None:
    """Draw the errors of every policy's value, and the spread of every difference."""
    left, right = axes
    colours = {"conditional": "#1b6ca8", "independent": "#d1603d"}
    for kind, shift in zip(CONVERSIONS, (-0.15, 0.15), strict=True):
        for i in range(len(names)):
            error = 100.0 * (drawn[kind][..., i, 0] / real[:, None, i, 0] - 1.0).ravel()
            where = i + shift + np.linspace(-0.08, 0.08, error.size)
            left.plot(where, error, ".", color=colours[kind], ms=3, label=kind if i == 0 else None)
    left.axhline(0.0, color="black", lw=0.8)
    left.set_xticks(range(len(names)), names, rotation=30, ha="right")
    left.set_ylabel("error of a policy's value, %")
    left.legend(frameon=False)
    spread = {k: np.sqrt(x.var(axis=1, ddof=1).mean(axis=0)) for k, x in differences.items()}
    right.plot(spread["independent"], spread["conditional"], "o", color="#333333", ms=4)
    top = 1.05 * max(x.max() for x in spread.values())
    right.plot([0, top], [0, top], color="black", lw=0.8)
    right.set_xlim(0, top)
    right.set_ylim(0, top)
    right.set_xlabel("sd of a paired difference, independent, USD a period")
    right.set_ylabel("the same, conditional")


if __name__ == "__main__":
    tyro.cli(main)

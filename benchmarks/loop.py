"""The whole loop on the demo's settings: how long it takes, and what it finds.

Claims are the issue's: the loop ends in time, the learned drain model beats the tuned closest
node on held-out periods, and the policy trained by gradients beats the tuned order-up-to policy in
the simulator. What both are worth in the oracle and in the truth stands beside, whatever it is.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks._common import (
    Claim,
    at_most,
    figure_only,
    print_claims,
    save_figure,
    write_result,
)
from draingym.demo.config import LoopConfig
from draingym.demo.loop import run_loop

COLUMNS = ("simulator", "oracle", "truth")


def claims_of(figures: dict[str, Any]) -> list[Claim]:
    """Return the issue's claims from the figures of a run."""
    models = figures["accuracy"]["models"]
    crps = {name: models[name]["crps_node"]["mean"] for name in models}
    gain = figures["validation"]["difference"]["neural"]
    compiling = figures["compiling"].values()
    compiled = {name: sum(stage[name] for stage in compiling) for name in ("seconds", "programs")}
    claims = [
        at_most(1, "stages of the demo, all together", sum(figures["seconds"].values()), "s", 360),
        figure_only(1, "of these, compiling", compiled["seconds"], "s"),
        figure_only(1, "programs compiled", compiled["programs"], ""),
        Claim(
            bar=2,
            what="node-level CRPS of the learned model over that of the tuned closest node",
            value=crps["learned"] / crps["closest node"],
            unit="ratio",
            needs="< 1",
            passes=crps["learned"] < crps["closest node"],
        ),
        figure_only(
            2, "gap to the noise floor closed", figures["accuracy"]["gap_closed"]["mean"], ""
        ),
        Claim(
            bar=3,
            what="gain of the neural over the order-up-to policy in the simulator",
            value=gain["simulator"]["mean"],
            unit="USD per product",
            needs="> 0",
            passes=gain["simulator"]["mean"] > 0,
        ),
    ]
    return claims + [
        figure_only(3, f"the same gain in the {column}", gain[column]["mean"], "USD per product")
        for column in COLUMNS[1:]
    ]


def rows_of(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the accuracy and of the validation table."""
    rows: list[dict[str, Any]] = [
        {"table": "accuracy", "model": name, "figure": figure, **model[figure]}
        for name, model in figures["accuracy"]["models"].items()
        for figure in ("crps_node", "crps_total", "cost_crps_node")
    ]
    for kind in ("value", "difference"):
        rows += [
            {"table": kind, "policy": policy, "column": column, **cells[column]}
            for policy, cells in figures["validation"][kind].items()
            for column in COLUMNS
        ]
    return rows


def draw(axes: Any, validation: dict[str, Any]) -> None:
    """Draw values, and paired differences, of the policies in the three columns."""
    for axis, kind, title in (
        (axes[0], "value", "Value"),
        (axes[1], "difference", "Against order-up-to, paired"),
    ):
        for i, (policy, cells) in enumerate(validation[kind].items()):
            mean = [cells[column]["mean"] for column in COLUMNS]
            low = [cells[column]["mean"] - cells[column]["low"] for column in COLUMNS]
            high = [cells[column]["high"] - cells[column]["mean"] for column in COLUMNS]
            at = [k + 0.15 * (i - 1) for k in range(len(COLUMNS))]
            axis.errorbar(at, mean, yerr=[low, high], fmt="o", capsize=3, label=policy)
        axis.set_xticks(range(len(COLUMNS)), COLUMNS)
        axis.set_title(title)
        axis.set_ylabel(f"USD per product, {validation['horizon']} periods")
        axis.legend()


def main() -> None:
    """Run the loop in a new folder, unless one is named, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of a run, finished stages are kept")
    arguments = parser.parse_args()
    config = LoopConfig()
    with tempfile.TemporaryDirectory() as scratch:
        figures = run_loop(config, arguments.out or Path(scratch) / "run", Console())
    claims = claims_of(figures)
    print_claims(claims)
    save_figure("loop", lambda axes: draw(axes, figures["validation"]), panels=2)
    seconds = sum(figures["seconds"].values())
    write_result("loop", "loop", claims, rows_of(figures), [config.seed], "demo", seconds)


if __name__ == "__main__":
    main()

"""Claims, rows and figures of the placement benchmark, from its stages' figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._common import Claim, Row, at_least, at_most, figure_only
from benchmarks.policies_parts.part import Figure
from draingym.common.bootstrap import Interval, draw_means, interval
from draingym.policies.validation.validate import COLUMNS

Figures = Mapping[str, Any]
STAGES = ("before", "after")
AFTER_TABLE = "value, after fine-tuning"


@dataclass(frozen=True, kw_only=True, slots=True)
class Values:
    """Returns of all policies of one seed, [policy, column, replication, product]."""

    names: tuple[str, ...]
    values: NDArray[np.float64]

    @classmethod
    def read(cls, path: Path) -> Values:
        """Read what a validation stage wrote."""
        with np.load(path) as stored:
            return cls(names=tuple(str(n) for n in stored["names"]), values=stored["values"])


def difference(seeds: Sequence[Values], first: str, second: str, column: str) -> Interval:
    """Return a paired difference; every seed's replications count as replications."""
    c = COLUMNS.index(column)
    apart = np.concatenate(
        [v.values[v.names.index(first), c] - v.values[v.names.index(second), c] for v in seeds]
    )
    return interval(float(apart.mean()), draw_means(apart[None])[:, 0])


def _value(seeds: Sequence[Values], name: str, column: str) -> Interval:
    c = COLUMNS.index(column)
    all_seeds = np.concatenate([v.values[v.names.index(name), c] for v in seeds])
    return interval(float(all_seeds.mean()), draw_means(all_seeds[None])[:, 0])


def claims_and_rows(
    found: Mapping[int, Figures], values: Mapping[str, Sequence[Values]]
) -> tuple[list[Claim], list[Row]]:
    """Return the issue's claims, and the tables behind them.

    Args:
        found: Figures of all stages by seed.
        values: By stage, one a seed.
    """
    first = next(iter(found.values()))
    baselines = [n for n in first["learn"] if not n.startswith("neural")]
    claims = _bar_2(values, baselines) + _bar_3(found)
    rows: list[Row] = []
    for stage, seeds in values.items():
        rows += value_rows(f"value, {stage} fine-tuning", seeds, baselines)
    for seed, figures in found.items():
        for stage in STAGES:
            rows += [agreement_row(seed, stage, a) for a in figures[stage]["agreements"]]
    for seed, figures in found.items():
        rows += [
            {
                "table": "pessimism",
                "seed": seed,
                "valued by": simulator,
                "policy": policy,
                **{c: cells[c]["mean"] for c in COLUMNS},
                "error": cells["simulator"]["mean"] / cells["oracle"]["mean"] - 1.0,
                "against one model, truth": cells["against one model"],
            }
            for simulator, policies in figures.get("pessimism", {}).items()
            for policy, cells in policies.items()
        ]
    return claims, rows


def value_rows(table: str, seeds: Sequence[Values], baselines: Sequence[str]) -> list[Row]:
    """Return what every policy is worth in each column, of the seeds that have it."""
    rows: list[Row] = []
    best = best_baseline(seeds, baselines)
    for name in dict.fromkeys(name for v in seeds for name in v.names):
        own = [v for v in seeds if name in v.names]
        row = {"table": table, "policy": name, "seeds": len(own)}
        row |= {c: _value(own, name, c).value for c in COLUMNS}
        against = difference(own, name, best, "truth").to_dict()
        rows.append({**row, "against best baseline, truth": against})
    return rows


def best_baseline(seeds: Sequence[Values], baselines: Sequence[str], column: str = "truth") -> str:
    """Return the tuned baseline that is best in a column: in the truth, the hardest to beat."""
    return max(baselines, key=lambda name: _value(seeds, name, column).value)


def _bar_2(values: Mapping[str, Sequence[Values]], baselines: Sequence[str]) -> list[Claim]:
    claims = []
    for stage, words in (("before", "trained in the log's simulator"), ("after", "fine-tuned")):
        claims += gain_claims(2, f"neural, {words}", values[stage], baselines)
    return claims


def gain_claims(
    bar: int, what: str, seeds: Sequence[Values], baselines: Sequence[str]
) -> list[Claim]:
    """Return what the neural policy gains over the best baseline in the truth, seeds pooled.

    Args:
        bar: That the lower end of the interval must be above 0 for.
        what: Which neural policy it is.
        seeds: Values of each seed.
        baselines: Those that it is compared with; the best of them in the truth counts.
    """
    best = best_baseline(seeds, baselines)
    gain = {c: difference(seeds, "neural", best, c) for c in COLUMNS}
    truth = _value(seeds, best, "truth").value
    return [
        Claim(
            bar=bar,
            what=f"{what}, over the best tuned baseline ({best}) in the truth, "
            "held-out products and periods: lower end of the interval",
            value=gain["truth"].low,
            unit="USD per product",
            needs="> 0",
            passes=gain["truth"].low > 0,
        ),
        figure_only(bar, f"{what}: mean gain", gain["truth"].value, "USD per product"),
        figure_only(
            bar, f"{what}: gain, of that baseline's value", gain["truth"].value / truth, ""
        ),
        figure_only(
            bar,
            f"{what}: share of the simulator's promised gain that survives in the truth",
            gain["truth"].value / gain["simulator"].value,
            "",
        ),
    ]


def _bar_3(found: Mapping[int, Figures]) -> list[Claim]:
    """Return the claims on the simulator: the worst seed counts."""

    def worst(stage: str, key: str, pick: Callable[[Any], Any] = max) -> float:
        return float(pick(f[stage]["agreements"][0][key]["mean"] for f in found.values()))

    number = min(len(f["after"]["value"]) for f in found.values())
    claims = [
        at_most(3, "value error before fine-tuning", worst("before", "mean_error"), "", 0.10),
        at_most(3, "value error after fine-tuning", worst("after", "mean_error"), "", 0.03),
        at_least(3, "policies that judge", number, "", 20),
        at_least(3, "Kendall after fine-tuning", worst("after", "kendall", min), "", 0.9),
        at_most(3, "regret of selection after fine-tuning", worst("after", "regret"), "", 0.01),
        figure_only(3, "Kendall before fine-tuning", worst("before", "kendall", min), ""),
        figure_only(3, "regret before fine-tuning", worst("before", "regret"), ""),
    ]
    for stage in STAGES:
        errors = [
            abs(e["mean"])
            for f in found.values()
            for e in f[stage]["agreements"][0]["error"].values()
        ]
        claims.append(
            figure_only(3, f"value error of the worst policy {stage} fine-tuning", max(errors), "")
        )
    return claims


def agreement_row(seed: int, stage: str, a: Figures) -> Row:
    """Return a row of how two columns agree: ``a`` as ``Verdict.to_dict`` has it."""
    return {
        "table": "agreement",
        "seed": seed,
        "stage": stage,
        "columns": f"{a['column']} for {a['reference']}",
        "error": a["mean_error"]["mean"],
        "worst": a["worst"],
        "worst error": a["error"][a["worst"]]["mean"],
        "kendall": a["kendall"]["mean"],
        "spearman": a["spearman"]["mean"],
        "regret": a["regret"]["mean"],
        "chosen": a["chosen"],
        "best": a["best"],
    }


def pictures(found: Mapping[int, Figures], rows: Sequence[Row]) -> list[Figure]:
    """Return the figures: agreement before and after, drift, and gains in three columns."""

    def agreement(axes: Any) -> None:
        for axis, stage in zip(axes, STAGES, strict=True):
            points = np.array(
                [
                    [cells["oracle"]["mean"], cells["simulator"]["mean"]]
                    for f in found.values()
                    for cells in f[stage]["value"].values()
                ]
            )
            ends = [float(points.min()), float(points.max())]
            axis.plot(ends, ends, "--", color="grey", linewidth=1)
            axis.plot(*points.T, "o", markersize=5)
            axis.set(xlabel="oracle", ylabel="simulator")
            axis.set_title(f"{stage} fine-tuning, USD per product")

    def drift(axes: Any) -> None:
        for axis, key in zip(axes, ("value", "stock"), strict=True):
            for stage, tone in zip(STAGES, ("C1", "C0"), strict=True):
                for i, line in enumerate(
                    line for f in found.values() for line in f[stage]["drift"][key]
                ):
                    axis.plot(
                        np.arange(1, len(line) + 1),
                        100 * np.asarray(line),
                        color=tone,
                        linewidth=0.8,
                        label=f"{stage} fine-tuning" if i == 0 else None,
                    )
            axis.set(xlabel="periods", ylabel=f"error of {key}, %")
            axis.legend()

    def gains(axes: Any) -> None:
        draw_gains(axes, [row for row in rows if row["table"] == AFTER_TABLE])

    return [
        Figure(name="policies_agreement", draw=agreement, panels=2),
        Figure(name="policies_drift", draw=drift, panels=2),
        Figure(name="policies_truth", draw=gains, panels=1),
    ]


def draw_gains(axes: Any, table: Sequence[Row]) -> None:
    """Draw what the ten best policies of a table of values gain over the best baseline."""
    shown = sorted(table, key=lambda row: row["truth"])[-10:]
    for i, row in enumerate(shown):
        cell = row["against best baseline, truth"]
        tone = "C1" if str(row["policy"]).startswith("neural") else "C0"
        axes.plot([cell["low"], cell["high"]], [i, i], color=tone)
        axes.plot(cell["mean"], i, "o", color=tone)
    axes.set_yticks(range(len(shown)), [row["policy"] for row in shown])
    axes.axvline(0, color="grey", linestyle="--", linewidth=1)
    axes.set_xlabel("USD per product over the best tuned baseline, in the truth")

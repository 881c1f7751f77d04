"""Claims, rows and figures of the drain model's benchmark, from its evaluations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._common import Claim, at_least, below, figure_only
from benchmarks.drain_parts.models import Model
from draingym.common.bootstrap import Interval, bootstrap
from draingym.drain_model import DrainData
from draingym.drain_model.evaluation.comparison import Comparison
from draingym.drain_model.evaluation.evaluate import Evaluation
from draingym.report.drain_figures import (
    actual_share,
    classes_over_time,
    drain_map,
    pit_histogram,
    quantiles_over_time,
    ratio_bars,
    reliability_diagram,
)

NAME = "drain"
CRPS = ("crps_total", "crps_regional", "crps_node")
QUANTILES = ("outbound_q10", "outbound_q50", "outbound_q90")
SCORES = (*CRPS, *QUANTILES, "energy", "crps_cost_node")
Compared = Mapping[str, Mapping[str, Comparison]]


def worst_overlap(
    found: Mapping[str, Comparison], other: Mapping[str, Comparison]
) -> tuple[str, float]:
    """Return the score at which a model's interval comes nearest to another's, and how near.

    The upper end of the model's score relative to the noise floor, over the lower end of the
    other's: below 1 they do not touch.
    """
    near = {s: found[s].to_floor.high / other[s].to_floor.low for s in (*CRPS, *QUANTILES)}
    score = max(near, key=lambda s: near[s])
    return score, near[score]


def accuracy_claims(
    history: Sequence[Evaluation],
    compared: Compared,
    names: Sequence[str],
    honest: Sequence[str],
    closest: str,
    trees: str,
) -> list[Claim]:
    """Return the claims of bars 1 to 3 in distribution.

    Args:
        history: All evaluations on history's held-out periods.
        compared: Every model against the closest node and the floor.
        names: Of the neural models.
        honest: Those of them that see nothing they are to predict.
        closest: Name of the closest node.
        trees: Name of the regression trees.
    """
    claims = []
    for name in names:
        for other in (closest, trees):
            score, near = worst_overlap(compared[name], compared[other])
            what = f"{name}: upper end of its interval over the lower end of {other}'s, at {score}"
            claims.append(below(1, what, near, "ratio", 1.0))
    for name in names:
        evaluation = next(e for e in history if e.name == name)
        slopes = [
            slope.value
            for level in ("total", "regional")
            for kind, slope in evaluation.slopes[level].items()
            if kind != "ols"
        ]
        off = max(slopes, key=lambda x: abs(x - 1.0))
        what = f"{name}: calibration slope, total and regional, furthest from 1"
        passes = bool(0.9 <= off <= 1.1)
        claims.append(
            Claim(bar=1, what=what, value=off, unit="", needs="in [0.9, 1.1]", passes=passes)
        )
    claims += gap_claims("the truth's noise floor", compared, honest, trees)
    by_name = {e.name: e for e in history}
    alone = by_name["lanes, independent"]
    for joint in ("copula", "coherent"):
        joined = by_name[f"lanes, {joint}"]
        for score in ("crps_total", "energy"):
            ratio = bootstrap(joined.by_product[score][0], alone.by_product[score][0])
            what = f"{score} of {joint} over independent"
            claims.append(below(3, what, ratio.value, "ratio", 1.0))
            claims += _ends(3, ratio)
    return claims


def gap_claims(floor: str, compared: Compared, honest: Sequence[str], trees: str) -> list[Claim]:
    """Return the claims of bar 2 in distribution, by what the gap is measured to.

    Args:
        floor: What ``compared`` has for the noise floor. The truth's knows rates that no log
            tells; the oracle's has them estimated from training periods, as a model has.
        compared: Every model against the closest node and that floor.
        honest: Neural models that see nothing they are to predict.
        trees: Name of the regression trees.
    """
    best = max(honest, key=lambda n: compared[n]["crps_node"].gap_closed.value)
    gap = compared[best]["crps_node"].gap_closed
    what = f"gap to {floor} closed, node CRPS"
    alone = compared[trees]["crps_node"].gap_closed.value
    return [
        at_least(2, f"{what}, {best}", gap.value, "share", 0.8),
        *_ends(2, gap),
        figure_only(2, f"{what}, {trees}", alone, "share"),
    ]


def _ends(bar: int, interval: Interval) -> list[Claim]:
    return [
        figure_only(bar, f"the same, {end} end of its 95% interval", getattr(interval, side), "")
        for end, side in (("lower", "low"), ("upper", "high"))
    ]


def _summed(off: Mapping[str, Sequence[Evaluation]], name: str, score: str) -> NDArray[np.float64]:
    """Return [P] a score of every product, summed over all policies but history's own."""
    sums = [
        next(e for e in found if e.name == name).by_product[score][0]
        for policy, found in off.items()
        if policy != "history"
    ]
    return np.asarray(np.sum(sums, axis=0))


def pooled_gap(
    off: Mapping[str, Sequence[Evaluation]], names: Sequence[str], closest: str, floor: str
) -> list[dict[str, Any]]:
    """Return what each model closes of the gap between closest node and floor, off-policy.

    Scores of a product are summed over all policies, and products are resampled.
    """
    rows = []
    for name in names:
        for score in SCORES:
            m, c, f = (_summed(off, n, score) for n in (name, closest, floor))
            ratio, closed = bootstrap(m, f), bootstrap(c - m, c - f)
            rows.append(
                {
                    "table": "pooled",
                    "model": name,
                    "score": score,
                    "to_floor": ratio.value,
                    "to_floor_low": ratio.low,
                    "to_floor_high": ratio.high,
                    "closed": closed.value,
                    "closed_low": closed.low,
                    "closed_high": closed.high,
                }
            )
    return rows


def off_policy_claims(
    off: Mapping[str, Sequence[Evaluation]],
    models: Sequence[Model],
    closest: str,
    tuned: str,
    default: str,
    floor: str,
) -> list[Claim]:
    """Return the claims of bar 2 off-policy."""
    rows = pooled_gap(off, [m.name for m in models], closest, floor)
    found = {row["model"]: row for row in rows if row["score"] == "crps_node"}
    after, before = found[tuned], found[default]
    what = "gap to the floor closed, node CRPS, off-policy"
    claims = [
        at_least(2, f"{what}, after fine-tuning", after["closed"], "share", 0.6),
        figure_only(2, "the same, lower end of its 95% interval", after["closed_low"], ""),
        figure_only(2, "the same, upper end of its 95% interval", after["closed_high"], ""),
        figure_only(2, f"{what}, before fine-tuning", before["closed"], "share"),
    ]
    claims += [
        figure_only(2, f"{what}, {name}", row["closed"], "share")
        for name, row in found.items()
        if name not in (tuned, default, closest)
    ]
    return claims


def off_policy_row(policy: str, evaluation: Evaluation, floor: Evaluation) -> dict[str, Any]:
    """Return one model on one policy's panel: scores over the floor's, and slopes."""
    row: dict[str, Any] = {"table": "off policy", "policy": policy, "model": evaluation.name}
    for score in (*CRPS, "energy", "crps_cost_node"):
        ratio = bootstrap(evaluation.by_product[score][0], floor.by_product[score][0])
        row |= {score: ratio.value, f"{score}_low": ratio.low, f"{score}_high": ratio.high}
    for level in ("total", "node"):
        for kind in ("p10", "p50", "p90"):
            row[f"{level}_{kind}"] = evaluation.slopes[level][kind].value
    return row


def draw_figures(
    history: Sequence[Evaluation],
    compared: Compared,
    off: Mapping[str, Sequence[Evaluation]],
    part: DrainData,
    closest: str,
    default: str,
    tuned: str,
    floor: str,
    save: Callable[..., Any],
) -> None:
    """Draw CRPS ratios, the paper's Figures 2 and 3, PIT histograms, and the off-policy ratios."""
    by_name = {e.name: e for e in history}
    model = by_name[default]
    shown = {name: found for name, found in compared.items() if name != floor}
    save(NAME, lambda axes: ratio_bars(axes, shown, CRPS), size=(8.0, 9.0))

    def over_time(axes: Any) -> None:
        quantiles_over_time(axes[0], model)
        classes_over_time(axes[1], model)
        reliability_diagram(axes[2], model)

    save("drain_calibration", over_time, panels=3)

    def maps(axes: Any) -> None:
        drain_map(axes[0], part, actual_share(part), "actual")
        drain_map(axes[1], part, by_name[closest].node_share, closest)
        drain_map(axes[2], part, model.node_share, default)

    save("drain_map", maps, panels=3)

    def transforms(axes: Any) -> None:
        for axis, level in zip(axes, ("node", "total"), strict=True):
            pit_histogram(axis, model, level)

    save("drain_pit", transforms, panels=2)

    def policies(axes: Any) -> None:
        for name in (f"{closest}, refitted", default, tuned):
            ratio = []
            for found in off.values():
                one, best = (next(e for e in found if e.name == n) for n in (name, floor))
                sums = [e.by_product["crps_node"][0] for e in (one, best)]
                ratio.append(bootstrap(sums[0], sums[1]))
            at = np.arange(len(ratio))
            value = np.array([r.value for r in ratio])
            low, high = (np.array([getattr(r, s) for r in ratio]) for s in ("low", "high"))
            axes.errorbar(
                at, value, yerr=[value - low, high - value], fmt="o", capsize=3, label=name
            )
        axes.axhline(1.0, color="black", lw=0.8)
        axes.set_xticks(np.arange(len(off)), list(off), rotation=30, ha="right")
        axes.set_ylabel("node CRPS over the noise floor's")
        axes.legend(frameon=False)

    save("drain_off_policy", policies, size=(8.0, 4.5))

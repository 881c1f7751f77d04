"""Tables of the pages on policies and their validation, from the results of their benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks._docs_table import Result, claims, number, table
from benchmarks.policies_parts.placement_claims import AFTER_TABLE


def _of_problem(result: Result, *problems: str) -> list[Mapping[str, Any]]:
    return [row for row in result["rows"] if row.get("problem") in problems]


def policies_baselines(result: Result) -> str:
    """Return cost a period of tuned baselines over the exact optimum's, classic problems."""
    header = ["problem, policy", "cost a period", "above the optimum, %", "s.e.", "rollouts"]
    body = [
        [
            f"{row['problem']}, {row['policy']}",
            -row["value"],
            row["gap_percent"],
            row["gap_se_percent"],
            row["rollouts"],
        ]
        for row in _of_problem(result, "lost sales", "serial line")
    ]
    return table(header, body)


def policies_placement(result: Result) -> str:
    """Return how far tuned and trained policies are below the bound by perfect information."""
    header = ["policy", "USD per product", "below hindsight, %", "s.e.", "rollouts"]
    names = ("policy", "value", "gap_percent", "gap_se_percent", "rollouts")
    return table(header, [[row[n] for n in names] for row in _of_problem(result, "placement")])


def policies_capacity(result: Result) -> str:
    """Return how storage limits are kept, and what of the unconstrained reward is."""
    header = ["prices", "mean excess, %", "node-periods above, %", "largest use", "reward kept, %"]
    names = ("policy", "excess_percent", "violated_percent", "worst", "kept_percent")
    return table(header, [[row[n] for n in names] for row in _of_problem(result, "capacity")])


def policies_classic(result: Result) -> str:
    """Return how close gradients and PPO come to the optimum, and after how many periods."""
    found = [row for row in result["rows"] if row.get("table") == "classic problems"]
    within = [name for name in found[0] if name.startswith("periods to")]

    def periods(value: Any) -> str:
        return "never" if value is None else f"{value:,.0f}"

    body = [
        [
            f"{row['problem']}: {row['method']}",
            row["optimum"],
            row["cost"],
            f"{number(row['gap, %'])} [{number(row['low, %'])}, {number(row['high, %'])}]",
            *(periods(row[name]) for name in within),
            row["periods"],
        ]
        for row in found
    ]
    return table(["problem: method", "optimum", "cost", "gap, %", *within, "periods in all"], body)


def policies_clock(result: Result) -> str:
    """Return the seconds until a gap was reached, by method."""
    found = [row for row in result["rows"] if row.get("table") == "wall clock"]

    def until(row: Mapping[str, Any], percent: float) -> str:
        pairs = zip(row["seconds"], row["gap"], strict=True)
        return next((number(s) for s, gap in pairs if gap <= percent), "never")

    body = [
        [
            f"{row['problem']}: {row['method']}",
            *(until(row, percent) for percent in (5.0, 3.0, 1.0)),
            min(row["gap"]),
            row["seconds"][-1],
            row["compile_seconds"],
        ]
        for row in found
    ]
    header = ["problem: method", "s to 5%", "s to 3%", "s to 1%", "least gap, %", "s in all"]
    return table([*header, "s of compilation"], body)


def policies_gradients(result: Result) -> str:
    """Return what policies are worth that were trained by each gradient through draws."""
    found = [row for row in result["rows"] if row.get("table") == "gradients through draws"]
    body = [
        [
            row["estimator"],
            row["updates"],
            number(row["rate"]),
            f"{number(row['value'])} [{number(row['low'])}, {number(row['high'])}]",
        ]
        for row in found
    ]
    return table(["gradient", "updates", "rate", "value, USD a product"], body)


def placement_claims(result: Result) -> str:
    """Return the claims on placement and on the simulator, bars 2 and 3."""
    return claims({"claims": [c for c in result["claims"] if c["bar"] in (2, 3)]})


def placement_agreement(result: Result) -> str:
    """Return how columns stand for each other, before and after fine-tuning."""
    names = ("stage", "columns", "error", "worst", "worst error", "kendall", "spearman", "regret")
    found = [row for row in result["rows"] if row["table"] == "agreement"]
    seeds = ("seed",) if len({row["seed"] for row in found}) > 1 else ()
    return table([*seeds, *names], ([row[n] for n in (*seeds, *names)] for row in found))


def placement_values(result: Result) -> str:
    """Return what every policy is worth in three columns after fine-tuning, the best first."""
    columns = ("simulator", "oracle", "truth")
    against = "against best baseline, truth"
    worlds = dict.fromkeys(r["table"] for r in result["rows"] if r["table"].endswith(AFTER_TABLE))
    body = []
    for name in worlds:
        found = [row for row in result["rows"] if row["table"] == name]
        world = name.removesuffix(AFTER_TABLE)  # "" where there is but one
        for row in sorted(found, key=lambda row: -row["truth"]):
            ends = row[against]
            interval = f"{number(ends['mean'])} [{number(ends['low'])}, {number(ends['high'])}]"
            body.append([world + row["policy"], *(row[c] for c in columns), interval])
    return table(["policy", *columns, against], body)


def scale_policy_claims(result: Result) -> str:
    """Return the claims on policies at scale, bar 6."""
    return claims({"claims": [c for c in result["claims"] if c["bar"] == 6]})


def placement_pessimism(result: Result) -> str:
    """Return what training on an ensemble, with and without pessimism, is worth."""
    names = ("policy", "simulator", "oracle", "truth", "error")
    against = "against one model, truth"
    body = []
    for row in result["rows"]:
        if row["table"] == "pessimism":
            ends = row[against]
            interval = f"{number(ends['mean'])} [{number(ends['low'])}, {number(ends['high'])}]"
            body.append([row["valued by"], *(row[n] for n in names), interval])
    return table(["valued by", *names, against], body)


KINDS: dict[str, Callable[[Result], str]] = {
    "policies-classic": policies_classic,
    "policies-baselines": policies_baselines,
    "policies-placement": policies_placement,
    "policies-capacity": policies_capacity,
    "policies-clock": policies_clock,
    "policies-gradients": policies_gradients,
    "placement-claims": placement_claims,
    "placement-agreement": placement_agreement,
    "placement-values": placement_values,
    "placement-pessimism": placement_pessimism,
    "scale-policy-claims": scale_policy_claims,
}

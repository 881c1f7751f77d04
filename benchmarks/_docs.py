"""Figures in the pages, taken from ``results/NAME.json`` and put between markers.

A page holds ``<!-- figures: KIND NAME -->`` and, further down, ``<!-- end -->``. What stands
between them is written by ``python -m benchmarks._docs`` and never by hand; a test fails when it
differs from the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from world.atomic import atomic_file

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
MARKED = re.compile(
    r"(<!-- figures: (?P<kind>[\w-]+) (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL
)
Result = Mapping[str, Any]


def number(value: Any) -> str:
    """Return a figure as a page has it: three digits, thousands in full.

    >>> number(15785.9), number(0.05071), number(-2.1), number(None)
    ('15,786', '0.0507', '-2.1', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if abs(value) >= 1000 or isinstance(value, int):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table in Markdown; all columns but the first are aligned to the right.

    >>> print(table(["a", "b"], [["x", 1.25]]))
    | a | b |
    | --- | ---: |
    | x | 1.25 |
    """
    names = list(header)
    lines = ["| " + " | ".join(names) + " |"]
    lines.append("| " + " | ".join(["---"] + ["---:"] * (len(names) - 1)) + " |")
    lines.extend("| " + " | ".join(number(cell) for cell in row) + " |" for row in rows)
    return "\n".join(lines)


def claims(result: Result) -> str:
    """Return all claims of a benchmark, those that do not pass too."""
    verdict = {True: "yes", False: "**no**", None: ""}
    rows = (
        (c["what"], f"{number(c['value'])} {c['unit']}".strip(), c["needs"], verdict[c["passes"]])
        for c in result["claims"]
    )
    return table(["figure", "value", "needs", "passes"], rows)


def rows(result: Result) -> str:
    """Return the rows of a benchmark as they are."""
    found = result["rows"]
    return table(found[0], (row.values() for row in found))


def _pairs(result: Result, kind: str) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return the rows of the two conversions side by side, in the order of the first."""
    found = [row for row in result["rows"] if row["kind"] == kind]
    keys = ("policy", "against", "measure")
    other = {tuple(r[k] for k in keys): r for r in found if r["conversion"] == "independent"}
    return [
        (r, other[tuple(r[k] for k in keys)]) for r in found if r["conversion"] == "conditional"
    ]


def quality_policies(result: Result) -> str:
    """Return bias and spread of values, units and ship costs, in per cent of the truth."""
    body = []
    for first, second in _pairs(result, "policy"):
        percent = [
            100.0 * row[what] / first["truth"] for row in (first, second) for what in ("bias", "sd")
        ]
        body.append([f"{first['policy']}, {first['measure']}", first["truth"], *percent])
    header = ["policy, measure", "truth", "bias, %", "sd, %", "bias indep., %", "sd indep., %"]
    return table(header, body)


def quality_differences(result: Result) -> str:
    """Return bias and spread of differences of two policies' values."""
    body = []
    for first, second in _pairs(result, "difference"):
        factor = (second["sd"] / first["sd"]) ** 2
        body.append(
            [
                f"{first['policy']} - {first['against']}",
                first["truth"],
                *(row[what] for row in (first, second) for what in ("bias", "sd")),
                factor,
            ]
        )
    header = ["difference", "truth", "bias", "sd", "bias indep.", "sd indep.", "variance, x"]
    return table(header, body)


def validation(result: Result) -> str:
    """Return what each policy is worth in simulator, oracle and truth, and against the baseline."""
    columns = ("simulator", "oracle", "truth")
    cells = {(row["table"], row.get("policy"), row.get("column")): row for row in result["rows"]}

    def shown(kind: str, policy: str, column: str) -> str:
        row = cells[kind, policy, column]
        low, high = number(row["low"]), number(row["high"])
        return f"{number(row['mean'])} [{low}, {high}]"

    names = {"value": "{}", "difference": "{}, minus order up to"}
    body = [
        [names[kind].format(policy), *(shown(kind, policy, column) for column in columns)]
        for kind, policy, column in cells
        if kind in names and column == columns[0]
    ]
    return table(["USD per product", *columns], body)


def _cell(row: Mapping[str, Any], name: str) -> str:
    """Return a figure, with its interval where it has one."""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    ends = "" if low is None or high is None else f" [{number(low)}, {number(high)}]"
    return f"{number(row.get(name))}{ends}"


def drain_losses(result: Result) -> str:
    """Return the paper's Table 2: our rows and the paper's."""
    names = ["cost_q10", "cost_q50", "cost_q90", "cost_nll"]
    names += ["outbound_q10", "outbound_q50", "outbound_q90", "outbound_nll", "outbound_ce", "loss"]
    short = {n: n.replace("cost_", "C ").replace("outbound_", "O ") for n in names}
    found = [row for row in result["rows"] if row["table"] == "table 2"]
    header = ["model", "data", *short.values()]
    body = [[row["model"], row["data"], *(number(row[n]) for n in names)] for row in found]
    return table(header, body)


def drain_calibration(result: Result) -> str:
    """Return the paper's Table 3: our rows and the paper's."""
    names = {"model": "model", "data": "data", "aggregation": "aggregation"}
    slopes = {name: f"{name} slope" for name in ("p10", "p50", "p90", "ols")}
    found = [row for row in result["rows"] if row["table"] == "table 3"]
    body = [
        [row[n] for n in names] + [number(row[n]) for n in slopes] + [_cell(row, "crps")]
        for row in found
    ]
    return table([*names, *slopes.values(), "CRPS"], body)


def drain_relative(result: Result) -> str:
    """Return every model's scores over the noise floor's, and the gap it closes, node level."""
    shown = ("crps_total", "crps_regional", "crps_node", "outbound_q50", "energy")
    found = {(r["model"], r["score"]): r for r in result["rows"] if r["table"] == "relative"}

    def interval(row: Mapping[str, Any]) -> str:
        return f"{number(row['mean'])} [{number(row['low'])}, {number(row['high'])}]"

    body = []
    for model in dict.fromkeys(model for model, _ in found):
        if model != "noise floor":
            ratios = [interval(found[model, score]["to_floor"]) for score in shown]
            body.append([model, *ratios, interval(found[model, "crps_node"]["gap_closed"])])
    return table(["model", *shown, "gap closed, node"], body)


def drain_off_policy(result: Result) -> str:
    """Return node CRPS over the noise floor's by policy and model."""
    found = {(r["policy"], r["model"]): r for r in result["rows"] if r["table"] == "off policy"}
    models = [m for m in dict.fromkeys(m for _, m in found) if m != "noise floor"]
    body = [
        [policy, *(_cell(found[policy, model], "crps_node") for model in models)]
        for policy in dict.fromkeys(policy for policy, _ in found)
    ]
    return table(["policy", *models], body)


def drain_pooled(result: Result) -> str:
    """Return what models close of the gap over all policies, by score."""
    shown = ("crps_total", "crps_regional", "crps_node", "energy", "crps_cost_node")
    found = {(r["model"], r["score"]): r for r in result["rows"] if r["table"] == "pooled"}
    body = [
        [model, *(_cell(found[model, score], "closed") for score in shown)]
        for model in dict.fromkeys(model for model, _ in found)
    ]
    return table(["model", *shown], body)


def drain_disagreement(result: Result) -> str:
    """Return how far an ensemble's members lie apart, and how each policy stocks."""
    names = ("units", "empty", "sold_out", "usd_a_unit")
    found = [row for row in result["rows"] if row["table"] == "disagreement"]
    models = list(dict.fromkeys(row["model"] for row in found))
    by = {(row["policy"], row["model"]): row for row in found}
    body = [
        [
            policy,
            *(by[policy, models[0]][n] for n in names),
            *(by[policy, m]["ratio"] for m in models),
        ]
        for policy in dict.fromkeys(row["policy"] for row in found)
    ]
    return table(["policy", "units", "empty", "sold out", "USD a unit", *models], body)


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
    found = [row for row in result["rows"] if row["table"] == "value, after fine-tuning"]
    body = []
    for row in sorted(found, key=lambda row: -row["truth"]):
        ends = row[against]
        interval = f"{number(ends['mean'])} [{number(ends['low'])}, {number(ends['high'])}]"
        body.append([row["policy"], *(row[c] for c in columns), interval])
    return table(["policy", *columns, against], body)


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
    "validation": validation,
    "claims": claims,
    "rows": rows,
    "policies": quality_policies,
    "differences": quality_differences,
    "drain-losses": drain_losses,
    "drain-calibration": drain_calibration,
    "drain-relative": drain_relative,
    "drain-off-policy": drain_off_policy,
    "drain-pooled": drain_pooled,
    "drain-disagreement": drain_disagreement,
    "placement-claims": placement_claims,
    "placement-agreement": placement_agreement,
    "placement-values": placement_values,
    "placement-pessimism": placement_pessimism,
}


def fill(text: str, results: Path = RESULTS) -> str:
    """Return a page with its figures as the files have them.

    Raises:
        ValueError: If a marker names a kind or a file that does not exist, or is never ended.
    """
    opened = text.count("<!-- figures:")

    def one(match: re.Match[str]) -> str:
        kind, name = match["kind"], match["name"]
        path = results / f"{name}.json"
        if kind not in KINDS:
            raise ValueError(f"figures: {kind} {name}: the kind must be one of {sorted(KINDS)}")
        if not path.exists():
            raise ValueError(f"figures: {kind} {name}: {path.name} must be in {results}")
        result = json.loads(path.read_text(encoding="utf-8"))
        source = f"*{result['preset']}; `make bench-{name}`.*"
        return f"{match[1]}{KINDS[kind](result)}\n\n{source}\n{match[4]}"

    filled, count = MARKED.subn(one, text)
    if count != opened:
        raise ValueError(f"{opened} markers of figures, {count} ended: each must have its end")
    return filled


def pages() -> list[Path]:
    """Return the pages that may hold figures."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def main() -> None:
    """Put the figures into all pages."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        filled = fill(text)
        if filled != text:
            with atomic_file(page) as draft:
                draft.write_text(filled, encoding="utf-8")
            print(f"{page.relative_to(ROOT)}: figures renewed")


if __name__ == "__main__":
    main()

"""Figures in the pages, taken from ``results/NAME.json`` and put between markers.

A page holds ``<!-- figures: KIND NAME -->`` and, further down, ``<!-- end -->``. What stands
between them is written by ``python -m benchmarks._docs`` and never by hand; a test fails when it
differs from the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import (
    _docs_derivatives,
    _docs_forecasters,
    _docs_own,
    _docs_policies,
    _docs_zoo,
)
from benchmarks._docs_table import Result, claims, number, table
from draingym.common.atomic import atomic_file

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
LONGEST = 14  # rows of a table that is not folded
MARKED = re.compile(
    r"(<!-- figures: (?P<kind>[\w-]+) (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL
)


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


def scale_cells(result: Result) -> str:
    """Return every model's CRPS over the noise floor's in four cells, by world and level."""
    cells = [(w, p) for w in ("on policy", "off policy") for p in ("seen", "new")]
    found = {
        (r["world"], r["score"], r["model"], r["policy"], r["products"]): r
        for r in result["rows"]
        if r["table"] == "cell"
    }
    body = []
    for world, score, model in dict.fromkeys(key[:3] for key in found):
        if model != "noise floor" and score != "crps_regional":
            level = score.removeprefix("crps_")
            body.append(
                [
                    f"{world}, {level}: {model}",
                    *(_cell(found[world, score, model, *cell], "to_floor") for cell in cells),
                ]
            )
    body.sort(key=lambda row: str(row[0]).split(":")[0])
    return table(["world, level: model", *(f"{w}, {p}" for w, p in cells)], body)


def scale_claims(result: Result) -> str:
    """Return the claims on the drain model at scale, but for those on policies."""
    return claims({"claims": [c for c in result["claims"] if c["bar"] < 6]})


def scale_products(result: Result) -> str:
    """Return CRPS over the noise floor's by the number of products trained on."""
    rows = [row for row in result["rows"] if row["table"] == "products"]
    scores = list(dict.fromkeys(row["score"] for row in rows))
    found = {(row["world"], row["products"], row["score"]): row["to_floor"] for row in rows}
    body = [
        [f"{world}, {count} products", *(found[world, count, score] for score in scores)]
        for world, count in dict.fromkeys(key[:2] for key in found)
    ]
    return table(["world, trained on", *(score.removeprefix("crps_") for score in scores)], body)


def gpu_rollouts(result: Result) -> str:
    """Return rollouts on a card: speed, and the share of the card's limits that they reach."""
    shown = ("product-periods/s", "temporary memory, GB", "share of bytes/s", "share of FLOP/s")
    body = [
        [
            f"{row['network']}, {row['what']}",
            f"{row['products']:,}",
            *(("does not fit", "", "", "") if row["skipped"] else (row[name] for name in shown)),
        ]
        for row in result["rows"]
        if row["table"] == "rollouts"
    ]
    body.sort(key=lambda row: str(row[0]))
    return table([result["machine"]["gpu"], "products", *shown], body)


def gpu_rest(result: Result) -> str:
    """Return what else runs on a card: training, classic problems, memory, a policy."""
    rest = [claim for claim in result["claims"] if claim["unit"] != "product-periods/s"]
    return claims({**result, "claims": rest})


KINDS: dict[str, Callable[[Result], str]] = {
    **_docs_policies.KINDS,
    **_docs_derivatives.KINDS,
    **_docs_forecasters.KINDS,
    **_docs_own.KINDS,
    **_docs_zoo.KINDS,
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
    "scale-cells": scale_cells,
    "scale-claims": scale_claims,
    "scale-products": scale_products,
    "gpu-rollouts": gpu_rollouts,
    "gpu-rest": gpu_rest,
}


def folded(shown: str, kind: str) -> str:
    """Return a long table behind a fold that says what is in it; a short one as it is.

    Args:
        shown: A table, and a line on where it is from.
        kind: Of the table.
    """
    rows = sum(line.startswith("| ") for line in shown.splitlines()) - 2
    if rows <= LONGEST:
        return shown
    title = f"A table of {rows} rows"
    if "claims" in kind:
        held, broken = (shown.count(f"| {verdict} |") for verdict in ("yes", "**no**"))
        title = f"{rows} figures: {held} hold their bound, {broken} do not"
    return f"<details><summary>{title}</summary>\n\n{shown}\n\n</details>"


def fill(text: str, results: Path = RESULTS) -> str:
    """Return a page with its figures as the files have them.

    Where a benchmark has no file yet, the page says so.

    Raises:
        ValueError: If a marker names a kind or a benchmark that does not exist, or is never ended.
    """
    opened = text.count("<!-- figures:")

    def one(match: re.Match[str]) -> str:
        kind, name = match["kind"], match["name"]
        path = results / f"{name}.json"
        if kind not in KINDS:
            raise ValueError(f"figures: {kind} {name}: the kind must be one of {sorted(KINDS)}")
        unmeasured = f"{match[1]}*Not measured yet; `make bench-{name}`.*\n{match[4]}"
        if not path.exists():
            if not (ROOT / "benchmarks" / f"{name}.py").exists():
                raise ValueError(f"figures: {kind} {name}: {path.name} must be in {results}")
            return unmeasured
        result = json.loads(path.read_text(encoding="utf-8"))
        source = f"*{result['preset']}; `make bench-{name}`.*"
        found = KINDS[kind](result)
        if len(lines := found.splitlines()) == 2 and lines[1].startswith("| ---"):  # no row
            return unmeasured
        shown = f"{found}\n\n{source}"
        before = text[: match.start()]
        if before.count("<details>") == before.count("</details>"):
            shown = folded(shown, kind)
        return f"{match[1]}{shown}\n{match[4]}"

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

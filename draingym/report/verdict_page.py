"""A validation's verdict: for the terminal, as table rows, and as a page of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from draingym.common.atomic import atomic_file
from draingym.report.check import TOP
from draingym.report.environment import template, theme
from draingym.report.live import live_parts
from draingym.report.style import policy_colour
from draingym.report.table import Cell, Row
from draingym.report.verdict_figures import verdict_figures
from draingym.report.words import interval, mean, money, percent

_STYLE = {"values": "bold green", "ranks": "bold yellow", "none": "bold red", "unknown": "bold"}
_MINUS = "\N{MINUS SIGN}"


# Columns of ``agreement_rows``.
AGREEMENT_HEADS = [
    *(("mean error", ""), ("Kendall", ""), ("Spearman", "")),
    *((f"regret, best {k}" if k == TOP[0] else f"best {k}", "") for k in TOP),
    ("chooses", ""),
]


def final_verdict(results: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a run's verdict after fine-tuning where there was a round of it, or its only one."""
    verdict: Mapping[str, Any] = results.get("final_verdict", results["verdict"])
    return verdict


def verdict_text(verdict: Mapping[str, Any], when: str = "") -> Group:
    """Return headline and reasons for the terminal."""
    lines = [Text(f"Verdict{when}: {verdict['headline']}", style=_STYLE[verdict["use"]])]
    lines += [Text(f"- {reason}") for reason in verdict["reasons"]]
    if "next" in verdict:
        lines.append(Text(f"Next: {verdict['next']}", style="bold"))
    return Group(*lines)


def verdicts_text(results: Mapping[str, Any]) -> Group:
    """Return a run's verdict for the terminal; both, where it was fine-tuned."""
    if "final_verdict" not in results:
        return verdict_text(results["verdict"])
    return Group(
        verdict_text(results["verdict"], " before fine-tuning"),
        verdict_text(results["final_verdict"], " after fine-tuning"),
    )


def verdict_table(verdict: Mapping[str, Any]) -> Table:
    """Return values, errors and one-step scores of all policies for the terminal."""
    table = Table(
        box=box.SIMPLE_HEAD, title=f"Value of each policy, {escape(money(verdict))} per product"
    )
    for head in _heads(verdict):
        table.add_column(head, justify="right" if head != "policy" else "left")
    for row in verdict_rows(verdict):
        cells = (f"{c.main}{f' {c.under}' if c.under else ''}" for c in row.cells)
        table.add_row(escape(row.label), *(escape(c).replace(_MINUS, "-") for c in cells))
    return table


def _heads(verdict: Mapping[str, Any]) -> list[str]:
    heads = ["policy", *verdict["columns"], "error", "worst tenth", "error there"]
    return [*heads, "one step"] if verdict["one_step"] else heads


def verdict_rows(verdict: Mapping[str, Any]) -> list[Row]:
    """Return a row for each policy, the oracle's best first."""
    values, found = verdict["value"], verdict["agreements"][0]
    columns = verdict["columns"]
    best = {c: max(values[p][c]["mean"] for p in values) for c in columns}
    rows = []
    for name in sorted(values, key=lambda p: -values[p]["oracle"]["mean"]):
        cells = [
            Cell(
                main=mean(e),
                under=interval(e),
                mark="best" if e["mean"] == best[c] else "",
            )
            for c, e in ((c, values[name][c]) for c in columns)
        ]
        tail = found["tail"][name]
        cells += [
            Cell(main=percent(found["error"][name]["mean"], sign=True)),
            *(
                Cell(main=mean(tail[key], key == "error"), under=interval(tail[key]))
                for key in tail
            ),
        ]
        if verdict["one_step"]:
            cells.append(Cell(main=f"{verdict['one_step'][name]:.2f}x"))
        rows.append(Row(label=name, cells=tuple(cells), colour=policy_colour(name)))
    return rows


def write_validation(
    verdict: Mapping[str, Any],
    folder: Path,
    source: str,
    episodes: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``validation.json`` and ``validation.html``, which needs no network.

    Args:
        verdict: Values and what follows from them, as plain values.
        folder: Where to write; made when it does not exist.
        source: What was validated, for the page's title.
        episodes: What a reader can click through (``report.live``).

    Returns:
        Path of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = verdict_figures(verdict)
    page = template("validation.html.j2").render(
        verdict=verdict,
        money=money(verdict),
        source=source,
        figures={f.name: f.for_page() for f in figures},
        heads=[(head, "") for head in _heads(verdict)[1:]],
        rows=verdict_rows(verdict),
        agreement_heads=AGREEMENT_HEADS,
        agreements=agreement_rows(verdict),
        **live_parts(episodes),
        **theme(),
    )
    with atomic_file(folder / "validation.json") as fresh:
        fresh.write_text(json.dumps(verdict, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    target = folder / "validation.html"
    with atomic_file(target) as fresh:
        fresh.write_text(page, encoding="utf-8")
    return target


def agreement_rows(verdict: Mapping[str, Any]) -> list[Row]:
    """Return how columns stand for each other: error, rank correlations, regret."""
    return [
        Row(label=f"{a['column']} for {a['reference']}", cells=_agreement_cells(a))
        for a in verdict["agreements"]
    ]


def stage_rows(results: Mapping[str, Any]) -> list[Row]:
    """Return how the simulator stands for the oracle, before and after fine-tuning."""
    stages = {"simulator for oracle": results["verdict"]}
    if "final_verdict" in results:
        stages = {"before": results["verdict"], "after": results["final_verdict"]}
    return [
        Row(label=label, cells=_agreement_cells(verdict["agreements"][0]))
        for label, verdict in stages.items()
    ]


def _agreement_cells(a: Mapping[str, Any]) -> tuple[Cell, ...]:
    return (
        _share(a["mean_error"]),
        *(_plain(a[key]) for key in ("kendall", "spearman")),
        *(_share(a["top_regret"][k]) for k in TOP),
        Cell(main=str(a["chosen"])),
    )


def _share(e: Mapping[str, float]) -> Cell:
    return Cell(main=percent(e["mean"]), under=f"[{percent(e['low'])}, {percent(e['high'])}]")


def _plain(e: Mapping[str, float | None]) -> Cell:
    if e["mean"] is None or e["low"] is None or e["high"] is None:
        return Cell(main="")
    return Cell(main=f"{e['mean']:.2f}", under=f"[{e['low']:.2f}, {e['high']:.2f}]")

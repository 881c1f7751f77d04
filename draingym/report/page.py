"""Write the report: a page that needs no network, and every figure as JSON and PNG."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from draingym.common.atomic import atomic_file, atomic_folder
from draingym.report import words
from draingym.report.check import check
from draingym.report.environment import template, theme
from draingym.report.figures import (
    calibration_figure,
    crps_figure,
    learning_figure,
    validation_figure,
)
from draingym.report.flows import map_figure, trace_figure
from draingym.report.live import live_parts
from draingym.report.style import Figure
from draingym.report.table import accuracy_rows, model_columns, validation_rows, world_rows
from draingym.report.verdict_figures import agreement_figure, verdict_figures
from draingym.report.verdict_page import AGREEMENT_HEADS, final_verdict, stage_rows


def make_figures(results: Mapping[str, Any]) -> list[Figure]:
    """Return the report's figures, in the order of the page, not drawn yet."""
    fine_tuned = "final_verdict" in results
    before = [agreement_figure(results["verdict"], before=True)] if fine_tuned else []
    return [
        map_figure(results),
        crps_figure(results),
        calibration_figure(results),
        learning_figure(results),
        validation_figure(results),
        trace_figure(results),
        *before,
        *verdict_figures(final_verdict(results)),
    ]


def write_report(
    results: Mapping[str, Any], folder: Path, episodes: Mapping[str, Any] | None = None
) -> Path:
    """Write ``report.html``, and ``figures/NAME.json`` and ``figures/NAME.png`` beside it.

    The results are checked and everything is drawn before anything is written; page and folder of
    figures each replace what was there as a whole.

    Args:
        results: What ``results.json`` of a run holds.
        folder: Where to write; made when it does not exist.
        episodes: What a reader can click through (``report.live``); one product over time as a
            figure when not given.

    Returns:
        Path of the page.

    Raises:
        ValueError: If a key of the results is missing or a value is of a wrong kind, naming the
            key's path.
    """
    check(results)
    figures = make_figures(results)
    page = render_page(results, figures, episodes)
    pictures = {figure.name: figure.png() for figure in figures}
    with atomic_folder(folder / "figures") as fresh:
        for figure in figures:
            (fresh / f"{figure.name}.png").write_bytes(pictures[figure.name])
            described = {"title": figure.title, "caption": figure.caption, "data": figure.data}
            text = json.dumps(described, indent=1, allow_nan=False)
            (fresh / f"{figure.name}.json").write_text(text + "\n", encoding="utf-8")
    target = folder / "report.html"
    with atomic_file(target) as fresh_page:
        fresh_page.write_text(page, encoding="utf-8")
    return target


def render_page(
    results: Mapping[str, Any],
    figures: list[Figure],
    episodes: Mapping[str, Any] | None = None,
) -> str:
    """Return the page's HTML, with all figures in it.

    Args:
        results: Checked results.
        figures: What ``make_figures`` returned for them.
        episodes: See ``write_report``.

    Returns:
        A whole document.
    """
    validation = results["validation"]
    return template("page.html.j2").render(
        results=results,
        figures={f.name: f.for_page() for f in figures if not (episodes and f.name == "trace")},
        tiles=_tiles(results),
        accuracy=accuracy_rows(results),
        models=model_columns(),
        validation=validation_rows(results),
        world=world_rows(results),
        accuracy_words=words.accuracy_words(results),
        validation_words=words.validation_words(results),
        transfer_words=words.transfer_words(results),
        verdict=final_verdict(results),
        agreement_heads=AGREEMENT_HEADS,
        agreements=stage_rows(results),
        facts=words.data_facts(results),
        seconds=[(stage, words.clock(s)) for stage, s in results["seconds"].items()],
        total_seconds=words.clock(sum(results["seconds"].values())),
        compiling=words.compiling_words(results),
        config=json.dumps(results["config"], indent=2),
        columns=validation["columns"],
        tick=words.tick,
        **live_parts(episodes),
        **theme(),
    )


def _tiles(results: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return the figures at the top of the page: (label, number, what is under it, mark)."""
    models, gap = results["accuracy"]["models"], results["accuracy"]["gap_closed"]
    scores = {name: models[name]["crps_node"] for name in models}
    tiles = [
        (
            "Gap to the noise floor closed",
            words.percent(gap["mean"]),
            f"CRPS {words.mean(scores['learned'])}, closest node "
            f"{words.mean(scores['closest node'])}, floor {words.mean(scores['noise floor'])}",
            words.verdict(gap),
        )
    ]
    validation = results["validation"]
    if "neural" in validation["difference"]:
        for column in validation["columns"]:
            e = validation["difference"]["neural"][column]
            tiles.append(
                (
                    f"Neural against order-up-to, {column}",
                    words.mean(e, sign=True),
                    f"USD per product, {words.interval(e)}",
                    words.verdict(e),
                )
            )
    return tiles

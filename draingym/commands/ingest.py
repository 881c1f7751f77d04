"""``draingym ingest``: own tables to a log, and a mapping proposed for them."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from draingym.commands.progress import say
from draingym.ingest.propose.init import propose
from draingym.ingest.run import ingest


def ingest_path(path: Path, out: Path, init: bool, console: Console) -> None:
    """Print a mapping proposed for a folder, or make a log of what a mapping names.

    Raises:
        ImportError: If an extra is missing.
        ValueError: Naming file, table, column, row and bound.
    """
    if init:
        sys.stdout.write(propose(path))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Reading the mapping")
        numbers = ingest(
            path,
            out,
            lambda stage, done, total: bar.update(
                task, description=stage, completed=done, total=total
            ),
        )
    sizes, calendar = numbers["sizes"], numbers["calendar"]
    say(
        console,
        f"{numbers['source']}: {numbers['orders']:,} orders of {sizes['products']:,} products in "
        f"{calendar['periods']} periods of {calendar['days']} days, {sizes['nodes']} nodes, "
        f"{sizes['regions']} regions",
    )
    for sentence in numbers["assumed"]:
        say(console, f"- {sentence}")
    say(console, f"{out}: {out / 'quality.html'} says what was read, left out and mended.")

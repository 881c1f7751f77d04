"""What a command shows in a terminal while it runs."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def training_bar(console: Console) -> Progress:
    """Return a bar of epochs with a text of losses, ``task.fields["losses"]``, beside it."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TimeRemainingColumn(),
        console=console,
    )


def steps_bar(console: Console) -> Progress:
    """Return a bar of steps, with the time that passed and the time that is left."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def say(console: Console, text: str) -> None:
    """Print a sentence as it is: names of a log are no markup."""
    console.print(text, markup=False, highlight=False)

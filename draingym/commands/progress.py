"""The bar that training shows in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


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


def say(console: Console, text: str) -> None:
    """Print a sentence as it is: names of a log are no markup."""
    console.print(text, markup=False, highlight=False)

"""The command that follows from a verdict's advice, or from models that were trained on a log."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path


def validation_step(
    log: Path,
    drain: Path,
    policies: Sequence[Path],
    panel: Path | None,
    settings: Path | None,
) -> tuple[str, ...]:
    """Return what to run after a training on a log, word by word.

    A log's models are trained on all of its products, so that these must be allowed to overlap.

    Args:
        log: Folder of the event log.
        drain: File of the drain model.
        policies: Files of policies.
        panel: Folder of the panel, where one was given.
        settings: File of the settings, where there is one.
    """
    words = ["draingym", "validate", str(log), "--drain", str(drain)]
    for name, path in (("--panel", panel), ("--settings", settings)):
        words += [] if path is None else [name, str(path)]
    return (*words, "--allow-overlap", "products", "--policies", *map(str, policies))


def next_step(
    use: str,
    *,
    log: Path,
    drain: Path,
    policies: Sequence[Path],
    chosen: Path | None,
    settings: Path | None,
) -> str:
    """Return what to run after a verdict, as one line to copy.

    Args:
        use: The verdict's, such as ``none``.
        log: Folder of the event log.
        drain: File of the drain model that was judged.
        policies: Files of the policies that were judged.
        chosen: File of the one that the simulator chooses, where it has one.
        settings: File of the settings, where there is one.
    """
    more = [] if settings is None else ["--settings", str(settings)]
    if use == "none":
        words = ["draingym", "fine-tune", str(log), "--drain", str(drain)]
        if policies:
            words += ["--policies", *map(str, policies)]
        return shlex.join([*words, *more])
    if use == "unknown":
        words = ["draingym", "validate", str(log), "--drain", str(drain), "--spread"]
        words += ["--allow-overlap", "products"]  # a log's models are trained on all of them
        return f"{shlex.join([*words, *more])} --policies MORE.npz"
    picked = chosen if chosen is not None else next(iter(policies), None)
    name = "POLICY.npz" if picked is None else shlex.quote(str(picked))
    words = ["draingym", "recommend", str(log), "--drain", str(drain)]
    return f"{shlex.join([*words, *more])} --policy {name} --stock STOCK.csv"

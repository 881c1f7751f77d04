"""``draingym panel``: an event log aggregated to periods, as models are trained on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from rich.console import Console

from draingym.commands.progress import say
from draingym.common.arrays import require_whole
from draingym.common.atomic import require_writable
from draingym.common.files import kind_at
from draingym.world.eventlog import read_log
from draingym.world.panel import build_panel, save_panel


def panel_folder(log: Path, known_periods: int | None, out: Path, console: Console) -> xr.Dataset:
    """Aggregate a log's folder to periods, and write the panel as Zarr, whole or not at all.

    Args:
        log: Folder of the event log.
        known_periods: First periods that products' attributes are estimated from; all when not
            given. ``draingym train-drain`` trains on these.
        out: Folder of the panel; a panel that is there is replaced.
        console: Where progress goes.

    Returns:
        The panel.

    Raises:
        ValueError: If the log cannot be read, there are not so many periods, or the folder cannot
            be written or holds something else.
    """
    require_writable(out, "folder")
    holds = kind_at(out, "panel") == "folder" and any(out.iterdir())
    if holds and not any((out / name).exists() for name in (".zgroup", "zarr.json")):
        raise ValueError(f"{out} holds something that is no panel, must be empty, or a panel")
    with console.status("Reading the log"):
        found = read_log(log)
    there = int(found["calendar"].num_rows)
    if known_periods is not None:
        require_whole("known_periods", known_periods, low=1, high=there)
    with console.status("Aggregating to periods"):
        panel = build_panel(found, known_periods=known_periods)
    with console.status("Writing the panel"):
        save_panel(panel, out)
    units = int(np.asarray(panel["outbound"]).sum())
    sizes = ", ".join(f"{panel.sizes[name]} {name}s" for name in ("product", "period", "node"))
    say(
        console,
        f"{out}: {sizes}, {panel.sizes['region']} regions, {units:,} units shipped; attributes "
        f"of products from the first {panel.attrs['known_periods']} periods",
    )
    return panel

"""The page of episodes, and what other pages need to hold them."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import webbrowser
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from draingym.common.atomic import atomic_file
from draingym.common.files import read_json
from draingym.report.check import check_episodes
from draingym.report.environment import template, theme
from draingym.report.live.episodes import episodes_of, moves_of_scenes
from draingym.report.live.place import Place
from draingym.simulator.adapters.scene import Scene

# What would end a script early, or begin a comment in it: written as JSON's own escapes.
_ESCAPED = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}


def data_block(values: Any) -> Markup:
    r"""Return values as JSON for the inside of a script element, which no name in them can leave.

    >>> data_block({"name": "</script>"})
    Markup('{"name":"\\u003c/script\\u003e"}')
    """
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(_ESCAPED))


@cache
def _scripts() -> dict[str, Markup]:
    """Return what every page with a script needs: ours, and the library that it draws with."""
    here = files("draingym.report.live")
    text = {name: here.joinpath(name).read_text("utf-8") for name in ("live.js", "plot.min.js")}
    licences = here.joinpath("plot.txt").read_text("utf-8")
    for name, code in {**text, "plot.txt": licences}.items():
        if "</script" in code or "*/" in licences:
            raise ValueError(f"{name} would end the script that it is in")
    return {
        "plot": Markup(f"/*\n{licences}*/\n{text['plot.min.js']}"),
        "script": Markup(text["live.js"]),
    }


def live_parts(episodes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what ``live.html.j2`` takes: data and scripts; no library where there is no data."""
    scripts = _scripts()
    return {
        "episodes": episodes,
        "block": None if episodes is None else data_block(episodes),
        "plot": scripts["plot"] if episodes is not None else "",
        "script": scripts["script"],
    }


def write_episodes(episodes: Mapping[str, Any], path: Path, *, title: str, lead: str) -> Path:
    """Write a page of episodes alone.

    Args:
        episodes: What ``episodes_of`` returned.
        path: Of the page.
        title: Of the page.
        lead: A sentence on what it shows.

    Returns:
        The path.
    """
    page = template("live/episodes.html.j2").render(
        title=title, lead=lead, **live_parts(episodes), **theme()
    )
    with atomic_file(path) as fresh:
        fresh.write_text(page, encoding="utf-8")
    return path


def write_file(path: Path, episodes: Mapping[str, Any]) -> None:
    """Keep episodes for a page that is written later."""
    with atomic_file(path) as fresh:
        fresh.write_text(json.dumps(episodes, allow_nan=False) + "\n", encoding="utf-8")


def read_file(path: Path) -> dict[str, Any]:
    """Read what ``write_file`` kept.

    Raises:
        ValueError: If the file is not there or damaged, naming it.
    """
    found: dict[str, Any] = read_json(path, "file of episodes")
    try:
        check_episodes(found)
    except ValueError as error:
        raise ValueError(
            f"{path}: {error}; remove stages/validation.json to make it again"
        ) from error
    return found


def show_scenes(scenes: Sequence[Scene], place: Place, unit: str) -> Path:
    """Write the page of an episode that was rendered, and open it; say where it lies otherwise.

    Args:
        scenes: Of its periods, in order.
        place: The network.
        unit: Name of a period.
    """
    regions = len(place.regions)
    episodes = episodes_of(
        [{"episode": moves_of_scenes(scenes)}],
        ["episode"],
        place,
        labels=[f"{unit} {scene.period}" for scene in scenes],
        period=unit,
        currency="currency",
        views=[np.stack([scene.glance_views for scene in scenes])] if regions else None,
    )
    path = Path(tempfile.mkdtemp(prefix="draingym-")) / "episode.html"
    write_episodes(
        episodes, path, title="An episode", lead=f"{len(scenes)} periods, as they were rendered."
    )
    if not open_page(path):
        print(f"The episode, to click through: {path}")
    return path


def open_page(path: Path) -> bool:
    """Open a page in the reader's browser, where there is a screen.

    Returns:
        Whether it was opened.
    """
    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return screen and webbrowser.open(path.resolve().as_uri())

"""Episodes to click through in a page: what they hold, and the page that draws them.

A page carries its data, its script and the parts of Observable Plot that it draws with (plot.txt
has versions and licences); it loads nothing.
"""

from draingym.report.live.episodes import Moves, day_labels, episodes_of, moves_of, spread
from draingym.report.live.page import (
    live_parts,
    open_page,
    read_file,
    show_scenes,
    write_episodes,
    write_file,
)
from draingym.report.live.place import Place, graph_place, map_place

__all__ = [
    "Moves",
    "Place",
    "day_labels",
    "episodes_of",
    "graph_place",
    "live_parts",
    "map_place",
    "moves_of",
    "open_page",
    "read_file",
    "show_scenes",
    "spread",
    "write_episodes",
    "write_file",
]

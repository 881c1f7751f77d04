"""The table of environments in docs/gym.md: ``python -m draingym.envs.page`` writes it."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

from draingym.envs.make import make_problem
from draingym.registration import ENVIRONMENTS, IDS, ZOO

PAGE = Path(__file__).parents[2] / "docs" / "gym.md"
_HEADER = """\
| id `draingym/…` | actions `A` | nodes `N` | demand | units | unmet demand |
| --- | --- | --- | --- | --- | --- |
"""
_MARKED = re.compile(r"(<!-- environments -->\n).*?(<!-- /environments -->)", re.DOTALL)


def table() -> str:
    """Return a row for each environment: what it says of itself, in words and in numbers."""
    rows = []
    for name, words in ENVIRONMENTS.items():
        number, whole = facts(name)
        units = "whole" if whole else "real"
        actions = f"{number}: {words.actions}"
        cells = (actions, words.nodes, words.demand, units, words.unmet)
        rows.append(f"| `{IDS[name].removeprefix('draingym/')}` | {' | '.join(cells)} |\n")
    return _HEADER + "".join(rows)


def facts(name: str) -> tuple[int, bool]:
    """Return how many entries an action has, and whether units are whole."""
    if name in ZOO:  # its description says so, and takes no arrays
        arcs = pkgutil.resolve_name(ENVIRONMENTS[name].make)().network().arcs
        return len(arcs), all(arc.batch == 1 for arc in arcs)
    env = make_problem(name)
    return env.num_actions, env.simulator.dynamics.whole_units


def filled(page: str) -> str:
    """Return the page with the table between its markers."""
    return _MARKED.sub(lambda found: found[1] + table() + found[2], page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

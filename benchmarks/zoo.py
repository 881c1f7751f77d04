"""The zoo's leaderboard: a tuned rule, gradients and PPO on every problem, with equal budgets.

Each row of ``draingym.zoo.table`` by itself, and what it found is kept in a folder, so that a run
that was interrupted goes on with the next. All methods simulate as many periods; their policies are
judged on draws that none has seen, the same for all. Where the optimum is known it is played on the
same draws, and its known error there is taken off.

    make bench-zoo
    make bench-zoo ARGS="--only DualSourcing LostSales"
    make bench-zoo ARGS="--preset tiny --folder runs/tiny"
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from benchmarks._common import (
    RESULTS,
    Claim,
    Row,
    at_least,
    at_most,
    drop_programs,
    figure_only,
    plain,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks.policies_parts.part import mean_interval
from benchmarks.zoo_parts.learning import LEARNERS, Budget, Learned, costs
from benchmarks.zoo_parts.settings import Setting, setting
from draingym.common.files import write_json
from draingym.zoo.table import TABLE, Entry

WITHIN = 1.0  # per cent of the optimum, or of the tuned rule, that counts as reached


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """How long a run is."""

    budget: Budget
    tiny: bool


PRESETS = {
    "tiny": Preset(budget=Budget(periods=20_000, points=2), tiny=True),
    "small": Preset(budget=Budget(periods=1_000_000), tiny=False),
    "full": Preset(budget=Budget(periods=4_000_000), tiny=False),
}


def rows_of(entry: Entry, preset: Preset, seed: int = 0) -> list[dict[str, Any]]:
    """Return a row a method for an entry of the table."""
    found = setting(entry, tiny=preset.tiny)
    fresh = {}
    learned = {}
    for name, learner in LEARNERS.items():
        learned[name] = learner(found, preset.budget, seed)
        fresh[name] = costs(found, learned[name].policy, learned[name].params)
        drop_programs()
    reference = found.optimum()
    if reference is not None:
        off = costs(found, reference.policy, reference.params) - reference.cost
        fresh = {name: values - off for name, values in fresh.items()}
    known = _known(entry)
    best = float(fresh["tuned rule"].mean()) if known is None else known
    return [_row(found, name, learned[name], fresh[name], best) for name in LEARNERS]


def _known(entry: Entry) -> float | None:
    """Return the optimum as a cost: profit is below 0."""
    if entry.optimum is None:
        return None
    return -entry.optimum if entry.of_profit else entry.optimum


def _row(
    setting: Setting, name: str, learned: Learned, fresh: np.ndarray, best: float
) -> dict[str, Any]:
    entry = setting.entry
    cost, low, high = mean_interval(fresh)
    gaps = [100.0 * (x - best) / abs(best) for x in (cost, low, high)]
    reached = float("nan")
    if learned.curve:
        # Evaluations on the way are of fewer and other rollouts: the last one tells by how much.
        values = np.array([value for _, value in learned.curve])
        shift = cost / setting.of_all + values.max()
        gap = 100.0 * ((shift - values) * setting.of_all - best) / abs(best)
        within = np.flatnonzero(gap <= WITHIN)
        reached = float(learned.curve[within[0]][0]) if within.size else float("inf")
    sign = -1.0 if entry.of_profit else 1.0
    return {
        "problem": entry.label,
        "in": entry.unit,
        "method": name,
        "policy": learned.note,
        "value": sign * cost,
        "low": min(sign * low, sign * high),
        "high": max(sign * low, sign * high),
        "against": "tuned rule" if entry.optimum is None else "bound" if entry.bound else "optimum",
        "gap, %": gaps[0],
        "gap low, %": gaps[1],
        "gap high, %": gaps[2],
        f"periods to {WITHIN:g}%": reached,
        "periods": learned.periods,
        "seconds": learned.seconds,
    }


def claims_of(rows: Sequence[Row]) -> list[Claim]:
    """Return bar 1's claims."""
    made = []
    by = {(row["problem"], row["method"]): row for row in rows}
    for problem in dict.fromkeys(row["problem"] for row in rows):
        mine, its = by[problem, "gradient"], by[problem, "ppo"]
        what = f"{problem}: gradients, beyond the {mine['against']}"
        bound = 0.0 if mine["against"] == "tuned rule" else WITHIN
        made.append(at_most(1, what, mine["gap, %"], "%", bound))
        made.append(figure_only(1, f"{problem}: PPO, the same", its["gap, %"], "%"))
        column = f"periods to {WITHIN:g}%"
        first, second = (row[column] for row in (mine, its))
        never = second is None or not np.isfinite(second)
        later = its["periods"] if never else second
        ratio = later / first if first and np.isfinite(first) else 0.0
        note = "; PPO never is, its whole budget counts" if never else ""
        what = f"{problem}: periods until within {WITHIN:g}%, PPO over gradients{note}"
        made.append(at_least(1, what, ratio, "x", 1.0))
    return made


def draw(axes: Any, rows: Sequence[Row]) -> None:
    """Draw the gaps of all methods, with intervals."""
    problems = list(dict.fromkeys(row["problem"] for row in rows))
    for i, method in enumerate(LEARNERS):
        mine = {row["problem"]: row for row in rows if row["method"] == method}
        at = np.arange(len(problems)) + 0.2 * (i - 1)
        gap = [mine[problem]["gap, %"] for problem in problems]
        axes.plot(gap, at, "o", label=method, markersize=4)
    axes.axvline(0.0, color="black", lw=0.6)
    axes.axvline(WITHIN, color="grey", lw=0.6, ls=":")
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_yticks(range(len(problems)), problems, size=7)
    axes.invert_yaxis()
    axes.set_xlabel("beyond the optimum, or the tuned rule where none is known, %")
    axes.legend(frameon=False, fontsize=8)


def main(
    only: tuple[str, ...] = (),
    preset: Literal["tiny", "small", "full"] = "small",
    folder: Path = Path("runs/zoo"),
    results: Path = RESULTS,
    minutes: float = 60.0,
) -> None:
    """Run the rows that are not there yet, print the claims of all that are, write the result.

    Args:
        only: Names of environments: these are run, whether they are there or not, and no others.
        preset: How much each method may simulate.
        folder: Where rows are kept. Delete it before a run whose figures are to be compared.
        results: Where the result goes.
        minutes: After which no other row is begun; the next call goes on.

    Raises:
        ValueError: If an environment has no row, or no row is there.
    """
    names = [entry.name for entry in TABLE]
    for name in only:
        if name not in names:
            raise ValueError(f"only holds {name!r}, must be some of {', '.join(names)}")
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    for entry in TABLE:
        kept = _kept(folder, entry)
        wanted = entry.name in only if only else not kept.exists()
        if not wanted or time.perf_counter() - began > 60.0 * minutes:
            continue
        start = time.perf_counter()
        rows = rows_of(entry, PRESETS[preset])
        seconds = time.perf_counter() - start
        write_json(kept, plain({"rows": rows, "seconds": seconds, "preset": preset}))
        print_table(entry.label, rows)
    there = [
        json.loads(_kept(folder, entry).read_text(encoding="utf-8"))
        for entry in TABLE
        if _kept(folder, entry).exists()
    ]
    if not there:
        raise ValueError(f"folder {folder} has no row, must have one at least: give more minutes")
    rows = [row for part in there for row in part["rows"]]
    made = claims_of(rows)
    print_claims(made)
    save_figure("zoo", lambda axes: draw(axes, rows), size=(7.5, 6.5), folder=results)
    missing = [entry.label for entry in TABLE if not _kept(folder, entry).exists()]
    said = "; ".join(sorted({part["preset"] for part in there}))
    said += ": " + f"{PRESETS[there[0]['preset']].budget.periods:,} periods a method"
    said += f"; not run: {', '.join(missing)}" if missing else ""
    seconds = sum(part["seconds"] for part in there)
    write_result("zoo", "zoo", made, rows, [0], said, seconds, folder=results)


def _kept(folder: Path, entry: Entry) -> Path:
    options = "".join(f"_{name}_{value}" for name, value in entry.options)
    return folder / f"{entry.name}{options}.json"


if __name__ == "__main__":
    tyro.cli(main)

"""Bar 3: a log of up to 100 million views becomes a panel; time, memory, and DuckDB beside Spark.

The log is written first (``large_log``), which is not timed. Opening it, with its checks, the sums
and the writing of the panel run in a process of their own, whose largest resident size is read.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks._common import Claim, at_least, at_most, figure_only
from benchmarks.own_parts.large_log import write_large_log
from draingym.common.files import write_json
from draingym.world.engines import DuckDB, Spark
from draingym.world.log_folder import open_log
from draingym.world.panel import build_panel, load_panel, save_panel

VIEWS = (1_000_000, 10_000_000, 100_000_000)
COMPARED = 1_000_000  # views of the log that Spark sums, too
MEMORY, THREADS = "1500MB", 2  # of DuckDB


def run(folder: Path, views: Sequence[int] = VIEWS) -> tuple[list[dict[str, Any]], list[Claim]]:
    """Measure logs of growing size.

    Args:
        folder: Of logs, panels and results; a size whose result is there is not run again, and a
            log is removed once its panel is made.
        views: Sizes, ascending.

    Returns:
        Rows and claims.
    """
    rows = []
    for number in views:
        result = folder / f"panel-{number}.json"
        if not result.exists():
            log = folder / f"log-{number}"
            began = time.perf_counter()
            write_large_log(log, number)
            wrote = time.perf_counter() - began
            row = {"views": number, "log GB": _size(log) / 1e9, "written in s": wrote}
            row |= _in_a_process("panel", log, folder / f"panel-{number}.zarr")
            if number == COMPARED:
                row |= _spark(log, folder / f"panel-{number}.zarr")
            write_json(result, row)
            shutil.rmtree(log)
            shutil.rmtree(folder / f"panel-{number}.zarr")
        rows.append(json.loads(result.read_text(encoding="utf-8")))
    last = rows[-1]
    size = f"{last['views'] / 1e6:g} million views"
    claims = [
        at_least(
            3,
            f"views that become a panel in a minute on 2 cores, of {size}",
            60 * last["views"] / last["seconds"],
            "views",
            10e6,
        ),
        at_most(3, f"largest resident size of that process, {size}", last["peak GB"], "GB", 4.0),
        figure_only(3, f"log of {size} on disk", last["log GB"], "GB"),
    ]
    equal = [row["Spark's panel equal"] for row in rows if "Spark's panel equal" in row]
    if equal and equal[0] is not None:
        what = f"values of the panel that differ between DuckDB and Spark, {COMPARED:,} views"
        claims.append(at_most(3, what, 0.0 if equal[0] else 1.0, "", 0.0))
    return rows, claims


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _in_a_process(what: str, *paths: Path) -> dict[str, Any]:
    """Return what this module prints in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.own_parts.panel", what, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def peak_bytes() -> int:
    """Return the largest resident size of this process so far.

    Linux counts it anew for each program; ``getrusage`` hands down what the parent had.
    """
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(text.split("VmHWM:")[1].split()[0])


def measure(log: Path, panel: Path) -> dict[str, Any]:
    """Make the panel in this process; return seconds and the largest resident size."""
    marks = [time.perf_counter()]
    opened = open_log(log)
    marks.append(time.perf_counter())
    built = build_panel(opened, engine=DuckDB(memory=MEMORY, threads=THREADS))
    marks.append(time.perf_counter())
    save_panel(built, panel)
    marks.append(time.perf_counter())
    names = ("opened in s", "summed in s", "saved in s")
    return {
        "seconds": marks[-1] - marks[0],
        **{name: marks[i + 1] - marks[i] for i, name in enumerate(names)},
        "peak GB": peak_bytes() / 1e9,
        "orders": int(built["orders"].sum()),
        "panel GB": sum(values.nbytes for values in built.variables.values()) / 1e9,
    }


def _spark(log: Path, panel: Path) -> dict[str, Any]:
    """Sum a log by Spark, too, where it is there."""
    try:
        import pyspark  # noqa: F401
    except ImportError:
        return {"Spark": "is not installed", "Spark's panel equal": None}
    if shutil.which("java") is None:
        return {"Spark": "needs Java, which is not there", "Spark's panel equal": None}
    return _in_a_process("spark", log, panel)


def compare(log: Path, panel: Path) -> dict[str, Any]:
    """Return whether Spark's panel is the one that was saved, and what it took."""
    import pyspark

    began = time.perf_counter()
    built = build_panel(open_log(log), engine=Spark())
    seconds = time.perf_counter() - began
    equal = bool(built.identical(load_panel(panel)))
    return {"Spark": pyspark.__version__, "Spark's s": seconds, "Spark's panel equal": equal}


def draw(axis: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Draw seconds and memory by views."""
    views = [row["views"] for row in rows]
    axis.loglog(views, [row["seconds"] for row in rows], "o-", label="log to panel, s")
    axis.loglog(views, [row["peak GB"] for row in rows], "s-", label="largest resident size, GB")
    axis.axhline(4.0, color="0.6", linestyle=":", label="4 GB")
    axis.set_xlabel("views of the log")
    axis.legend(frameon=False, fontsize=8)


if __name__ == "__main__":
    parts = {"panel": measure, "spark": compare}
    print(json.dumps(parts[sys.argv[1]](*map(Path, sys.argv[2:]))))

"""Bar 5: kill -9 at random moments of every verb, then the same command.

What it ends with must be what an undisturbed run ended with, to the byte, but for the seconds that
training says it took. All verbs run on the export of a small company, in the order of the page on
own data; each finds what those before it made undisturbed.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import Claim, at_least
from benchmarks.own_parts.commands import begin, finish
from benchmarks.own_parts.company import run_company, write_export, write_mapping
from draingym.common.files import write_json
from draingym.common.npz import read_npz
from draingym.ingest.propose.init import propose
from draingym.ingest.propose.text import scalar

DRAIN = {"width": 4, "heads": 1, "pair_width": 4, "frequencies": 1, "dilations": [1], "epochs": 6}
SETTINGS = {
    "training_horizon": 3,
    "training_starts": 2,
    "train": {"updates": 6, "batch_products": 3, "evaluate_every": 2},
    "tune": {"population": 1, "generations": 1},
    "drain": DRAIN,
}
GIVEN = ("export", "mapping.yaml", "settings.json", "drain.json", "stock.csv")
ALL = "--panel panel.zarr --settings settings.json"
FEW = "--replications 1 --samples 2 --allow-overlap products --allow-failed-check"
# In order: each needs what those before it made. Words, and what is looked at in the end.
VERBS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ingest": ("mapping.yaml --out log", ("log",)),
    "check": ("log --seeds 2", ("log_check.json",)),
    "panel": ("log --known-periods 14 --out panel.zarr", ("panel.zarr",)),
    "train-drain": ("drain.json", ("drain/drain_model.npz", "drain/curve.json")),
    "train-policy": (
        f"log --drain drain/drain_model.npz {ALL} --out drain/neural.npz",
        ("drain/neural.npz",),
    ),
    "validate": (
        f"log --drain drain/drain_model.npz --policies drain/neural.npz {ALL} {FEW} --out verdict",
        ("verdict/validation.json", "verdict/validation.html"),
    ),
    "fine-tune": (
        f"log --drain drain/drain_model.npz --policies drain/neural.npz {ALL} --epochs 2 "
        "--out tuned",
        ("tuned/drain_model.npz", "tuned/neural.npz"),
    ),
    "recommend": (
        f"log --policy drain/neural.npz {ALL} --stock stock.csv --horizon 3 --futures 2 "
        "--out orders.csv",
        ("orders.csv",),
    ),
    "replay": ("log --policy drain/neural.npz --out replay", ("replay/values.json", "replay/log")),
    "run": (
        "mapping.yaml --settings settings.json --stock stock.csv --replications 1 "
        "--allow-failed-check --out own",
        ("own/orders.csv", "own/neural.npz", "own/validation/validation.json"),
    ),
}
CODES = {"check": (0, 1)}  # 1: the oracle does not give this small log again
KILLS = {
    "ingest": 2, "check": 1, "panel": 1, "train-drain": 4, "train-policy": 3, "validate": 3,
    "fine-tune": 2, "recommend": 1, "replay": 1, "run": 2,
}  # fmt: skip


def prepare(folder: Path) -> None:
    """Write what a user has: an export, a mapping, settings, and today's stock."""
    folder.mkdir(parents=True, exist_ok=True)
    export = write_export(run_company(), folder / "export")
    write_mapping(
        propose(export),
        folder / "mapping.yaml",
        (f"folder: {scalar(export.as_posix())}", "folder: export"),
        ("currency: XXX", "currency: EUR"),
        ("  days: 7", "  days: 2"),
    )
    write_json(folder / "settings.json", SETTINGS)
    training = {"panel": "panel.zarr", "out": "drain", "drain": DRAIN, "tensorboard": False}
    write_json(folder / "drain.json", training)
    stock = "product,node,on_hand\nA-100,Central,40\nA-200,Nord,3\n"
    (folder / "stock.csv").write_text(stock, encoding="utf-8")


def undisturbed(folder: Path, verb: str) -> float:
    """Run a verb, and those before it, where ``prepare`` wrote; return the verb's seconds.

    What was run is kept in ``seconds.json``, and is not run again.
    """
    kept = folder / "seconds.json"
    found: dict[str, float] = json.loads(kept.read_text()) if kept.exists() else {}
    for name in list(VERBS)[: list(VERBS).index(verb) + 1]:
        if name not in found:
            for made in VERBS[name][1]:  # of a run that was interrupted
                _remove(folder / made.split("/")[0] if name == "train-drain" else folder / made)
            found[name] = finish(
                folder, _words(name), folder / f"{name}.said", CODES.get(name, (0,))
            ).seconds
            write_json(kept, found)
    return found[verb]


def kill(start: Path, folder: Path, verb: str, number: int) -> dict[str, Any]:
    """Kill a verb at a random moment of an undisturbed run's seconds, and run it again.

    A run that had ended by then is begun anew, and killed in half the time.

    Args:
        start: Where ``undisturbed`` has run.
        folder: To work in, emptied first.
        verb: Which one.
        number: Seed of the moment.

    Returns:
        A row: what was there when it was killed, and the names of what ``differs`` in the end.

    Raises:
        RuntimeError: If the verb cannot be run to its end, or makes nothing.
    """
    random = np.random.default_rng([list(VERBS).index(verb), number])
    seconds = undisturbed(start, verb)
    when = float(random.uniform(0.1, 0.95)) * seconds
    said = folder / f"{verb}.said"
    while True:
        _copy(start, folder, verb)
        process = begin(folder, _words(verb), said)
        try:
            process.wait(timeout=when)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            break
        when /= 2
    left = sorted(p.name for p in folder.iterdir() if p.name not in (*GIVEN, said.name))
    finish(folder, _words(verb), said, CODES.get(verb, (0,)))
    found, right = results(folder, verb), results(start, verb)
    if not right:
        raise RuntimeError(f"draingym {verb} made none of {', '.join(VERBS[verb][1])}")
    names = sorted(found.keys() | right.keys())
    return {
        "verb": verb,
        "undisturbed, s": seconds,
        "killed after, s": when,
        "there then": ", ".join(left),
        "differs": ", ".join(n for n in names if found.get(n) != right.get(n)),
    }


def results(folder: Path, verb: str) -> dict[str, Any]:
    """Return what a verb made, by path."""
    made: dict[str, Any] = {}
    for name in VERBS[verb][1]:
        path = folder / name
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        for file in sorted(files):
            if file.name != ".lock":
                made[file.relative_to(folder).as_posix()] = _content(file)
    return made


def run(folder: Path, kills: Mapping[str, int] = KILLS) -> tuple[list[dict[str, Any]], list[Claim]]:
    """Kill verbs.

    Args:
        folder: Of all runs; a kill whose result is kept in it is not done again.
        kills: By verb.

    Returns:
        Rows and claims.
    """
    start, rows = folder / "start", []
    if not (start / "stock.csv").exists():
        prepare(start)
    for verb, many in kills.items():
        for number in range(many):
            result = folder / f"{verb}-{number}.json"
            if not result.exists():
                write_json(result, kill(start, folder / "killed", verb, number))
                print(f"kill -9 of {verb}, {number + 1} of {many}", flush=True)
            rows.append(json.loads(result.read_text(encoding="utf-8")))
    right = sum(not row["differs"] for row in rows)
    what = f"runs killed at a random moment, of {len(rows)}, after which the same command gives "
    return rows, [at_least(5, f"{what}the undisturbed result", right, "", len(rows))]


def draw(axis: Any, rows: list[dict[str, Any]]) -> None:
    """Draw when verbs were killed."""
    verbs = list(dict.fromkeys(row["verb"] for row in rows))
    for good, colour, label in ((True, "C0", "same result"), (False, "C3", "another result")):
        mine = [row for row in rows if (not row["differs"]) is good]
        share = [row["killed after, s"] / row["undisturbed, s"] for row in mine]
        axis.scatter(share, [verbs.index(row["verb"]) for row in mine], c=colour, label=label)
    axis.set_yticks(range(len(verbs)), verbs)
    axis.invert_yaxis()
    axis.set_xlim(0.0, 1.0)
    axis.set_xlabel("killed after, share of an undisturbed run's seconds")
    axis.legend(frameon=False, fontsize=8)


def _words(verb: str) -> list[str]:
    return [verb, *VERBS[verb][0].split()]


def _copy(start: Path, folder: Path, verb: str) -> None:
    """Make a folder of what a user has, and what the verbs before this one made."""
    _remove(folder)
    folder.mkdir(parents=True)
    before = list(VERBS)[: list(VERBS).index(verb)]
    for name in (*GIVEN, *(made for earlier in before for made in VERBS[earlier][1])):
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        if (start / name).is_dir():
            shutil.copytree(start / name, target)
        else:
            shutil.copy(start / name, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _content(file: Path) -> Any:
    """Return what a file holds, without how long it took to make."""
    if file.suffix == ".npz":
        values, arrays = read_npz(file, "file")
        return values, {name: array.tolist() for name, array in arrays.items()}
    if file.name == "curve.json":
        curve = json.loads(file.read_text(encoding="utf-8"))
        return [{**row, "seconds": 0.0} for row in curve["history"]]
    return file.read_bytes()

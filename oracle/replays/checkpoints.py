"""Finished periods of a replay in a folder, so that one that was interrupted goes on from there.

Numbers alone, in ``.npz`` files, checked when they are read: nothing in the folder is ever run.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import require
from draingym.common.atomic import atomic_file, require_writable
from draingym.common.npz import read_npz, require_array, write_npz
from draingym.oracle.fulfilment.engine import Engine
from draingym.oracle.fulfilment.period import PeriodOutcome
from draingym.world.views import PROMISES, SHIP_OPTIONS

# The columns of an outcome and their types, by what their axis counts.
_TABLES = ("stock", "outbound", "ship_cost", "lost")
_Kinds = dict[str, type[np.generic]]
_BY_VIEW: _Kinds = {"promise": np.int8, "option": np.int8, "filled": np.int32}
_BY_SHIPMENT: _Kinds = dict.fromkeys(("view", "node", "units", "box"), np.int64) | dict.fromkeys(
    ("cost", "time"), np.float64
)
_BY_BOX: _Kinds = dict.fromkeys(("node", "zone", "units", "session"), np.int64) | dict.fromkeys(
    ("weight_lb", "cost"), np.float64
)


class Checkpoints:
    """One file per finished period, and the engine's state after the last, each written whole."""

    def __init__(self, folder: Path, mark: str) -> None:
        """Open a folder, or begin one.

        Args:
            folder: The folder.
            mark: What tells this replay from others (``fingerprint``).

        Raises:
            ValueError: If the folder holds another replay, or cannot be written.
        """
        self.folder = Path(folder)
        require_writable(self.folder, "folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        manifest = self.folder / "replay.json"
        if not manifest.exists():
            with atomic_file(manifest) as fresh:
                fresh.write_text(json.dumps({"fingerprint": mark}) + "\n")
            return
        try:
            found = json.loads(manifest.read_text())["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            self._refuse(manifest, error)
        if found != mark:
            msg = f"{self.folder} holds another replay ({found}, this one is {mark}), must be empty"
            raise ValueError(msg)

    def _refuse(self, path: Path, error: Exception) -> NoReturn:
        msg = f"{path} cannot be read ({error}): remove {self.folder} to start anew"
        raise ValueError(msg) from error

    def _path(self, step: int) -> Path:
        return self.folder / f"period_{step:05d}.npz"

    def finished(self, engine: Engine | None) -> int:
        """Return how many periods are done, and put the engine where it was after them.

        Raises:
            ValueError: If the engine's state cannot be read, or is not of these periods.
        """
        done = 0
        while self._path(done).exists():
            done += 1
        if engine is None or done == 0:
            return done
        path = self.folder / "engine.npz"
        try:
            step, state = read_npz(path, "state")
            if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < done:
                msg = f"step is {step!r}, must be in [0, {done}), the periods beside it"
                raise ValueError(msg)
            engine.restore(state)
        except ValueError as error:
            self._refuse(path, error)
        return step + 1

    def read(self, step: int, available: NDArray[np.int64], engine: Engine | None) -> PeriodOutcome:
        """Return a finished period.

        Raises:
            ValueError: If the file cannot be read, or the period began with other stock.
        """
        path = self._path(step)
        try:
            first, columns = read_npz(path, "period")
            outcome = _outcome(first, columns, available.shape)
        except ValueError as error:
            self._refuse(path, error)
        if not np.array_equal(outcome.stock + outcome.outbound, available):
            msg = f"{path} began with other stock: remove {self.folder} to start anew"
            raise ValueError(msg)
        if engine is None:
            return outcome
        first = outcome.first_view  # later periods may have shipped for this one's orders
        return replace(outcome, filled=engine.filled[first : first + len(outcome.promise)])

    def write(self, step: int, outcome: PeriodOutcome, engine: Engine | None) -> None:
        """Keep a finished period; first what happened, then the engine's state after it."""
        columns = {f.name: getattr(outcome, f.name) for f in fields(outcome)}
        first = columns.pop("first_view")
        write_npz(self._path(step), columns, first)
        if engine is not None and (state := engine.state()) is not None:
            write_npz(self.folder / "engine.npz", state, step)


def _outcome(first: Any, columns: dict[str, NDArray[Any]], shape: tuple[int, ...]) -> PeriodOutcome:
    """Return an outcome of [P, N] ``shape`` from what a file holds.

    Raises:
        ValueError: Naming the column, if one is missing, unknown, of another type or shape, or
            leads outside.
    """
    if not isinstance(first, int) or isinstance(first, bool) or first < 0:
        raise ValueError(f"first_view is {first!r}, must be a whole number, at least 0")
    kinds: dict[str, tuple[type[np.generic], tuple[int | None, ...]]] = {
        name: (np.float64 if name == "ship_cost" else np.int64, shape) for name in _TABLES
    }
    views = len(require_array(columns, "promise", "period", shape=(None,)))
    shipments = len(require_array(columns, "shipment_view", "period", shape=(None,)))
    boxes = len(require_array(columns, "box_node", "period", shape=(None,)))
    kinds |= {name: (kind, (views,)) for name, kind in _BY_VIEW.items()}
    kinds |= {f"shipment_{name}": (kind, (shipments,)) for name, kind in _BY_SHIPMENT.items()}
    kinds |= {f"box_{name}": (kind, (boxes,)) for name, kind in _BY_BOX.items()}
    unknown = sorted(columns.keys() - kinds.keys())
    if unknown:
        raise ValueError(f"{unknown[0]} is unknown, must be one of {sorted(kinds)}")
    ends = {
        "promise": len(PROMISES),
        "option": len(SHIP_OPTIONS),
        "shipment_view": first + views,
        "shipment_node": shape[1],
        "shipment_box": boxes,
        "box_node": shape[1],
    }
    for name, (kind, size) in kinds.items():
        values = require_array(columns, name, "period", shape=size)
        if values.dtype != kind:
            raise ValueError(f"{name} is of type {values.dtype}, must be {np.dtype(kind)}")
        fine = np.isfinite(values) & (values >= 0)
        require(fine, name, values, "finite and at least 0")
        if name in ends:
            require(values < ends[name], name, values, f"below {ends[name]}")
    return PeriodOutcome(first_view=first, **columns)

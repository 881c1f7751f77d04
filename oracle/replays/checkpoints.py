"""Finished periods of a replay in a folder, so that one that was interrupted goes on from there."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from draingym.common.atomic import atomic_file
from draingym.oracle.fulfilment.engine import Engine
from draingym.oracle.fulfilment.period import PeriodOutcome


def fingerprint(*parts: Any) -> str:
    """Return what tells replays apart: a digest of arrays, and of the text of everything else."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"|")
    return digest.hexdigest()[:24]


class Checkpoints:
    """One file for each finished period, written whole or not at all.

    The engine's own state (reservations, open boxes) is kept by ``pickle``: resume from folders
    of your own only.
    """

    def __init__(self, folder: Path, mark: str) -> None:
        """Open a folder, or begin one.

        Raises:
            ValueError: If the folder holds another replay.
        """
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        manifest = self.folder / "replay.json"
        if not manifest.exists():
            with atomic_file(manifest) as fresh:
                fresh.write_text(json.dumps({"fingerprint": mark}) + "\n")
            return
        try:
            found = json.loads(manifest.read_text())["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f"{manifest} cannot be read ({error}): remove {self.folder} to start anew"
            raise ValueError(msg) from error
        if found != mark:
            msg = f"{self.folder} holds another replay ({found}, this one is {mark}), must be empty"
            raise ValueError(msg)

    def _path(self, step: int) -> Path:
        return self.folder / f"period_{step:05d}.npz"

    def finished(self, engine: Engine | None) -> int:
        """Return how many periods are done, and put the engine where it was after them."""
        done = 0
        while self._path(done).exists():
            done += 1
        if engine is None or done == 0:
            return done
        path = self.folder / "engine.pickle"
        try:
            step, state = pickle.loads(path.read_bytes())
        except Exception as error:
            msg = f"{path} cannot be read ({error}): remove {self.folder} to start anew"
            raise ValueError(msg) from error
        if step >= done:
            msg = f"{path} is ahead of the periods beside it: remove {self.folder} to start anew"
            raise ValueError(msg)
        engine.restore(state)
        return int(step) + 1

    def read(self, step: int, available: np.ndarray, engine: Engine | None) -> PeriodOutcome:
        """Return a finished period.

        Raises:
            ValueError: If the file cannot be read, or the period began with other stock.
        """
        path = self._path(step)
        try:
            with np.load(path, allow_pickle=False) as stored:
                columns: dict[str, Any] = dict(stored)
            columns["first_view"] = int(columns["first_view"])
            outcome = PeriodOutcome(**columns)
        except Exception as error:
            msg = f"{path} cannot be read ({error}): remove {self.folder} to start anew"
            raise ValueError(msg) from error
        if not np.array_equal(outcome.stock + outcome.outbound, available):
            msg = f"{path} began with other stock: remove {self.folder} to start anew"
            raise ValueError(msg)
        if engine is None:
            return outcome
        first = outcome.first_view  # later periods may have shipped for this one's orders
        return replace(outcome, filled=engine.filled[first : first + len(outcome.promise)])

    def write(self, step: int, outcome: PeriodOutcome, engine: Engine | None) -> None:
        """Keep a finished period; first what happened, then the engine's state after it."""
        with atomic_file(self._path(step)) as fresh, fresh.open("wb") as file:
            np.savez(file, **{f.name: getattr(outcome, f.name) for f in fields(outcome)})
        if engine is not None:
            with atomic_file(self.folder / "engine.pickle") as fresh:
                fresh.write_bytes(pickle.dumps((step, engine.state())))

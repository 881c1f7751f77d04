"""Runs of a validation that are kept in a folder, so that one that was interrupted goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.common.atomic import require_writable
from draingym.common.files import kind_at
from draingym.common.npz import read_npz, require_array, write_npz

_NAMES = ("rewards", "stock", "score")


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptRun:
    """What one policy did in one column and replication. ``P`` products that judge."""

    rewards: NDArray[np.float64]  # [P, T] currency, discounted
    stock: NDArray[np.float32]  # [P, T, N] units at a period's end
    score: NDArray[np.float64]  # [2, P] one-step CRPS and units; zeros where it is not scored


class KeptRuns:
    """One file for each run, written whole; a run of anything else has another name.

    The name is a digest of what the policy earned in the simulator on the same draws, which follows
    from policy, drain model, economics and scenario, and of systems and customers of the column.
    """

    def __init__(self, folder: Path, worlds: Mapping[str, Any]) -> None:
        """Open a folder, or begin one.

        Args:
            folder: Of the files.
            worlds: What makes each column but the simulator, by its name.

        Raises:
            ValueError: If it cannot be written.
        """
        require_writable(folder, "folder")
        self.folder = folder
        self._world = {name: _digest(world) for name, world in worlds.items()}

    def path(self, column: str, replication: int, promised: NDArray[np.float64], more: Any) -> Path:
        """Return the file of a run.

        Args:
            column: Such as ``oracle``.
            replication: Its number.
            promised: [P, T] the policy's rewards in the simulator, in this replication.
            more: What else the run depends on, as plain values.
        """
        digest = hashlib.blake2b(self._world[column], digest_size=16)
        digest.update(f"{promised.shape}{replication}{more!r}".encode())
        digest.update(np.ascontiguousarray(promised).tobytes())
        return self.folder / f"{column}-{digest.hexdigest()}.npz"

    def read(self, path: Path, shape: tuple[int, int, int]) -> KeptRun | None:
        """Return a run of [P, T, N], None where it is not there.

        Raises:
            ValueError: If its file is damaged, naming it.
        """
        if kind_at(path, "run") is None:
            return None
        try:
            _, found = read_npz(path, "run")
            sizes = {"rewards": shape[:2], "stock": shape, "score": (2, shape[0])}
            return KeptRun(
                **{name: require_array(found, name, "run", shape=sizes[name]) for name in _NAMES}
            )
        except ValueError as error:
            raise ValueError(f"{path}: {error}; remove it to make it again") from error

    def write(self, path: Path, run: KeptRun) -> None:
        """Keep a run."""
        write_npz(path, {name: getattr(run, name) for name in _NAMES})


def _digest(world: Any) -> bytes:
    """Return a digest of systems and views: dataclasses of arrays and plain values."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (world.systems, *world.views):
        for field in fields(part):
            value = getattr(part, field.name)
            if isinstance(value, np.ndarray):
                digest.update(f"{value.dtype}{value.shape}".encode())
                digest.update(np.ascontiguousarray(value).tobytes())
            else:
                digest.update(repr(value).encode())
    return digest.digest()

"""What tells one replay from another: a digest of everything that it depends on."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from draingym.oracle.estimates.rates import PeriodRates
from draingym.oracle.replays.setting import ReplaySetting
from draingym.oracle.replays.types import Decision
from draingym.world.views import Views


def fingerprint(
    setting: ReplaySetting,
    decision: Decision | NDArray[np.int64],
    planner: str,
    views: Views,
    seed: int,
    start: int,
    horizon: int,
) -> str:
    """Return a digest of the arguments of a replay: of arrays, and of the text of the rest."""
    tables = [getattr(setting.systems, f.name) for f in fields(setting.systems)]
    columns = [getattr(views, f.name) for f in fields(views)]
    if isinstance(decision, Decision):
        leaves = [np.asarray(x) for x in jax.tree.leaves((decision.params, setting.params))]
        policy = decision.policy
        what: list[Any] = [type(policy).__qualname__, *_leaves(policy), *leaves, setting.dynamics]
    else:
        what = [decision]
    if isinstance(setting.rates, PeriodRates):
        tables += [setting.rates.cumulative, setting.rates.block]
    return _digest([seed, start, horizon, planner, *what, *tables, *columns])


def _leaves(policy: Any) -> list[Any]:
    """Return what a policy is made of besides its parameters: numbers, text and arrays."""
    parts: list[Any] = []
    if is_dataclass(policy):
        parts = [getattr(policy, f.name) for f in fields(policy)]
    known = (bool, int, float, str)
    return [x if isinstance(x, known) else np.asarray(x) for x in jax.tree.leaves(parts)]


def _digest(parts: list[Any]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"|")
    return digest.hexdigest()[:24]

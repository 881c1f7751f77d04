"""Replays of one log under many decisions and seeds, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from draingym.oracle.replays.planners import MakeSystems
from draingym.oracle.replays.replay import replay
from draingym.oracle.replays.setting import ReplaySetting, setting_from_log
from draingym.oracle.replays.types import Decision, Replay
from draingym.world.eventlog import EventLog

IntArray = NDArray[np.int64]


def replay_many(
    source: EventLog | ReplaySetting,
    decisions: Mapping[str, Decision | IntArray],
    seeds: Sequence[int],
    *,
    planner: str | MakeSystems = "greedy",
    start: int = 0,
    periods: int | None = None,
    conditional: bool = True,
    record: bool = False,
    folder: Path | None = None,
    workers: int | None = None,
    executor: Literal["threads", "processes"] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, tuple[Replay, ...]]:
    """Replay a log under every decision with every seed, side by side.

    Decisions share the customers, lead times and cost noise of a seed, so that their differences
    are paired.

    Args:
        source: As for ``replay``.
        decisions: What to replay it under, by name.
        seeds: One replay of every decision each.
        planner: As for ``replay``, and so are ``start``, ``periods``, ``conditional``, ``record``.
        start: First period.
        periods: How many.
        conditional: Whether conversion is drawn given what happened.
        record: Whether to write counterfactual logs.
        folder: Keeps finished periods, in ``NAME/SEED``.
        workers: Replays at a time; the number of cores when not given.
        executor: Threads, which do for the compiled loop, or processes; what suits the planner
            when not given.
        progress: Called with (replays done, replays).

    Returns:
        Replays by name, in the order of the seeds; the same whatever the number of workers.

    Raises:
        ValueError: As ``replay`` does, and if there is no decision or no seed.
    """
    if not decisions or not len(seeds):
        msg = f"decisions and seeds is {len(decisions)} and {len(seeds)}, must hold at least 1"
        raise ValueError(msg)
    setting = source if isinstance(source, ReplaySetting) else setting_from_log(source)
    jobs = [(name, seed) for name in decisions for seed in seeds]
    size = min(workers or os.cpu_count() or 1, len(jobs))
    kind = executor or ("threads" if planner == "greedy" else "processes")
    pool: Executor
    if kind == "threads":
        pool = ThreadPoolExecutor(size)
    else:
        pool = ProcessPoolExecutor(size, mp_context=get_context("spawn"))
    one = partial(
        replay,
        setting,
        planner=planner,
        start=start,
        periods=periods,
        conditional=conditional,
        record=record,
    )
    results: dict[str, list[Replay]] = {name: [] for name in decisions}
    with pool:
        futures = [
            pool.submit(
                one,
                decisions[name],
                seed=seed,
                folder=None if folder is None else Path(folder) / name / str(seed),
            )
            for name, seed in jobs
        ]
        for done, ((name, _), future) in enumerate(zip(jobs, futures, strict=True), start=1):
            results[name].append(future.result())
            if progress is not None:
                progress(done, len(jobs))
    return {name: tuple(made) for name, made in results.items()}

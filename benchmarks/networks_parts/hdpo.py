"""HDPO's simulator, networks and trainer beside ours, on the same problems and in turn.

The problems are those of its configuration files. Simulation plays the same orders, which no source
is too short for, against the same demand, and its costs must agree with ours. Training is one step
of Adam through all periods: its trainer with its network, and ours with one of the same layers.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from benchmarks._peers import MISSING, Served, interpreter, is_there, source_of
from benchmarks.networks_parts.hdpo_problems import MANY, ONE, PROBLEMS, Problem
from benchmarks.throughput_parts.dense_policy import DensePolicy
from benchmarks.throughput_parts.speeds import trainer
from benchmarks.throughput_parts.store import AsForecast
from draingym.common.cores import cores
from draingym.common.shared_jit import jit
from draingym.networks.tables import downstream
from draingym.simulator import Scenario, batch_returns

PERIODS = 50
SIDE = Path(__file__).with_name("hdpo_side.py")
TOLERANCE = 1e-3  # relative, of the costs of the same orders
TURN = 0.2  # seconds of each side in turn: a call of less would be timed with the other's caches
Numbers = NDArray[np.float32]
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Demand and orders of a problem, as both sides have them."""

    problem: Problem
    scenario: Scenario
    orders: Numbers  # [T, E, B] units
    demand: Numbers  # [B, S, T] units

    @classmethod
    def of(cls, problem: Problem, batch: int) -> Drawn:
        """Draw them."""
        built = problem.network.built
        sample = built.sample if problem.classic is None else problem.classic[2]
        scenario = sample(jax.random.key(0), PERIODS, batch)
        views = np.asarray(scenario.series.glance_views, np.float32)  # [T, S, B]
        orders = feasible_orders(problem, PERIODS, batch)
        series = replace(scenario.series, forecast=jax.numpy.asarray(orders))
        return cls(
            problem=problem,
            scenario=replace(scenario, series=series),
            orders=orders,
            demand=np.ascontiguousarray(views.transpose(2, 1, 0)),
        )

    def ours(self) -> dict[str, Callable[[], float]]:
        """Return what is timed, each with the mean cost a period."""
        problem = self.problem
        built = problem.network.built
        model = problem.classic[:2] if problem.classic else (built.simulator, built.params)
        run: Callable[[Scenario], Any] = jit(
            lambda scenario: batch_returns(*model, AsForecast(), None, scenario).mean()
        )
        found = {"simulate": lambda: -float(run(self.scenario)) / PERIODS}
        if problem.layers:
            nodes = len(problem.network.nodes)
            policy = DensePolicy(
                num_nodes=nodes,
                lead_time=int(self.scenario.initial.pipeline.shape[0]),
                scale=5.0,
                width=problem.layers[0],
                depth=len(problem.layers),
            )
            weights = policy.init(jax.random.key(0))
            optimizer, update = trainer(model, policy, problem.chunk)
            state = [weights, optimizer.init(weights)]

            def train() -> float:
                state[0], state[1], value = update(*state, self.scenario)
                return float(value)

            found["train"] = train
        return found

    def write(self, file: Path) -> None:
        """Write what ``hdpo_side.py`` reads."""
        told = json.dumps(self.problem.told() | {"periods": PERIODS})
        arrays: dict[str, Any] = self.problem.arrays(self.orders)
        np.savez(file, **arrays, demands=self.demand, told=np.array(told))


def feasible_orders(problem: Problem, periods: int, batch: int) -> Numbers:
    """Draw orders that no source is too short for, [T, E, B] units.

    The vendor is asked for up to twice the mean demand behind an arc; every other source for random
    parts of what it has.
    """
    network, random = problem.network, np.random.default_rng(0)
    below = dict(zip((node.name for node in network.nodes), downstream(network), strict=True))
    leads = {arc.name: int(arc.longest_lead) for arc in network.arcs}
    sources = {arc.source for arc in network.arcs if arc.source is not None}
    stock = {name: np.zeros((max(leads.values()) + 1, batch)) for name in sources}
    orders = np.zeros((periods, len(network.arcs), batch), np.float32)
    for now in orders:
        for name in sources:
            out = [e for e, arc in enumerate(network.arcs) if arc.source == name]
            wish = random.random((len(out), batch))
            now[out] = stock[name][0] * wish / (0.5 + wish.sum(axis=0))
            stock[name][0] -= now[out].sum(axis=0)
        for e, arc in enumerate(network.arcs):
            if arc.source is None:
                now[e] = 2.0 * below[arc.target] * random.random(batch)
        for name, units in stock.items():
            units[1] += units[0]
            stock[name] = np.concatenate([units[1:], np.zeros((1, batch))])
        for e, arc in enumerate(network.arcs):
            if arc.target in stock:
                stock[arc.target][leads[arc.name] - 1] += now[e]
    return orders


def cases() -> Iterable[tuple[Problem, int, tuple[str, ...]]]:
    """Return problems, batches, and what is timed."""
    both = ("simulate", "train")
    for name in ("store", "serial"):
        for batch in (1024, 8192):
            yield PROBLEMS[name], batch, both
    yield PROBLEMS[ONE], 1024, both
    yield PROBLEMS[MANY], 1024, ("simulate",)


def rows(folder: Path | None, repeats: int, threads: Sequence[int]) -> list[Row]:
    """Return a row for every problem, batch and what is timed.

    Args:
        folder: What ``benchmarks._peers`` has filled.
        repeats: Turns of each that are timed.
        threads: Of PyTorch; the number with which it is fastest counts.

    Raises:
        RuntimeError: If the same orders do not cost the same on both sides.
    """
    found = []
    for problem, batch, what in cases():
        drawn = Drawn.of(problem, batch)
        ours = drawn.ours()
        with ExitStack() as stack:
            theirs: Served | None = None
            if folder is not None and is_there(folder, "hdpo"):
                scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                drawn.write(scratch / "drawn.npz")
                python = str(interpreter(folder, "hdpo"))
                quiet = [python, "-W", "ignore", str(SIDE)]
                source = str(source_of(folder, "hdpo"))
                theirs = Served([*quiet, source, str(scratch / "drawn.npz")])
                stack.callback(theirs.close)
                theirs.answer()
                agree(problem.what, ours["simulate"](), theirs.call(["simulate", 1, 0.0])[1])
            for name in what:
                found.append(row(problem, batch, name, ours[name], theirs, repeats, threads))
                print(f"{problem.what}, {batch}: {name}", file=sys.stderr, flush=True)
        jax.clear_caches()
    return found


def agree(what: str, ours: float, theirs: float) -> None:
    """Raise ``RuntimeError`` unless the same orders cost the same."""
    if not abs(ours - theirs) <= TOLERANCE * abs(theirs):
        raise RuntimeError(f"{what} costs {ours} a period, and {theirs} in HDPO")


def a_call(function: Callable[[], float]) -> float:
    """Return the seconds of a call, of as many in a row as take ``TURN`` seconds."""
    calls, taken, start = 0, 0.0, time.perf_counter()
    while taken < TURN:
        function()
        calls, taken = calls + 1, time.perf_counter() - start
    return taken / calls


def row(
    problem: Problem,
    batch: int,
    name: str,
    ours: Callable[[], float],
    theirs: Served | None,
    repeats: int,
    threads: Sequence[int],
) -> Row:
    """Time one side after the other, each for ``TURN`` seconds or more at a time."""
    times: dict[int, list[float]] = {0: [], **{number: [] for number in threads}}
    for repeat in range(repeats + 1):
        taken = {0: a_call(ours)}
        if theirs is not None:
            taken |= {number: theirs.call([name, number, TURN])[0] for number in threads}
        if repeat:  # the first compiles
            for number, seconds in taken.items():
                times[number].append(seconds)
    steps = batch * PERIODS
    rate = steps / statistics.median(times[0])
    best, measured = None, MISSING
    if theirs is not None:
        medians = {number: statistics.median(times[number]) for number in threads}
        number = min(medians, key=lambda number: medians[number])
        best = steps / medians[number]
        measured = f"in this run, {number} of {cores()} threads"
    return {
        "problem": problem.what,
        "measured": {"simulate": "simulation", "train": "training"}[name],
        "batch": batch,
        "M steps/s": rate / 1e6,
        "peer": "HDPO",
        "peer's M steps/s": None if best is None else best / 1e6,
        "times faster": None if best is None else rate / best,
        "peer measured": measured,
        "layers": " x ".join(map(str, problem.layers)) if name == "train" else "",
        "flops a step": 6 * problem.weights if name == "train" else 0,
    }

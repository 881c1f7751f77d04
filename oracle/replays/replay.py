"""Replay a log under another policy, or on other stock: log, panel and values that follow.

``replay`` runs one timeline for all products (``draingym.oracle.protocols``): by the compiled loop
with the greedy planner, by the event engine with any other. ``replay_many`` does so for many
policies and seeds on all cores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from draingym.oracle.fulfilment.emulated import (
    ClosestFulfilment,
    EmulatedConversion,
    EmulatedPromise,
    EmulatedShipCost,
    GreedyFulfilment,
)
from draingym.oracle.fulfilment.engine import Engine
from draingym.oracle.fulfilment.period import PeriodOutcome, drain_period
from draingym.oracle.fulfilment.waves import WaveFulfilment
from draingym.oracle.protocols import FulfilmentSystem, ProductionSystems
from draingym.oracle.replays.checkpoints import Checkpoints, fingerprint
from draingym.oracle.replays.environment import run, whole
from draingym.oracle.replays.recorder import customer_tables, stock_tables
from draingym.oracle.replays.setting import Setting, setting_from_log
from draingym.oracle.rules.rates import PeriodRates
from draingym.oracle.systems import Systems
from draingym.simulator import Policy, PyTree
from draingym.world.eventlog import EventLog
from draingym.world.panel import build_panel
from draingym.world.views import ConversionRates, Views

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A planner by name, or what makes systems of one's own from the emulated ones and a seed. It must
# be picklable for ``replay_many`` on processes.
MakeSystems = Callable[[Systems, int], ProductionSystems]
PLANNERS = ("greedy", "greedy_reference", "closest", "batch_milp")
_FULFILMENT: Mapping[str, Callable[[Systems], FulfilmentSystem]] = {
    "greedy_reference": GreedyFulfilment,
    "closest": ClosestFulfilment,
    "batch_milp": WaveFulfilment,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A policy with its parameters: what to replay a log under."""

    policy: Policy
    params: PyTree


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Replay:
    """What would have happened. ``P`` products, ``T`` periods of the replay, ``N`` nodes."""

    start: int  # the replay's first period, as a period of the log
    values: FloatArray  # [P, T] currency: the reward of each product and period, undiscounted
    outbound: IntArray  # [P, T, N] units shipped
    ship_cost: FloatArray  # [P, T, N] currency
    lost: IntArray  # [P, T, N] units wanted that were not shipped, by nearest node
    log: EventLog | None  # counterfactual, of the replay's periods counted from 0; if recorded

    @property
    def period_values(self) -> FloatArray:
        """[T] value of every period over all products."""
        total: FloatArray = self.values.sum(axis=0)
        return total

    def panel(self) -> xr.Dataset:
        """Return the counterfactual log by periods.

        Raises:
            ValueError: If the replay was not recorded.
        """
        if self.log is None:
            raise ValueError("replay has no log, must be made with record=True")
        return build_panel(self.log)


def replay(
    source: EventLog | Setting,
    decision: Decision | IntArray,
    *,
    planner: str | MakeSystems = "greedy",
    seed: int = 0,
    start: int = 0,
    periods: int | None = None,
    views: Views | None = None,
    conditional: bool = True,
    record: bool = True,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Replay:
    """Replay a log under a policy, or on a given trajectory of stock.

    Order of events: latents are drawn given the log (``Setting.views``); then, period by period,
    the policy acts and goods arrive, or the trajectory says what is available; then all products'
    views run in one timeline. With a trajectory, all that is reserved ships by a period's end.

    Args:
        source: The log, or a setting derived from it once for many replays.
        decision: The policy, or [P, T, N] whole units available in each period.
        planner: "greedy" by the compiled loop, "greedy_reference" by the engine, "closest",
            "batch_milp", or a function of (systems, seed) that returns systems of one's own.
        seed: Of latents, lead times, the policy's draws and the noise of costs; everything that
            is returned follows from it.
        start: First period, of the log's.
        periods: How many; all the rest when not given.
        views: Views with latents in place of those drawn given the log.
        conditional: Whether conversion is drawn given what happened.
        record: Whether to write a counterfactual log; views that never convert are replayed then.
        folder: Keeps finished periods; the same call goes on after the last one of them.
        progress: Called with (periods done, periods).

    Returns:
        Values and drain; a log in the schema of the source, if recorded.

    Raises:
        ValueError: If an argument is out of bounds, stock is negative, or the folder holds another
            replay.
    """
    setting = source if isinstance(source, Setting) else setting_from_log(source)
    horizon = setting.num_periods - start if periods is None else periods
    if not (start >= 0 and horizon >= 1 and start + horizon <= setting.num_periods):
        msg = (
            f"periods [{start}, {start + horizon}), must be a non-empty part of "
            f"[0, {setting.num_periods})"
        )
        raise ValueError(msg)
    if views is None:
        views = setting.views(seed, conditional=conditional, complete=record)
    engine = _engine(setting, planner, views, seed)
    store = None
    if folder is not None:
        mark = fingerprint(*_parts(setting, decision, planner, views, seed, start, horizon))
        store = Checkpoints(folder, mark)
    done = 0 if store is None else store.finished(engine)
    trajectory = isinstance(decision, np.ndarray)

    def serve(period: int, available: IntArray) -> PeriodOutcome:
        step = period - start
        if store is not None and step < done:
            return store.read(step, available, engine)
        if engine is None:
            outcome = drain_period(setting.systems_in(period), views, period, available, seed=seed)
        else:
            last = trajectory or step == horizon - 1
            outcome = engine.run_period(period, available, last=last)
        if store is not None:
            store.write(step, outcome, engine)
        return outcome

    if isinstance(decision, Decision):
        return _by_policy(setting, decision, views, serve, seed, start, horizon, record, progress)
    return _by_stock(setting, decision, views, serve, start, horizon, record, progress)


def _engine(setting: Setting, planner: str | MakeSystems, views: Views, seed: int) -> Engine | None:
    """Return the engine, or None where the compiled loop will do."""
    systems = setting.systems
    if planner == "greedy":
        return None
    if isinstance(planner, str):
        if planner not in PLANNERS:
            msg = f"planner is {planner!r}, must be one of {PLANNERS} or a function"
            raise ValueError(msg)
        production = ProductionSystems(
            promise=EmulatedPromise(systems),
            conversion=EmulatedConversion(
                systems,
                None if isinstance(setting.rates, ConversionRates) else setting.rates,
                period_days=setting.period_days,
                origin=setting.origin,
            ),
            fulfilment=_FULFILMENT[planner](systems),
            ship_cost=EmulatedShipCost(systems, seed),
        )
    else:
        production = planner(systems, seed)
    return Engine(
        production, systems, views, period_days=setting.period_days, origin=setting.origin
    )


def _parts(
    setting: Setting,
    decision: Decision | IntArray,
    planner: str | MakeSystems,
    views: Views,
    seed: int,
    start: int,
    horizon: int,
) -> list[Any]:
    """Return everything that a replay depends on."""
    tables = [getattr(setting.systems, f.name) for f in fields(setting.systems)]
    columns = [getattr(views, f.name) for f in fields(views)]
    name = planner if isinstance(planner, str) else getattr(planner, "__qualname__", type(planner))
    if isinstance(decision, Decision):
        leaves = [np.asarray(x) for x in jax.tree.leaves((decision.params, setting.params))]
        policy = decision.policy
        what: list[Any] = [type(policy).__qualname__, *_leaves(policy), *leaves, setting.dynamics]
    else:
        what = [decision]
    if isinstance(setting.rates, PeriodRates):
        tables += [setting.rates.cumulative, setting.rates.block]
    return [seed, start, horizon, name, *what, *tables, *columns]


def _leaves(policy: Any) -> list[Any]:
    """Return what a policy is made of besides its parameters: numbers, text and arrays."""
    parts: list[Any] = []
    if is_dataclass(policy):
        parts = [getattr(policy, f.name) for f in fields(policy)]
    known = (bool, int, float, str)
    return [x if isinstance(x, known) else np.asarray(x) for x in jax.tree.leaves(parts)]


def _by_policy(
    setting: Setting,
    decision: Decision,
    views: Views,
    serve: Callable[[int, IntArray], PeriodOutcome],
    seed: int,
    start: int,
    horizon: int,
    record: bool,
    progress: Callable[[int, int], None] | None,
) -> Replay:
    ran = run(
        setting.systems,
        views,
        setting.params,
        decision.policy,
        decision.params,
        setting.scenario(start, horizon, seed),
        dynamics=setting.dynamics,
        key=jax.random.fold_in(jax.random.key(seed), 1),
        seed=seed,
        serve=serve,
        record=True,
        progress=progress,
    )
    moves = ran.trajectory.transitions
    log = None
    if record:
        tables = customer_tables(views.periods(start, start + horizon), ran.outcomes)
        log = _log(setting, {**tables, **stock_tables(ran)}, start, horizon)
    return _result(start, np.asarray(moves.reward, np.float64), ran.outcomes, log)


def _by_stock(
    setting: Setting,
    stock: IntArray,
    views: Views,
    serve: Callable[[int, IntArray], PeriodOutcome],
    start: int,
    horizon: int,
    record: bool,
    progress: Callable[[int, int], None] | None,
) -> Replay:
    """Run on given stock; a value is revenue less ship and holding cost: nobody bought anything."""
    systems = setting.systems
    shape = (systems.num_products, horizon, systems.num_nodes)
    if stock.shape != shape:
        msg = f"stock has shape {stock.shape}, must be {shape}"
        raise ValueError(msg)
    available = whole("stock", stock)
    outcomes = []
    for step in range(horizon):
        outcomes.append(serve(start + step, np.ascontiguousarray(available[:, step])))
        if progress is not None:
            progress(step + 1, horizon)
    outbound = np.stack([o.outbound for o in outcomes], axis=1)
    cost = np.stack([o.ship_cost for o in outcomes], axis=1)
    price = np.asarray(setting.panel["price"], np.float64)
    unit_cost = np.asarray(setting.panel["unit_cost"], np.float64)
    on_hand = available - outbound
    params = setting.params
    holding = np.asarray(params.holding_cost, np.float64) + (
        unit_cost[:, None, None] * np.asarray(params.holding_rate, np.float64)
    )
    values = price[:, None] * outbound.sum(axis=2) - (cost + holding * on_hand).sum(axis=2)
    log = None
    if record:
        change = available - np.concatenate([available[:, :1], on_hand[:, :-1]], axis=1)
        columns = {
            "on_hand": on_hand,
            "stowed": np.maximum(change, 0),
            "transferred": np.maximum(-change, 0),
            "available": available,
        }
        product, period, node = (axis.ravel() for axis in np.indices(shape))
        inventory = {"period": period, "product": product, "node": node}
        inventory |= {name: values.ravel() for name, values in columns.items()}
        tables = customer_tables(views.periods(start, start + horizon), outcomes)
        log = _log(setting, {**tables, "inventory": inventory}, start, horizon)
    return _result(start, values, outcomes, log)


def _result(
    start: int, values: FloatArray, outcomes: Sequence[PeriodOutcome], log: EventLog | None
) -> Replay:
    return Replay(
        start=start,
        values=values,
        outbound=np.stack([o.outbound for o in outcomes], axis=1),
        ship_cost=np.stack([o.ship_cost for o in outcomes], axis=1),
        lost=np.stack([o.lost for o in outcomes], axis=1),
        log=log,
    )


def _log(setting: Setting, tables: Mapping[str, Any], start: int, horizon: int) -> EventLog:
    """Return a log of some of the source's periods, counted from 0."""
    source = setting.log
    calendar = source["calendar"].slice(start, horizon)
    calendar = {name: np.asarray(calendar[name]) for name in calendar.column_names}
    calendar["date"] = source["calendar"]["date"].slice(start, horizon).to_pylist()
    calendar["period"] = np.arange(horizon)
    nodes = {name: source["nodes"][name].to_pylist() for name in source["nodes"].column_names}
    nodes["active_from"] = [max(0, opens - start) for opens in nodes["active_from"]]
    static = {name: source[name] for name in ("products", "regions", "customers")}
    return EventLog.from_arrays({**static, "calendar": calendar, "nodes": nodes, **tables})


def replay_many(
    source: EventLog | Setting,
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
    setting = source if isinstance(source, Setting) else setting_from_log(source)
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

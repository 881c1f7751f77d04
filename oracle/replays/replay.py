"""Replay a log under another policy, or on other stock: log, panel and values that follow.

``replay`` runs one timeline for all products (``draingym.oracle.protocols``): by the compiled loop
with the greedy planner, by the event engine with any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from draingym.oracle.fulfilment.period import PeriodOutcome, drain_period
from draingym.oracle.replays.checkpoints import Checkpoints
from draingym.oracle.replays.environment import run, whole
from draingym.oracle.replays.fingerprint import fingerprint
from draingym.oracle.replays.planners import MakeSystems, engine_for
from draingym.oracle.replays.recorder import customer_tables, stock_tables
from draingym.oracle.replays.setting import ReplaySetting, setting_from_log
from draingym.oracle.replays.shards import Shards
from draingym.oracle.replays.types import Decision, Replay
from draingym.world.eventlog import EventLog
from draingym.world.prices import panel_prices
from draingym.world.views import Views

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def replay(
    source: EventLog | ReplaySetting,
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
    pool: Executor | None = None,
    groups: int = 8,
) -> Replay:
    """Replay a log under a policy, or on a given trajectory of stock.

    Order of events: latents are drawn given the log (``ReplaySetting.views``); then, period by
    period, the policy acts and goods arrive, or the trajectory says what is available; then all
    products' views run in one timeline. With a trajectory, all that is reserved ships by a period's
    end.

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
        folder: Keeps finished periods; the same call goes on after the last one of them. Not used
            with systems of one's own: nobody else knows what they carry from view to view.
        progress: Called with (periods done, periods).
        pool: Runs the periods, all at once on a given trajectory; under a policy, which hands the
            stock over from one to the next, the groups of products of a period. Only with the
            "greedy" planner: others carry orders from view to view. What is found is the same.
        groups: Of products that share no basket, at most; one where nodes have a capacity by day.

    Returns:
        Values and drain; a log in the schema of the source, if recorded.

    Raises:
        ValueError: If an argument is out of bounds, stock is negative, or the folder holds another
            replay.
    """
    setting = source if isinstance(source, ReplaySetting) else setting_from_log(source)
    horizon = setting.num_periods - start if periods is None else periods
    if not (start >= 0 and horizon >= 1 and start + horizon <= setting.num_periods):
        msg = (
            f"periods [{start}, {start + horizon}), must be a non-empty part of "
            f"[0, {setting.num_periods})"
        )
        raise ValueError(msg)
    if views is None:
        views = setting.views(seed, conditional=conditional, complete=record)
    engine = engine_for(setting, planner, views, seed)
    store = None
    if folder is not None and isinstance(planner, str):
        mark = fingerprint(setting, decision, planner, views, seed, start, horizon)
        store = Checkpoints(folder, mark)
    done = 0 if store is None else store.finished(engine)
    trajectory = isinstance(decision, np.ndarray)
    shards = None
    if pool is not None:
        if engine is not None:
            msg = f"planner is {planner!r}, must be 'greedy' with a pool"
            raise ValueError(msg)
        shards = Shards(setting, views, pool, seed, groups)

    def serve(period: int, available: IntArray) -> PeriodOutcome:
        step = period - start
        if store is not None and step < done:
            return store.read(step, available, engine)
        if shards is not None:
            outcome = shards.serve(period, available)
        elif engine is None:
            outcome = drain_period(setting.systems_in(period), views, period, available, seed=seed)
        else:
            last = trajectory or step == horizon - 1
            outcome = engine.run_period(period, available, last=last)
        if store is not None:
            store.write(step, outcome, engine)
        return outcome

    if isinstance(decision, Decision):
        return _by_policy(setting, decision, views, serve, seed, start, horizon, record, progress)
    stock = _stock_of(setting, decision, horizon)
    if shards is not None:
        for step in range(done, horizon):
            shards.ahead(start + step, np.ascontiguousarray(stock[:, step]))
    return _by_stock(setting, stock, views, serve, start, horizon, record, progress)


def _stock_of(setting: ReplaySetting, stock: IntArray, horizon: int) -> IntArray:
    """Return a trajectory of stock as whole units."""
    systems = setting.systems
    shape = (systems.num_products, horizon, systems.num_nodes)
    if stock.shape != shape:
        msg = f"stock has shape {stock.shape}, must be {shape}"
        raise ValueError(msg)
    return whole("stock", stock)


def _by_policy(
    setting: ReplaySetting,
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
    costs = np.asarray(moves.ship_cost, np.float64).sum(axis=2) + moves.holding_cost
    sales = np.asarray(moves.revenue, np.float64) - costs
    return _result(start, np.asarray(moves.reward, np.float64), sales, ran.outcomes, log)


def _by_stock(
    setting: ReplaySetting,
    available: IntArray,
    views: Views,
    serve: Callable[[int, IntArray], PeriodOutcome],
    start: int,
    horizon: int,
    record: bool,
    progress: Callable[[int, int], None] | None,
) -> Replay:
    """Run on given stock; a value is revenue less ship and holding cost: nobody bought anything."""
    shape, outcomes = available.shape, []
    for step in range(horizon):
        outcomes.append(serve(start + step, np.ascontiguousarray(available[:, step])))
        if progress is not None:
            progress(step + 1, horizon)
    outbound = np.stack([o.outbound for o in outcomes], axis=1)
    cost = np.stack([o.ship_cost for o in outcomes], axis=1)
    price = panel_prices(setting.panel)[:, start : start + horizon]
    unit_cost = np.asarray(setting.panel["unit_cost"], np.float64)
    on_hand = available - outbound
    params = setting.params
    holding = np.asarray(params.holding_cost, np.float64) + (
        unit_cost[:, None, None] * np.asarray(params.holding_rate, np.float64)
    )
    values = price * outbound.sum(axis=2) - (cost + holding * on_hand).sum(axis=2)
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
    return _result(start, values, values, outcomes, log)


def _result(
    start: int,
    values: FloatArray,
    sales: FloatArray,
    outcomes: Sequence[PeriodOutcome],
    log: EventLog | None,
) -> Replay:
    return Replay(
        start=start,
        values=values,
        sales_values=sales,
        outbound=np.stack([o.outbound for o in outcomes], axis=1),
        ship_cost=np.stack([o.ship_cost for o in outcomes], axis=1),
        lost=np.stack([o.lost for o in outcomes], axis=1),
        log=log,
    )


def _log(setting: ReplaySetting, tables: Mapping[str, Any], start: int, horizon: int) -> EventLog:
    """Return a log of some of the source's periods, counted from 0."""
    source = setting.log
    calendar = source["calendar"].slice(start, horizon)
    calendar = {name: np.asarray(calendar[name]) for name in calendar.column_names}
    calendar["date"] = source["calendar"]["date"].slice(start, horizon).to_pylist()
    calendar["period"] = np.arange(horizon)
    nodes = {name: source["nodes"][name].to_pylist() for name in source["nodes"].column_names}
    nodes["active_from"] = [max(0, opens - start) for opens in nodes["active_from"]]
    static = {name: source[name] for name in ("products", "regions", "customers")}
    views = dict(tables["glance_views"])
    # Who is unknown in the source was one more customer for the replay (see ``setting``).
    known = views["customer"] < source["customers"].num_rows
    views["customer"] = np.where(known, views["customer"], -1)
    tables = {**tables, "glance_views": views}
    return EventLog.from_arrays({**static, "calendar": calendar, "nodes": nodes, **tables})

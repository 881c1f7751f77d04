"""``draingym recommend``: today's stock and a policy to what to buy and where to place it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from draingym.commands.log_run import HISTORICAL, LogRun
from draingym.commands.progress import say
from draingym.commands.today import Today, panel_ahead, read_today
from draingym.common.arrays import FloatArray, require_seed, require_whole
from draingym.common.atomic import atomic_file, require_writable
from draingym.common.bootstrap import Interval, draw_means, interval, multiplicities
from draingym.common.config import require_fields
from draingym.common.files import kind_at
from draingym.drain_model.training.run import BEST
from draingym.policies import checked_rollouts
from draingym.simulator import (
    Params,
    Policy,
    PyTree,
    Scenario,
    Simulator,
    Transition,
    make_windows,
    market_from_panel,
    window,
)
from draingym.world.eventlog import currency_of

COLUMNS = (
    *("product", "node", "action", "source", "units", "asked"),
    *("worth", "worth_low", "worth_high", "warning"),
)
_RESAMPLES = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class RecommendConfig:
    """Whose orders, for which day, and how their worth is looked at.

    Raises:
        ValueError: If a value is out of its bounds.
    """

    policy: Path
    stock: Path  # CSV, see ``read_today``
    forecast: Path | None = None  # CSV; the log's own forecast when not given
    drain: Path | None = None  # of the simulator; drain_model.npz beside the policy when not given
    panel: Path | None = None  # of the log; made anew when not given
    settings: Path | None = None  # JSON file, see ``log_config``
    horizon: int = 8  # periods over which orders are worth something
    futures: int = 16  # of demand, lead times and drain
    seed: int = 0

    def __post_init__(self) -> None:
        """Check types and bounds; see the class."""
        require_fields(self)
        require_whole("horizon", self.horizon, low=1, high=1000)
        require_whole("futures", self.futures, low=2, high=10_000)
        require_seed(self.seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """What to order now, and what it is worth. ``P`` products, ``N`` nodes."""

    asked: NDArray[np.float32]  # [P, N] units the policy requests for each node
    units: NDArray[np.int64]  # [P, N] units that can be sent: bought, or placed from the parent
    worth: FloatArray  # [P] currency over the historical rule, mean over futures
    low: FloatArray  # [P] its 95% interval
    high: FloatArray  # [P]
    total: Interval  # mean over products
    warnings: dict[str, list[str]] = field(default_factory=dict)  # by product
    notes: tuple[str, ...] = ()


def recommend(log: Path, config: RecommendConfig, out: Path, console: Console) -> Recommendation:
    """Return what to buy and place for the period after a log's last one; write it as CSV.

    The policy sees today's stock, what is on its way and the forecast, as in the simulator, and
    requests units for every node; what a parent lacks is rationed as in the simulator, too. What
    the orders are worth is the mean difference, over futures of demand, between following the
    policy and following the historical rule (the covers that the log kept) for ``horizon`` periods
    from here, in the simulator of the drain model, what is left being worth its salvage.

    Args:
        log: Folder of the event log, up to yesterday.
        config: Policy, stock, and how worth is looked at.
        out: CSV file with a row for every product and node that gets something: ``COLUMNS``.
        console: Where progress goes.

    Returns:
        All numbers.

    Raises:
        ValueError: If log, model, policy and panel are not of one world, a CSV file is bad (naming
            row, column, value and bound), or the file cannot be written.
    """
    require_writable(out, "file")
    drain = config.drain or config.policy.with_name(BEST)
    if kind_at(drain, "drain model") is None:
        raise ValueError(
            f"{drain} is not there: --drain must name the drain model in whose simulator orders "
            "are valued"
        )
    run = LogRun(log, config.settings, drain=drain, panel=config.panel)
    run.require_shipments()
    ((_, (policy, params)),) = run.files([config.policy]).items()
    network = run.world.network
    today = read_today(
        config.stock,
        config.forecast,
        products=run.ids,
        nodes=network.node_name,
        regions=network.region_name,
        leads=int(run.panel.sizes["ahead"]),
    )
    found = recommended(run, policy, params, today, config, console)
    _write(out, found, run)
    for note in found.notes:
        say(console, note)
    bought, placed = (int(found.units[:, root].sum()) for root in _kinds(run))
    total, currency = found.total, currency_of(run.log)
    say(
        console,
        f"{out}: {bought:,} units to buy, {placed:,} to place, for the period after "
        f"{run.panel['date'].to_numpy()[-1].astype('datetime64[D]')}",
    )
    say(
        console,
        f"Worth {total.value:,.2f} [{total.low:,.2f}, {total.high:,.2f}] {currency} a product over "
        f"{config.horizon} periods, against the covers that the log kept "
        f"({config.futures} futures)",
    )
    if found.warnings:
        say(
            console,
            f"{len(found.warnings)} of {len(run.ids)} products are unlike those trained on: see "
            "the column warning",
        )
    return found


def recommended(
    run: LogRun,
    policy: Policy,
    params: PyTree,
    today: Today,
    config: RecommendConfig,
    console: Console,
) -> Recommendation:
    """Return a policy's orders of today, and their worth; see ``recommend``."""
    simulator, own = run.simulator_of([run.checkpoint])
    rule = (run.policies[HISTORICAL], run.parameters[HISTORICAL])
    key_policy = jax.random.key(config.seed)
    gains, notes = [], list(run.notes)
    with Progress(console=console) as bar:
        task = bar.add_task("Futures", total=config.futures)
        for m in range(config.futures):
            scenario, note = future(run, simulator, own, today, config, m)
            values, moves = checked_rollouts(simulator, own, policy, params, scenario, key_policy)
            other, _ = checked_rollouts(simulator, own, *rule, scenario, key_policy)
            gains.append(np.asarray(values, np.float64) - np.asarray(other, np.float64))
            if m == 0:  # what is sent today is the same in all futures
                first = _first(moves)
                notes += [note] if note else []
            bar.update(task, completed=m + 1)
    gain = np.stack(gains)  # [M, P]
    drawn = multiplicities(len(gain), _RESAMPLES, config.seed) / len(gain) @ gain
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return Recommendation(
        asked=np.asarray(first.action),
        units=np.rint(np.asarray(first.shipped)).astype(np.int64),
        worth=gain.mean(axis=0),
        low=low,
        high=high,
        total=interval(float(gain.mean()), draw_means(gain[None])[:, 0]),
        warnings=_warnings(run),
        notes=tuple(dict.fromkeys(notes)),
    )


def future(
    run: LogRun,
    simulator: Simulator,
    params: Params,
    today: Today,
    config: RecommendConfig,
    number: int,
) -> tuple[Scenario, str]:
    """Return the periods to come, from today's stock; leaves [P, ...] and [P, H, ...].

    What is observed in the first of them, and what is sent then, is the same in all futures.

    Args:
        run: The log.
        simulator: Whose kernel prepares them.
        params: Its parameters.
        today: Stock, transit and forecast.
        config: Horizon and seed.
        number: Of the future.

    Returns:
        A scenario, and what must be said of its calendar.
    """
    days, start = float(run.world.period_days), int(run.panel.sizes["period"])
    random = np.random.default_rng([config.seed, number])
    ahead, note = panel_ahead(run.panel, today, run.split, config.horizon, 7.0 / days, random)
    market = market_from_panel(ahead, known_periods=run.split, half_life=7.0 / days)
    if today.forecast is not None:
        told = jnp.asarray(today.forecast, market.forecast.dtype)[:, None]
        market = replace(market, forecast=market.forecast.at[:, start:].set(told))
    key_kernel, key_noise = jax.random.split(jax.random.key(int(random.integers(2**31))))
    windows = make_windows(
        simulator,
        params,
        ahead,
        market,
        [start],
        [today.arriving],
        config.horizon,
        np.asarray(run.panel["lead_time"]),
        key_kernel,
    )
    scenario = window(windows, 0, config.horizon, key_noise)
    # What is sent today is no draw: half of a unit and more is one.
    rounding = scenario.series.round_uniform.at[:, 0].set(0.5)
    return replace(scenario, series=replace(scenario.series, round_uniform=rounding)), note


def _first(moves: Transition) -> Transition:
    """Return what happened in the first period, on the host."""
    now: Transition = jax.tree.map(lambda leaf: np.asarray(leaf)[:, 0], moves)
    return now


def _warnings(run: LogRun) -> dict[str, list[str]]:
    """Return by product what lies beyond what the model was trained on."""
    found: dict[str, list[str]] = {}
    quoted = {repr(name): name for name in run.ids}
    for one in run.checkpoint.outside(run.drain_data):
        if one.kind == "product":
            words = f"{one.attribute} {one.value:g} is beyond {one.low:g} to {one.high:g}"
            found.setdefault(quoted[one.name], []).append(words)
    for name, trained in zip(run.ids, run.trained_products, strict=True):
        if not trained:
            found.setdefault(name, []).append("not trained on")
    return found


def _kinds(run: LogRun) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return [N] which nodes buy, and which are given from another node."""
    roots = np.asarray(run.world.network.parent) < 0
    return roots, ~roots


def _write(out: Path, found: Recommendation, run: LogRun) -> None:
    """Write a row for every product and node that gets, or asks for, a unit or more."""
    with atomic_file(out) as fresh, fresh.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(_rows(found, run.ids, run.world.network))


def _rows(found: Recommendation, ids: Sequence[str], network: Any) -> Iterator[Mapping[str, Any]]:
    for p, n in np.argwhere((found.units > 0) | (found.asked >= 0.5)):
        parent = int(network.parent[n])
        yield {
            "product": ids[p],
            "node": network.node_name[n],
            "action": "buy" if parent < 0 else "place",
            "source": "vendor" if parent < 0 else network.node_name[parent],
            "units": int(found.units[p, n]),
            "asked": f"{float(found.asked[p, n]):.2f}",
            "worth": f"{found.worth[p]:.2f}",
            "worth_low": f"{found.low[p]:.2f}",
            "worth_high": f"{found.high[p]:.2f}",
            "warning": "; ".join(found.warnings.get(ids[p], [])),
        }

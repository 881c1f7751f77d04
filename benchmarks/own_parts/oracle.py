"""What not knowing the systems behind a log costs (bar 2).

A policy writes a log of an emulated world, whose systems are hidden. Three oracles are made of
that log: one is told the systems, one estimates them, and one takes the default numbers with lanes
drawn at random, as every oracle of a log once did. Each replays the log's own stock, which must
give the log again, and values policies that the truth values, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from benchmarks._common import Claim, Clock, Row, at_least, at_most, figure_only, plain
from benchmarks.oracle_parts.far_policies import far_policies
from benchmarks.oracle_parts.replayed_world import order_lines
from benchmarks.policies_parts.part import Part
from draingym.common.files import write_json
from draingym.demo.config import LoopConfig
from draingym.demo.history import history_scenario, run_history, true_systems
from draingym.oracle import (
    OracleConfig,
    ReplaySetting,
    SelfReplay,
    Systems,
    run,
    self_replay,
    setting_from_log,
    to_event_log,
)
from draingym.policies import OrderUpTo, tree_of
from draingym.policies.rules.base_stock import OrderUpToParams
from draingym.policies.validation.agreement import kendall
from draingym.policies.validation.candidates import order_up_to_grid, perturbed
from draingym.simulator import Dynamics, Params, Scenario, params_from_network
from draingym.simulator.types import Policy, PyTree
from draingym.world.lines import OrderLines
from draingym.world.orders import World, WorldConfig, build_world
from draingym.world.views import Views

FloatArray = NDArray[np.float64]
Preset = Literal["small", "full"]
Policies = Mapping[str, tuple[Policy, PyTree]]
ORACLES = ("estimated", "told", "assumed")
SEEDS = (0, 1, 2, 3, 4)  # of the oracle, in self-replays
DRAWS = (0, 1)  # of the oracle, in values of policies
OTHER_LANES = 1000  # added to a world's seed: lanes of an oracle that assumes them


@dataclass(frozen=True, kw_only=True, slots=True)
class Logged:
    """A world, the log that it left, and the truth behind it."""

    world: World
    config: LoopConfig
    truth: Systems
    params: Params
    scenario: Scenario
    oracles: Mapping[str, ReplaySetting]  # by name


def make_logged(lines: OrderLines, preset: Preset, seed: int) -> Logged:
    """Build a world whose lanes are its own, run history in it, and make oracles of its log."""
    size = WorldConfig(period_days=2, seed=seed)
    if preset == "small":
        size = replace(size, num_products=12, num_nodes=4, num_regions=12)
    config = LoopConfig(seed=seed, world=size, oracle=OracleConfig(seed=seed))
    world = build_world(lines, config.world)
    log = to_event_log(world, run_history(world, config))
    truth = true_systems(world, config)
    estimated = setting_from_log(log, economics=config.economics)
    told = setting_from_log(
        log, config.oracle, config.economics, rates=estimated.rates, panel=estimated.panel
    )
    # The places of a log are the homes of its customers: the truth's tables are by others.
    assumed = setting_from_log(
        log,
        OracleConfig(seed=seed + OTHER_LANES),
        config.economics,
        rates=estimated.rates,
        panel=estimated.panel,
    )
    return Logged(
        world=world,
        config=config,
        truth=truth,
        params=params_from_network(
            world.network, config.economics, None, period_days=world.period_days
        ),
        scenario=history_scenario(world, config),
        oracles=dict(zip(ORACLES, (estimated, told, assumed), strict=True)),
    )


def spread(logged: Logged) -> Policies:
    """Return policies far from history and near it: at least twenty that differ."""
    world = logged.world
    days, nodes = world.period_days, world.network.num_nodes
    order_up_to = OrderUpTo(tree=tree_of(world.network))
    middle = OrderUpToParams(
        buy_cover=jnp.float32(14.0 / days),
        place_cover=jnp.float32(7.0 / days),
        safety=jnp.float32(1.0),
    )
    return {
        **far_policies(world, logged.config),
        **order_up_to_grid(order_up_to, middle),
        **perturbed(
            {"order up to": (order_up_to, middle)}, nodes, copies=4, seed=world.config.seed
        ),
    }


def value(
    logged: Logged, systems: Systems, views: Views, policy: Policy, params: PyTree, seed: int
) -> float:
    """Return a policy's value a period over all products, after a third of the periods."""
    moves = run(
        systems,
        views,
        logged.params,
        policy,
        params,
        logged.scenario,
        dynamics=Dynamics(),
        key=jax.random.key(logged.config.seed),
        seed=seed,
    ).trajectory.transitions
    reward = np.asarray(moves.reward, np.float64)
    skip = reward.shape[1] // 3  # they sell the stock that all policies began with
    return float(reward[:, skip:].sum() / (reward.shape[1] - skip))


def replay_row(number: int, name: str, check: SelfReplay) -> Row:
    """Return how far a self-replay came out from its log."""
    off = {comparison.what: 100.0 * comparison.off for comparison in check.comparisons}
    return {"table": "self-replay", "world": number, "oracle": name, **off} | {
        "units by period and node": 100.0 * check.by_period
    }


def value_rows(number: int, logged: Logged, clock: Clock) -> list[Row]:
    """Return the value of every policy in the truth and in every oracle."""
    world, policies = logged.world, spread(logged)
    real = world.views.candidates(world.rates)
    rows: list[Row] = []
    views = {
        (name, seed): oracle.views(seed)
        for name, oracle in logged.oracles.items()
        for seed in DRAWS
    }
    for policy_name, (policy, params) in policies.items():
        truth = value(logged, logged.truth, real, policy, params, world.config.seed)
        row: dict[str, Any] = {"table": "values", "world": number, "policy": policy_name}
        row["truth"] = truth
        for name, oracle in logged.oracles.items():
            found = [
                value(logged, oracle.systems, views[name, seed], policy, params, 1000 + seed)
                for seed in DRAWS
            ]
            row[name] = float(np.mean(found))
        rows.append(row)
    clock(f"world {number}: {len(policies)} policies")
    return rows


def fit_rows(number: int, logged: Logged) -> list[Row]:
    """Return numbers of the systems, the true ones beside those estimated."""
    truth, fitted = (logged.oracles[name].systems for name in ("told", "estimated"))
    units = np.zeros(truth.lane_effect.shape)
    panel = logged.oracles["estimated"].panel
    node, region, count = (
        panel[f"lane_{name}"].to_numpy().ravel() for name in ("node", "region", "units")
    )
    np.add.at(units, (node, region), count)
    known, found = (np.log(s.lane_effect[units > 0]) for s in (truth, fitted))
    bills = [mean_bill(s, units) for s in (truth, fitted)]
    zone = 1.0 if (fitted.zone == truth.zone).all() else float("nan")
    rows: list[tuple[str, float, float]] = [
        ("days on the road, share right", 1.0, same_days(truth, fitted)),
        ("cut-off hour", truth.cutoff_hour, fitted.cutoff_hour),
        ("mean price of a box of 2.5 lb, zones 2 to 8, USD", bills[0], bills[1]),
        ("zones are the carrier's", 1.0, zone),
        ("worth of a scarce unit, USD", truth.opportunity_cost, fitted.opportunity_cost),
        ("scatter of a bill, sd of the logarithm", truth.cost_noise_sd, fitted.cost_noise_sd),
        ("lanes used, correlation of levels", 1.0, float(np.corrcoef(known, found)[0, 1])),
        ("chosen at random, USD a unit", truth.choice_noise, fitted.choice_noise),
    ]
    return [
        {"table": "numbers", "world": number, "number": what, "truth": right, "estimated": ours}
        for what, right, ours in rows
    ]


def same_days(truth: Systems, fitted: Systems) -> float:
    """Return the share of nodes and places whose days are right, three and more being one."""
    right, found = (np.minimum(s.transit_days[truth.serves], 3) for s in (truth, fitted))
    return float((right == found).mean())


def mean_bill(systems: Systems, units: FloatArray) -> float:
    """Return the mean price of a box of 2.5 lb over the zones 2 to 8, lanes by their units."""
    zone, rates = np.arange(2, 9), systems.rates
    price = (rates[0] + rates[1] * 2.5 + (rates[2] + rates[3] * 2.5) * zone).mean()
    return float(price * np.average(systems.lane_effect, weights=units))


def claims_of(rows: Sequence[Row], worlds: int) -> list[Claim]:
    """Return the claims on all worlds."""
    replays = [row for row in rows if row["table"] == "self-replay"]
    values = [row for row in rows if row["table"] == "values"]

    def worst(oracle: str, what: str) -> float:
        return max(float(row[what]) for row in replays if row["oracle"] == oracle)

    def errors(oracle: str) -> FloatArray:
        return np.array([abs(row[oracle] / row["truth"] - 1.0) * 100.0 for row in values])

    def ranks(oracle: str) -> float:
        found = []
        for number in range(worlds):
            mine = [row for row in values if row["world"] == number]
            columns = (np.array([[row[name] for row in mine]]) for name in (oracle, "truth"))
            found.append(float(kendall(*columns)[0]))
        return min(found)

    distinct = min(
        len({round(row["truth"], 6) for row in values if row["world"] == number})
        for number in range(worlds)
    )
    claims = [
        at_most(
            2, "self-replay, node shares off by", worst("estimated", "node shares"), "points", 3
        ),
        at_most(2, "self-replay, units off by", worst("estimated", "units"), "%", 2),
        at_most(2, "self-replay, ship cost off by", worst("estimated", "ship cost"), "%", 3),
        figure_only(2, "self-replay, promises off by", worst("estimated", "promises"), "points"),
        figure_only(2, "self-replay, boxes off by", worst("estimated", "boxes"), "%"),
        at_most(2, "mean error of a policy's value", errors("estimated").mean(), "%", 3),
        figure_only(2, "largest error of a policy's value", errors("estimated").max(), "%"),
        at_least(2, "Kendall of policies' values, worst world", ranks("estimated"), "", 0.9),
        at_least(2, "policies with values that differ", distinct, "policies", 20),
    ]
    for oracle, words in (("told", "told the systems"), ("assumed", "assuming systems")):
        claims += [
            figure_only(2, f"{words}: node shares off by", worst(oracle, "node shares"), "points"),
            figure_only(2, f"{words}: ship cost off by", worst(oracle, "ship cost"), "%"),
            figure_only(2, f"{words}: mean error of a policy's value", errors(oracle).mean(), "%"),
            figure_only(2, f"{words}: Kendall of policies' values", ranks(oracle), ""),
        ]
    return claims


def world_rows(number: int, preset: Preset, clock: Clock) -> list[Row]:
    """Return all rows of a world."""
    source, lines = order_lines(preset)
    logged = make_logged(lines, preset, number)
    clock(f"world {number}, {source}: log and oracles")
    rows = [
        replay_row(number, name, self_replay(oracle, seeds=SEEDS))
        for name, oracle in logged.oracles.items()
    ]
    rows += fit_rows(number, logged)
    clock(f"world {number}: self-replays")
    return rows + value_rows(number, logged, clock)


def run_part(folder: Path, preset: Preset = "full", worlds: int = 3) -> Part:
    """Run all worlds.

    Args:
        folder: Where a world's rows are kept; a world that is kept is not run again.
        preset: Real orders at the demo's size, or small synthetic ones.
        worlds: Worlds, each with a seed and lanes of its own.
    """
    clock = Clock()
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for number in range(worlds):
        kept = folder / f"world-{number}.json"
        if not kept.exists():
            write_json(kept, plain(world_rows(number, preset, clock)))
        rows += json.loads(kept.read_text(encoding="utf-8"))
    return Part(
        claims=claims_of(rows, worlds),
        rows=rows,
        seeds=SEEDS,
    )


def draw(axis: Any, rows: Sequence[Row]) -> None:
    """Draw policies' values in the oracles against the truth."""
    values = [row for row in rows if row["table"] == "values"]
    truth = np.array([row["truth"] for row in values])
    for name, marker in zip(ORACLES, ("o", "+", "x"), strict=True):
        found = np.array([row[name] for row in values])
        axis.scatter(truth, 100.0 * (found / truth - 1.0), marker=marker, s=24, label=name)
    axis.axhspan(-3.0, 3.0, color="0.9", zorder=0)
    axis.axhline(0.0, color="black", lw=0.8)
    axis.set_xlabel("value in the truth, USD a period")
    axis.set_ylabel("error of the oracle's value, %")
    axis.legend(frameon=False, title="systems")

"""A world with a history, and policies replayed in it by the truth and by the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from benchmarks import _orders
from benchmarks.oracle_parts.far_policies import far_policies
from draingym.demo.config import LoopConfig
from draingym.demo.history import history_scenario, run_history, true_systems
from draingym.oracle import Systems, estimate_rates, run, sample_latent, to_event_log
from draingym.simulator import Dynamics, Params, Scenario, params_from_network
from draingym.simulator.types import Policy, PyTree
from draingym.world.lines import OrderLines
from draingym.world.orders import World, WorldConfig, build_world
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines
from draingym.world.views import Views

FloatArray = NDArray[np.float64]
CONVERSIONS = ("conditional", "independent")
MEASURES = ("value", "units", "cost", "units a box")


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A world, its history and what is replayed in it."""

    world: World
    systems: Systems  # at the true rates
    params: Params
    scenario: Scenario
    log: Any
    policies: dict[str, tuple[Policy, PyTree]]


def order_lines(preset: str) -> tuple[str, OrderLines]:
    """Return real orders, or synthetic ones where those are out of reach or not wanted."""
    config = SyntheticConfig(num_products=20, num_customers=1500, num_days=60, lines_per_day=300.0)
    return _orders.order_lines(lambda: synthetic_order_lines(config, seed=0), real=preset == "full")


def make_setting(lines: OrderLines, preset: str, seed: int) -> Setting:
    """Build a world, run history in it, and name the policies."""
    size = WorldConfig(period_days=2, seed=seed)
    if preset == "small":
        size = replace(size, num_products=12, num_nodes=4, num_regions=12)
    config = LoopConfig(seed=seed, world=size)
    world = build_world(lines, config.world)
    return Setting(
        world=world,
        systems=true_systems(world, config),
        params=params_from_network(
            world.network, config.economics, None, period_days=world.period_days
        ),
        scenario=history_scenario(world, config),
        log=to_event_log(world, run_history(world, config)),
        policies=far_policies(world, config),
    )


def measure(
    setting: Setting, name: str, views: Views, systems: Systems, seed: int, skip: int
) -> FloatArray:
    """Return [4] a policy's ``MEASURES`` over all products; all but the last are per period.

    Periods before ``skip`` are left out: they sell the stock that all policies began with.
    """
    policy, parameters = setting.policies[name]
    # The random choices of history's policy are those it made in history.
    _, key_policy = jax.random.split(jax.random.key(setting.world.config.seed))
    ran = run(
        systems,
        views,
        setting.params,
        policy,
        parameters,
        setting.scenario,
        dynamics=Dynamics(),
        key=key_policy,
        seed=seed,
        record=True,
    )
    moves, kept = ran.trajectory.transitions, ran.outcomes[skip:]
    value, units, cost = (
        float(np.asarray(x, np.float64)[:, skip:].sum()) / len(kept)
        for x in (moves.reward, moves.outbound, moves.ship_cost)
    )
    boxes = sum(len(outcome.box_cost) for outcome in kept) / len(kept)
    return np.array([value, units, cost, units / max(boxes, 1.0)])


def replay(
    setting: Setting, seeds: Sequence[int], skip: int
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Return [policy, 4] the truth, and [seed, policy, 4] what the oracle says by conversion."""
    world, names = setting.world, list(setting.policies)
    rates = estimate_rates(setting.log)
    systems = setting.systems.with_rates(rates)
    real = world.views.candidates(world.rates)
    truth = np.stack(
        [measure(setting, n, real, setting.systems, world.config.seed, skip) for n in names]
    )

    def one(task: tuple[str, int]) -> FloatArray:
        kind, seed = task
        views = sample_latent(
            setting.log, rates, world.places, seed=seed, conditional=kind == "conditional"
        )
        noise = 1000 + seed
        return np.stack([measure(setting, n, views, systems, noise, skip) for n in names])

    tasks = [(kind, seed) for kind in CONVERSIONS for seed in seeds]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(one, tasks))
    size = len(seeds)
    return truth, {
        kind: np.stack(found[k * size : (k + 1) * size]) for k, kind in enumerate(CONVERSIONS)
    }

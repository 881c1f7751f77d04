"""A world whose systems have numbers of their own, and its log: what an estimate must find."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from draingym.oracle import OracleConfig, Systems, build_systems, run, to_event_log
from draingym.simulator import Dynamics, Economics, Params, Scenario, params_from_network
from draingym.world.eventlog import EventLog
from draingym.world.orders import World, WorldConfig, build_world
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines
from tests.oracle.policies import Refill
from tests.oracle.scenarios import scenario_of

# None of them is a default.
TRUTH = OracleConfig(
    cutoff_hour=13.5,
    transit_bands_km=(700.0, 1500.0, 2500.0),
    capacity_factor=1.1,
    opportunity_cost=3.0,
    scarcity_days=1.0,
    box_cost=3.0,
    box_cost_per_lb=0.8,
    box_cost_per_zone=2.0,
    box_cost_per_lb_zone=0.1,
    rate_scale=0.7,
    lane_effect_sd=0.3,
    cost_noise_sd=0.2,
    seed=11,
)


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """A log, and what wrote it."""

    world: World
    systems: Systems
    log: EventLog
    params: Params
    scenario: Scenario
    level: NDArray[np.float32]  # that ``Refill`` filled up to when it wrote the log

    def value(self, systems, views, level, *, seed=0):
        """Reward of ``Refill`` at a level, over all products, after a third of the periods."""
        moves = run(
            systems,
            views,
            self.params,
            Refill(),
            np.asarray(level, np.float32),
            self.scenario,
            dynamics=Dynamics(),
            seed=seed,
        ).trajectory.transitions
        reward = np.asarray(moves.reward, np.float64)
        return float(reward[:, reward.shape[1] // 3 :].sum())


def make_hidden(config=TRUTH, *, days=20, seed=3):
    """Run a world of six products, three nodes and six regions under ``config``; log it."""
    lines = synthetic_order_lines(
        SyntheticConfig(num_products=8, num_customers=2000, num_days=days, lines_per_day=500.0),
        seed=seed,
    )
    world = build_world(
        lines, WorldConfig(num_products=6, num_nodes=3, num_regions=6, seed=1, conversion_mean=0.4)
    )
    systems = build_systems(
        world.network, world.places, world.products, world.rates, world.mean_daily_demand, config
    )
    mean = float(world.mean_daily_demand.mean())
    level = (mean * np.array([7.0, 1.6, 1.6, 1.6])).astype(np.float32)
    params = params_from_network(world.network, Economics(), None, period_days=world.period_days)
    scenario = scenario_of(world, [6.0, 1.5, 1.5, 1.5])
    ran = run(
        systems,
        world.views,
        params,
        Refill(),
        level,
        scenario,
        dynamics=Dynamics(),
        seed=5,
        record=True,
    )
    return Hidden(
        world=world,
        systems=systems,
        log=to_event_log(world, ran),
        params=params,
        scenario=scenario,
        level=level,
    )

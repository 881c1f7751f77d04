"""What the drain-model benchmark runs on: a world's history, oracle replays, and noise floors.

History is one policy in the hidden truth. Every other panel is an oracle replay of that history's
log under another policy (``policies.py``): those of ``heldout_policies`` only ever judge a model,
those of ``tuning_policies`` are for fine-tuning it, and the two share none.
Fine-tuning uses periods before ``DrainWorld.split`` alone, evaluation periods from it on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from benchmarks import _orders
from benchmarks._economics import a_period
from benchmarks.drain_parts.policies import Plan
from draingym.demo.config import LoopConfig
from draingym.demo.history import run_history, true_systems
from draingym.drain_model import DrainData
from draingym.drain_model.data.dataset import Geography
from draingym.oracle import (
    ReplaySetting,
    Systems,
    ViewProfile,
    estimate_rates,
    resample_drain,
    resample_views,
    run,
    setting_from_log,
    to_event_log,
)
from draingym.simulator.types import Initial, Scenario
from draingym.world.lanes import join_periods
from draingym.world.lines import OrderLines
from draingym.world.network import Network
from draingym.world.orders import World, WorldConfig, build_world
from draingym.world.panel import build_panel
from draingym.world.synthetic import SyntheticConfig, synthetic_order_lines
from draingym.world.views import Views

Preset = Literal["tiny", "small", "paper", "busy", "busier"]
Customers = Literal["resampled", "conditional", "independent"]

SIZES = {
    "tiny": WorldConfig(period_days=2, num_products=12, num_nodes=4, num_regions=12),
    "small": WorldConfig(period_days=2, num_products=150, num_nodes=6, num_regions=30),
    "paper": WorldConfig(period_days=2, num_products=1000, num_nodes=20, num_regions=99),
    # Weeks of synthetic orders. More views convert, so that a year of them fits in memory.
    "busy": WorldConfig(
        period_days=7, num_products=125, num_nodes=20, num_regions=99, conversion_mean=0.5
    ),
    "busier": WorldConfig(
        period_days=7, num_products=125, num_nodes=20, num_regions=99, conversion_mean=0.5
    ),
}
REAL = ("small", "paper")  # of real orders where they can be had
WEEKLY_UNITS = {"busy": 10.0, "busier": 30.0}  # a node and product, about


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """All periods of a world under one policy, and the systems that made them."""

    name: str
    data: DrainData  # attributes and geography are history's; ``sales`` only in history itself
    systems: Systems  # truth's for history, the oracle's for a replay
    profile: ViewProfile  # homes, times, baskets and sizes among the views that ran
    period_days: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DrainWorld:
    """A world, what its history was, and what the oracle knows of it."""

    preset: Preset
    source: str  # of the order lines
    seed: int
    world: World
    config: LoopConfig
    systems: Systems  # of the hidden truth
    split: int  # first held-out period
    history: Panel
    oracle: ReplaySetting  # derived from the log; rates and forecasts from periods before ``split``

    @property
    def geography(self) -> Geography:
        """Where nodes and regions are."""
        return self.history.data.geography


def order_lines(preset: Preset, seed: int) -> tuple[str, OrderLines]:
    """Return real orders, or synthetic ones where those are out of reach or not wanted."""
    size = SIZES[preset]
    products = size.num_products
    config = SyntheticConfig(
        num_products=products + 2 + products // 5,
        num_customers=60 * products,
        num_days=48 if preset == "tiny" else 120,
        lines_per_day=14.0 * products,
    )
    if preset in WEEKLY_UNITS:
        daily = WEEKLY_UNITS[preset] * size.num_nodes / 7.0
        config = replace(
            config,
            num_products=products,
            num_customers=600 * products,
            num_days=364,
            lines_per_day=daily * products / (1.0 + config.extra_units),
        )
    return _orders.order_lines(
        lambda: synthetic_order_lines(config, seed=seed), real=preset in REAL
    )


def make_drain_world(preset: Preset, seed: int = 0, *, opening: bool = False) -> DrainWorld:
    """Build a world, run history in its hidden truth, and derive the oracle from the log.

    Two thirds of the periods come before the split. Products' attributes, forecasts and the
    oracle's conversion rates are estimated from those. The oracle's scarcity and capacity scale
    with the mean demand of the whole log, and its customers' homes, times, baskets and order sizes
    follow the whole log's. Stock costs a period what the defaults of ``Economics`` are a day
    (``benchmarks._economics``).

    Args:
        preset: ``small``, 150 products, 6 nodes, 30 regions and ``paper``, 1000 products, 20 nodes,
            99 regions, both of real orders in periods of two days; ``busy`` and ``busier``, 125
            products, 20 nodes, 99 regions and 52 weeks of synthetic orders, about 10 and 30 units a
            node, product and week; ``tiny``, synthetic, for tests.
        seed: Of everything.
        opening: Whether the node that is chosen last opens at the split: nothing is known of it
            before.

    Raises:
        ValueError: If the preset is unknown.
    """
    if preset not in SIZES:
        raise ValueError(f"preset is {preset!r}, must be one of {', '.join(SIZES)}")
    clock = _Clock()
    source, lines = order_lines(preset, seed)
    size = SIZES[preset]
    config = LoopConfig(
        seed=seed, world=replace(size, seed=seed), economics=a_period(size.period_days)
    )
    world = build_world(lines, config.world)
    clock(f"world: {preset}, {source}, {world.num_periods} periods, {world.views.num_views} views")
    split = round(world.num_periods * config.train_share)
    if opening:
        world = replace(world, network=_opening_last(world.network, split))
    log = to_event_log(world, run_history(world, config))
    clock("history and its log")
    systems = true_systems(world, config)
    panel = build_panel(log, known_periods=split)
    data = DrainData.from_panel(panel)
    history = Panel(
        name="history",
        data=data,
        systems=systems,
        profile=ViewProfile.from_views(systems, world.views, world.places),
        period_days=world.period_days,
    )
    clock("panel")
    oracle = setting_from_log(
        log,
        config.oracle,
        config.economics,
        rates=estimate_rates(log, known_periods=split),
        known_periods=split,
        panel=panel,
    )
    clock("oracle from the log")
    return DrainWorld(
        preset=preset,
        source=source,
        seed=seed,
        world=world,
        config=config,
        systems=systems,
        split=split,
        history=history,
        oracle=oracle,
    )


def _opening_last(network: Network, period: int) -> Network:
    """Return the network with a last node that opens in a period."""
    opens = np.array(network.active_from)
    opens[-1] = period
    return replace(network, active_from=opens)


def new_products(world: DrainWorld, share: float = 0.2) -> NDArray[np.int64]:
    """Return the products that no model is fitted to, in order: drawn at random."""
    products = world.history.data.num_products
    order = np.random.default_rng([world.seed, 5]).permutation(products)
    return np.sort(order[: round(share * products)])


def replay_policies(
    drain_world: DrainWorld,
    plans: dict[str, Plan],
    *,
    seed: int = 0,
    customers: Customers = "resampled",
) -> dict[str, Panel]:
    """Replay the log in the oracle under every policy, over all periods.

    All policies share customers, latents, lead times and the noise of costs.

    Args:
        drain_world: What to replay.
        plans: Policies by name.
        seed: Of latents, lead times, policies' draws and costs.
        customers: Who views. ``conditional`` are the log's, converting given what happened;
            ``independent`` are the log's, converting anew; ``resampled`` are drawn from the
            distribution of ``floor``, as many views by product, period and region as in the log.

    Returns:
        Panels by name. Fine-tune on ``data.periods(0, split)``, evaluate on periods from ``split``.
    """
    oracle, history = drain_world.oracle, drain_world.history
    clock = _Clock()
    views, profile = _customers(drain_world, customers, seed)
    scenario = oracle.scenario(0, oracle.num_periods, seed)
    # On the host: a slice on the device would be compiled anew for every block.
    series = jax.tree.map(np.asarray, scenario.series)
    clock(f"customers, {customers}")
    panels: dict[str, Panel] = {}
    for name, plan in plans.items():
        parts, lanes = [], []
        initial = scenario.initial
        for block, params in enumerate(plan.blocks):
            cut = slice(block * plan.block_periods, (block + 1) * plan.block_periods)
            part = jax.tree.map(lambda leaf, cut=cut: jnp.asarray(leaf[:, cut]), series)
            ran = run(
                oracle.systems,
                views,
                oracle.params,
                plan.policy,
                params,
                Scenario(initial=initial, series=part),
                dynamics=oracle.dynamics,
                key=jax.random.fold_in(jax.random.key(seed), block),
                seed=seed,
                record=True,
            )
            final = ran.trajectory.final
            initial = Initial(
                on_hand=final.on_hand, pipeline=final.pipeline, history=initial.history
            )
            parts.append(ran.trajectory.transitions)
            lanes.append(ran.lanes())

        def joined(field: str, parts: list[Any] = parts) -> NDArray[np.float32]:
            columns = [np.asarray(getattr(part, field), np.float32) for part in parts]
            return np.concatenate(columns, axis=1)

        data = history.data.under(
            joined("outbound"),
            joined("ship_cost"),
            joined("available"),
            lanes=join_periods(lanes),
        )
        panels[name] = Panel(
            name=name,
            data=data,
            systems=oracle.systems,
            profile=profile,
            period_days=drain_world.world.period_days,
        )
        clock(f"replay: {name}")
    return panels


def _customers(
    drain_world: DrainWorld, customers: Customers, seed: int
) -> tuple[Views, ViewProfile]:
    """Return the views that a replay runs, and what its noise floor draws from."""
    oracle = drain_world.oracle
    views = oracle.views(seed, conditional=customers != "independent")
    profile = ViewProfile.from_views(oracle.systems, views, oracle.places)
    if customers != "resampled":
        return views, profile
    # Baskets as they were ordered: views that did not convert come one by one.
    order = oracle.log.array("glance_views", "order")
    _, lines = np.unique(order[order >= 0], return_counts=True)
    profile = replace(profile, basket_size=lines.astype(np.int64))
    drawn = resample_views(
        oracle.systems,
        profile,
        drain_world.history.data.glance_views.astype(np.int64),
        period_days=drain_world.world.period_days,
        seed=seed,
    )
    return drawn, profile


def floor(
    panel: Panel,
    num_samples: int = 128,
    seed: int = 0,
    periods: tuple[int, int] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw the drain of a panel again, given its stock and its views by product and region.

    The systems are those that made the panel: the truth's for history, the oracle's at its
    estimated rates for a replay. The distribution of views
    (``draingym.oracle.replays.noise_floor.resample_drain``), given stock and view counts, is
    exactly that of ``resampled`` replays, so that no model can beat it there. ``independent``
    replays have it too, but for baskets: a view converts whatever the rest of its basket does,
    boxes hold less, and a unit costs a fifth more than in history. ``conditional`` replays, and
    history, have another distribution: views follow orders, so that drain is more certain than the
    floor says, and the floor is a yardstick that a model may beat.

    Args:
        panel: What to draw again.
        num_samples: How many joint samples, ``S``.
        seed: Of the samples.
        periods: First period to draw, and one past the last; all of them when not given.

    Returns:
        Outbound units and ship costs, [S, P, T, N].
    """
    start, stop = (0, panel.data.num_periods) if periods is None else periods
    part = panel.data.periods(start, stop)
    drawn = resample_drain(
        panel.systems,
        panel.profile,
        part.available.astype(np.int64),
        part.glance_views.astype(np.int64),
        start=start,
        period_days=panel.period_days,
        num_samples=num_samples,
        seed=seed,
    )
    return drawn.outbound.astype(np.float32), drawn.ship_cost


def known_history(drain_world: DrainWorld) -> Panel:
    """Return history with the oracle's systems: what ``floor`` draws knows the log, not the truth.

    Conversion rates are estimated from periods before the split; the distribution of customers is
    that of the oracle's own views given the log.
    """
    _, profile = _customers(drain_world, "conditional", drain_world.seed)
    return replace(drain_world.history, systems=drain_world.oracle.systems, profile=profile)


def describe(panel: Panel, periods: tuple[int, int]) -> dict[str, Any]:
    """Return how much a panel ships and how often its nodes are empty, for a table.

    Out of stock: open nodes near customers that had nothing at all (``empty``), or that sold all
    that they had (``sold_out``), as shares of products, periods and nodes.
    """
    part = panel.data.periods(*periods)
    near = np.broadcast_to(part.active, part.outbound.shape)
    had, sold = part.available[near], part.outbound[near]
    return {
        "policy": panel.name,
        "units": float(sold.mean()),
        "available": float(had.mean()),
        "empty": float((had == 0).mean()),
        "sold_out": float(((had > 0) & (sold == had)).mean()),
        "no_stock_anywhere": float((np.where(near, part.available, 0).sum(axis=2) == 0).mean()),
        "usd_a_unit": float(part.ship_cost.sum() / max(part.outbound.sum(), 1.0)),
    }


class _Clock:
    """Prints what is done and how long it took."""

    def __init__(self) -> None:
        self.last = time.perf_counter()

    def __call__(self, what: str) -> None:
        now = time.perf_counter()
        print(f"  {now - self.last:6.1f} s  {what}", flush=True)
        self.last = now

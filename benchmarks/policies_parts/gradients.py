"""Gradients through the drain's discrete draws: which leads to the better policy.

Bar 4. One world with whole-unit shipments and a learned kernel whose nodes draw whole units; one
neural policy; the same start, batch, and number of updates for every estimator:

- straight-through: the simulator's own derivative (``simulator.hard_draw``);
- Gumbel relaxation: trained on relaxed draws; and its straight-through form, on hard ones;
- score function of the draws, pathwise elsewhere; and of the policy's own noise (REINFORCE).

Each gets two rates, of which the better counts, and is judged by hard rollouts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._common import Claim, Row, at_least, figure_only
from benchmarks._economics import a_period
from benchmarks.comparators.draw_score import DrawScore
from benchmarks.comparators.other_gradients import GumbelDrain, ScoredDrain
from benchmarks.drain_parts.world import DrainWorld, make_drain_world
from benchmarks.policies_parts.part import Figure, Part, mean_interval
from draingym.drain_model import DrainConfig, LearnedDrain, train
from draingym.policies import (
    Hyper,
    Method,
    NeuralPlacement,
    PathwiseGradient,
    ScoreFunction,
    TrainConfig,
    TrainResult,
    WindowTask,
    train_policies,
    tree_of,
)
from draingym.simulator import (
    HISTORY_LENGTH,
    DrainKernel,
    Economics,
    History,
    Initial,
    Simulator,
    Windows,
    make_market,
    params_from_network,
    sample_noise,
)

OURS = "straight-through"
SEEDS = tuple(range(24))
RATES = (1e-2, 3e-2)
CONFIG = TrainConfig(updates=80, batch_products=32, evaluate_every=8, ema_decay=0.8)
HORIZON = 12  # periods of two days
PATHS = 96  # of the products that are rolled out: one product, its views drawn anew
PRICE, UNIT_COST = 30.0, 20.0
DRAIN = DrainConfig(
    joint="independent",
    width=8,
    heads=2,
    pair_width=8,
    node_blocks=0,
    location_blocks=0,
    batch_products=2,
    epochs=40,
    validate_every=4,
    learning_rate=1e-2,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """A world, the drain model learned from its history, and a product's expected views."""

    world: DrainWorld
    kernel: LearnedDrain
    kernel_params: Any
    product: int

    @classmethod
    def make(cls, seed: int = 0) -> Ground:
        """Build the smallest world, and train a drain model on its history."""
        world = make_drain_world("tiny", seed)
        data, network = world.history.data, world.world.network
        checkpoint = train(data.periods(0, world.split), DRAIN, seed=seed).checkpoint
        kernel, params = LearnedDrain.bind(
            checkpoint,
            data.geography,
            jnp.asarray(network.serves_customers),
            jnp.zeros(network.num_nodes, jnp.int32),
        )
        units = data.outbound.sum(axis=(1, 2))
        return cls(
            world=world,
            kernel=kernel,
            kernel_params=params,
            product=int(np.argsort(units)[len(units) // 2]),
        )

    def task(self, kernel: DrainKernel, seed: int) -> WindowTask:
        """Return rollouts of the product under views drawn anew, with this kernel.

        Args:
            kernel: Around the learned one, or it.
            seed: Of the views.
        """
        data, network = self.world.history.data, self.world.world.network
        mean = data.glance_views[self.product].mean(axis=0)  # [Z]
        random = np.random.default_rng(seed)
        views = random.poisson(mean, (PATHS, HORIZON, len(mean))).astype(np.float32)
        conversion = float(np.exp(data.attributes[self.product, 2]))
        demand = mean * conversion
        attributes = np.repeat(data.attributes[self.product][None], PATHS, axis=0)
        market = make_market(
            glance_views=views,
            forecast=np.broadcast_to(demand, views.shape),
            price=np.full(PATHS, PRICE),
            unit_cost=np.full(PATHS, UNIT_COST),
            attributes=attributes,
            calendar=data.calendar[:HORIZON],
        )
        series = sample_noise(market, network.lead_time, kernel.num_uniforms, jax.random.key(seed))
        days = self.world.world.period_days
        economics = Economics(holding_cost=0.15, transfer_cost=0.4, salvage_rate=0.8)
        params = params_from_network(
            replace(network, active_from=np.zeros(network.num_nodes, np.int64)),
            a_period(days, economics),
            self.kernel_params,
            period_days=days,
        )
        prepare = jax.jit(jax.vmap(lambda one: kernel.prepare(params.kernel, one)))
        nodes, longest = network.num_nodes, network.lead_time.shape[1] - 1
        # Two periods of demand everywhere near customers, four upstream.
        near = np.asarray(network.serves_customers)
        stock = np.where(near, 2.0 / near.sum(), 4.0) * demand.sum()
        none = jnp.zeros((1, PATHS, HISTORY_LENGTH, nodes))
        initial = Initial(
            on_hand=jnp.broadcast_to(jnp.rint(jnp.asarray(stock, jnp.float32)), (1, PATHS, nodes)),
            pipeline=jnp.zeros((1, PATHS, longest, nodes)),
            history=History(outbound=none, ship_cost=none, available=none),
        )
        return WindowTask(
            params=params,
            windows=Windows(
                market=replace(market, exogenous=prepare(series)),
                initial=initial,
                start=jnp.zeros(1, jnp.int32),
                lead_time=jnp.asarray(network.lead_time, jnp.float32),
                num_uniforms=kernel.num_uniforms,
            ),
            simulator=Simulator(kernel=kernel),
            horizon=HORIZON,
        )


def estimators(ground: Ground, policy: NeuralPlacement) -> dict[str, tuple[Method, DrainKernel]]:
    """Return every estimator's method, and the kernel it is trained with."""
    hard = ground.kernel
    pathwise = PathwiseGradient(policy=policy)
    return {
        OURS: (pathwise, hard),
        "Gumbel relaxation": (pathwise, GumbelDrain(kernel=hard, temperature=0.5)),
        "Gumbel straight-through": (pathwise, GumbelDrain(kernel=hard, hard=True)),
        "score function of draws": (DrawScore(policy=policy), ScoredDrain(kernel=hard)),
        "score function of policy": (ScoreFunction(policy=policy, initial_sd=0.1), hard),
    }


def learn(ground: Ground, method: Method, kernel: DrainKernel) -> list[list[TrainResult]]:
    """Return results by rate, then by seed: all trained at once."""
    runs = [(rate, seed) for rate in RATES for seed in SEEDS]
    hyper = Hyper(
        learning_rate=jnp.array([rate for rate, _ in runs]),
        clip_norm=jnp.float32(CONFIG.clip_norm),
        ema_decay=jnp.float32(CONFIG.ema_decay),
    )
    found = train_policies(
        method,
        ground.task(kernel, seed=1),
        CONFIG,
        seeds=[seed for _, seed in runs],
        hyper=hyper,
        evaluation=ground.task(ground.kernel, seed=2),
    )
    size = len(SEEDS)
    return [found[i * size : (i + 1) * size] for i in range(len(RATES))]


@partial(jax.jit, static_argnums=0)
def _value(policy: NeuralPlacement, params: Any, task: WindowTask, key: Any) -> Any:
    return task.evaluate(policy, params, key)


def fresh_values(
    ground: Ground, policy: NeuralPlacement, results: Sequence[TrainResult], repeats: int = 8
) -> np.ndarray:
    """Return [seeds] mean values on draws that no training or choice has seen."""
    task = ground.task(ground.kernel, seed=3)
    keys = jax.random.split(jax.random.key(77), repeats)
    return np.array(
        [np.mean([float(_value(policy, r.params, task, key)) for key in keys]) for r in results]
    )


def run() -> Part:
    """Train by every estimator, and return what bar 4 asks for."""
    ground = Ground.make()
    data = ground.world.history.data
    policy = NeuralPlacement(
        tree=tree_of(ground.world.world.network), num_attributes=data.attributes.shape[-1], width=16
    )
    rows: list[dict[str, Any]] = []
    values: dict[str, np.ndarray] = {}
    for name, (method, kernel) in estimators(ground, policy).items():
        found = learn(ground, method, kernel)
        best = int(np.argmax([np.mean([r.curve[-1] for r in group]) for group in found]))
        group = found[best]
        values[name] = fresh_values(ground, policy, group)
        mean, low, high = mean_interval(values[name])
        rows.append(
            {
                "table": "gradients through draws",
                "estimator": name,
                "rate": RATES[best],
                "start": float(np.mean([r.curve[0] for r in group])),
                "value": mean,
                "low": low,
                "high": high,
                "updates": CONFIG.updates,
                "seconds": float(group[0].seconds[-1]),
            }
        )
        rows.append(
            {
                "table": "curves",
                "estimator": name,
                "updates": group[0].updates.tolist(),
                "values": [r.curve.round(3).tolist() for r in group],
            }
        )
        print(rows[-2], flush=True)
    return Part(
        claims=gradient_claims(values),
        rows=rows,
        seeds=SEEDS,
        figures=(Figure(name="policies_gradients", draw=draw_curves(rows)),),
    )


def gradient_claims(values: dict[str, np.ndarray]) -> list[Claim]:
    """Return by how much ours is better, seed by seed; the lower end of the interval counts."""
    claims = [
        figure_only(4, f"{name}: value of the policy", float(v.mean()), "USD a product")
        for name, v in values.items()
    ]
    for name, theirs in values.items():
        if name != OURS:
            low = mean_interval(values[OURS] - theirs)[1]
            what = f"{OURS} less {name}, lower end of the interval over seeds"
            claims.append(at_least(4, what, low, "USD a product", 0.0))
    return claims


def draw_curves(rows: Sequence[Row]) -> Callable[[Any], None]:
    """Return what draws the curves of all seeds and their means."""
    colours = ("#1b6ca8", "#d1495b", "#edae49", "#66a182", "#7d5ba6")

    def draw(axis: Any) -> None:
        curves = [row for row in rows if row["table"] == "curves"]
        for colour, row in zip(colours, curves, strict=True):
            values = np.asarray(row["values"])
            axis.plot(row["updates"], values.T, color=colour, lw=0.6, alpha=0.5)
            axis.plot(
                row["updates"], values.mean(axis=0), color=colour, lw=2, label=row["estimator"]
            )
        axis.set_xlabel("updates")
        axis.set_ylabel("value in the simulator, USD a product")
        axis.legend(frameon=False, fontsize=8)

    return draw

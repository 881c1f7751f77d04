"""Rules tuned, and policies trained by gradients and by PPO, with one budget of periods."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float
from numpy.typing import NDArray

from benchmarks.zoo_parts.settings import ByWeekday, Setting
from draingym.policies import (
    PPO,
    Hyper,
    Method,
    PathwiseGradient,
    Task,
    TrainConfig,
    TuneConfig,
    train_policies,
    tune,
)
from draingym.policies.training.method import Descend, PolicyAlone
from draingym.simulator import Observation, Policy, PyTree
from draingym.simulator.decisions import decision_returns

Costs = NDArray[np.float64]
CANDIDATE = 20  # rollouts that judge a candidate of the tuned rule, the same for all


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What each method may simulate, and how it is cut into updates."""

    periods: int = 2_000_000
    points: int = 25  # of a learning curve


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """A policy, and how it came about."""

    policy: Policy
    params: PyTree
    periods: int  # simulated in all
    seconds: float
    note: str
    # What was evaluated on the way: periods simulated, and the value a period, of the best run.
    curve: tuple[tuple[int, float], ...] = ()


Learner = Callable[[Setting, Budget, int], Learned]


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionGradient(PolicyAlone):
    """Follow the derivative of the mean return, what random thresholds decide included."""

    horizon: int = 20  # periods for which a decision is held responsible

    def update(
        self,
        learned: PyTree,
        state: optax.OptState,
        descend: Descend,
        task: Task,
        batch: int,
        scale: Float[Array, ""],
        key: Array,
    ) -> tuple[PyTree, optax.OptState, Float[Array, ""]]:
        """Take one step on one batch."""
        key_scenario, key_policy = jax.random.split(key)
        first = task.each(lambda one, key: one, task.draw(key_scenario, batch), key_scenario)

        def loss(learned: PyTree) -> Array:
            returns = decision_returns(
                task.simulator,
                task.params,
                self.policy,  # type: ignore[arg-type]
                learned,
                first,
                key_policy,
                horizon=self.horizon,
            )
            return -jnp.mean(returns) / (scale * task.periods)

        return descend(jax.grad(loss)(learned), state, learned)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lowered:
    """A policy whose requests are some units lower."""

    policy: Policy
    units: float

    def init(self, key: Array) -> PyTree:
        """Return the policy's parameters."""
        return self.policy.init(key)

    def apply(self, params: PyTree, observation: Observation, key: Array) -> Float[Array, " E"]:
        """Return its requests, less the units."""
        request: Array = self.policy.apply(params, observation, key) - self.units
        return request


@dataclass(frozen=True, kw_only=True, slots=True)
class LoweredGradient(PathwiseGradient):
    """``PathwiseGradient`` through requests that are lower than those that are evaluated.

    Where requests are rounded to the nearest whole unit, half a unit less rounds down. The
    derivative at a whole request is what a unit more is worth: of a request that is rounded down,
    the slope of the mean cost between two whole ones, which changes its sign at the best request.
    Of one that is rounded to the nearest it changes its sign half a unit below, where requests
    jump, and a network settles between the best request and one less.
    """

    units: float

    def update(
        self,
        learned: PyTree,
        state: optax.OptState,
        descend: Descend,
        task: Task,
        batch: int,
        scale: Float[Array, ""],
        key: Array,
    ) -> tuple[PyTree, optax.OptState, Float[Array, ""]]:
        """Take one step on one batch."""
        down = PathwiseGradient(policy=Lowered(policy=self.policy, units=self.units))
        return down.update(learned, state, descend, task, batch, scale, key)


def tuned(setting: Setting, budget: Budget, seed: int) -> Learned:
    """Search the box of the row's rule."""
    began = time.perf_counter()
    # Fewer rollouts a candidate than others are evaluated by, and so more candidates.
    task = replace(setting.task, evaluation_batch=min(CANDIDATE, setting.task.evaluation_batch))
    rollouts = max(budget.periods // task.evaluation_periods, 10 * task.evaluation_batch)
    found = tune(task, setting.rule, setting.bounds, TuneConfig(rollouts=rollouts, seed=seed))
    return Learned(
        policy=setting.rule,
        params=found.params,
        periods=found.rollouts * task.evaluation_periods,
        seconds=time.perf_counter() - began,
        note=setting.entry.rule,
    )


# Peak rates that are tried, each with its share of the budget: of networks, and of scaled levels.
RATES: Mapping[str, tuple[float, float]] = {
    "gradient, network": (2e-3, 2e-2),
    "gradient, levels": (1e-2, 4e-2),
    "gradient, thresholds": (1e-1, 4e-1),  # of units
    "ppo, network": (1e-3, 4e-3),
    "ppo, levels": (2e-2, 1.5e-1),
    "ppo, thresholds": (5e-3, 2e-2),
}


def _trained(
    setting: Setting, method: Method, kind: str, batch: int, budget: Budget, seed: int
) -> Learned:
    """Train by a method at every rate, and return the best by its own evaluations."""
    began = time.perf_counter()
    task = setting.task
    levels = type(setting.learner).__name__ in ("Covers", "Scaled")
    what = "thresholds" if setting.decides else "levels" if levels else "network"
    rates = RATES[f"{kind}, {what}"]
    updates = max(budget.periods // len(rates) // (batch * task.periods), 1)
    config = TrainConfig(
        updates=updates,
        batch_products=batch,
        evaluate_every=max(updates // budget.points, 1),
        ema_decay=0.9 if updates > 50 else 0.0,
    )
    hyper = Hyper(
        learning_rate=jnp.asarray(rates, jnp.float32),
        clip_norm=jnp.full(len(rates), config.clip_norm, jnp.float32),
        ema_decay=jnp.full(len(rates), config.ema_decay, jnp.float32),
    )
    initial = _start(setting)
    results = train_policies(
        method, task, config, seeds=[seed] * len(rates), hyper=hyper, initial=initial
    )
    best = max(range(len(rates)), key=lambda i: results[i].value)
    chosen = results[best]
    return Learned(
        policy=setting.judged,
        params=chosen.params,
        periods=len(rates) * updates * batch * task.periods,
        seconds=time.perf_counter() - began,
        note=f"{type(setting.learner).__name__}, rate {rates[best]:g}",
        curve=tuple((int(p), float(v)) for p, v in zip(chosen.periods, chosen.curve, strict=True)),
    )


def _start(setting: Setting) -> PyTree | None:
    """Return what to start from where a policy's own start says nothing of the problem."""
    if not setting.decides:
        return None
    mean = float(np.sum(setting.task.sample(jax.random.key(0), 1).series.forecast))
    start = {"reorder": jnp.float32(mean), "level": jnp.float32(3.0 * mean)}
    learner = setting.learner
    return learner.every_day(start) if isinstance(learner, ByWeekday) else start


def by_gradient(setting: Setting, budget: Budget, seed: int) -> Learned:
    """Train by gradients through rollouts."""
    method: Method = PathwiseGradient(policy=setting.learner)
    if setting.decides:
        method = DecisionGradient(policy=setting.learner)
    if setting.lowered:
        method = LoweredGradient(policy=setting.learner, units=setting.lowered)
    return _trained(setting, method, "gradient", 16, budget, seed)


def by_ppo(setting: Setting, budget: Budget, seed: int) -> Learned:
    """Train by PPO; thresholds that are random already are given noise all the same."""
    long = setting.task.periods > 45
    method = PPO(policy=setting.learner, extra_discount=0.98 if long else 0.95)
    return _trained(setting, method, "ppo", 64, budget, seed)


# Another learner is another entry: it takes a setting, a budget and a seed.
LEARNERS: Mapping[str, Learner] = {"tuned rule": tuned, "gradient": by_gradient, "ppo": by_ppo}


def costs(setting: Setting, policy: Policy, params: PyTree) -> Costs:
    """Return the cost (or less the profit) of rollouts on draws that nobody trained on.

    One draw for all policies, so that they can be compared rollout by rollout.
    """

    @jax.jit
    def values(params: PyTree, key: Array) -> Any:
        return -setting.judge.fresh_values(policy, params, key) * setting.of_all

    return np.asarray(values(params, jax.random.key(30_000)), np.float64)

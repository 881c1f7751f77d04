"""Each row of the zoo's table as a task: its rule and the box it is tuned in, what is trained."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from benchmarks.policies_parts.classic_problems import Scaled
from draingym import simulator
from draingym.networks.policy import base_stock
from draingym.policies import (
    BaseStock,
    CappedBaseStock,
    EchelonBaseStock,
    EqualFractile,
    MLPPolicy,
    ReorderPoint,
    SampledTask,
)
from draingym.registration import ENVIRONMENTS, ZOO
from draingym.simulator import Normal, Observation, Policy, Scenario
from draingym.simulator.decisions import RandomReorder
from draingym.simulator.problems.classic import Problem as Classic
from draingym.zoo.exact import Exact, exact
from draingym.zoo.problem import Problem
from draingym.zoo.table import Entry

_FIXED = 1e-3  # units about a threshold: none, where units are whole
Bounds = Mapping[str, tuple[ArrayLike, ArrayLike]]


@dataclass(frozen=True)
class Draws:
    """Draws scenarios of a problem of the zoo, the batch last."""

    problem: Problem

    def __call__(self, key: Array, periods: int, batch: int | None = None) -> Scenario:
        """Return them."""
        return self.problem.scenario(key, periods, batch)


@dataclass(frozen=True, kw_only=True, slots=True)
class DualIndex:
    """The capped dual index policy of a store with a slow and a soon supplier.

    The soon one fills up what is there, and due within its lead time, to ``expedite``; the slow one
    all that is due to ``regular``, by at most ``cap``. Parameters are these three.

    Source: Sun and Van Mieghem (2019), "Robust dual sourcing inventory management: optimality of
    capped dual index policies and smoothing".
    """

    soon: int  # lead time of the dear supplier, periods

    def init(self, key: Array) -> dict[str, Array]:
        """Return no orders."""
        del key
        return {name: jnp.float32(0.0) for name in ("cap", "expedite", "regular")}

    def apply(
        self, params: dict[str, Array], observation: Observation, key: Array
    ) -> Float[Array, " 2"]:
        """Return the regular and the expedited order."""
        del key
        net = observation.on_hand[0] - observation.waiting[0]
        due = jnp.sum(observation.pipeline, axis=1)
        expedited = jax.nn.relu(params["expedite"] - net - jnp.sum(due[: self.soon + 1]))
        position = net + jnp.sum(due) + expedited
        regular = jnp.minimum(jax.nn.relu(params["regular"] - position), params["cap"])
        return jnp.stack([regular, expedited])


@dataclass(frozen=True, kw_only=True, slots=True)
class Covers:
    """A policy of levels, which are those it starts from times a parameter a group."""

    policy: Any
    groups: tuple[int, ...]  # of each level

    def init(self, key: Array) -> Float[Array, " G"]:
        """Return ones."""
        del key
        return jnp.ones(max(self.groups) + 1)

    def apply(
        self, params: Float[Array, " G"], observation: Observation, key: Array
    ) -> Float[Array, " E"]:
        """Return the policy's requests at those levels."""
        levels = self.policy.init(key) * params[np.array(self.groups)]
        requests: Array = self.policy.apply(levels, observation, key)
        return requests


@dataclass(frozen=True, kw_only=True, slots=True)
class ByWeekday:
    """An (s, S) policy, random at its threshold, with an s and an S for each weekday."""

    policy: RandomReorder
    days: int

    def init(self, key: Array) -> dict[str, Float[Array, " D"]]:
        """Return the policy's own start on every day."""
        return self.every_day(self.policy.init(key))

    def every_day(self, params: dict[str, Array]) -> dict[str, Float[Array, " D"]]:
        """Return parameters of one day as those of all."""
        return {name: jnp.full(self.days, value) for name, value in params.items()}

    def _today(self, params: dict[str, Array], observation: Observation) -> dict[str, Array]:
        return {name: jnp.sum(observation.calendar * values) for name, values in params.items()}

    def apply(
        self, params: dict[str, Array], observation: Observation, key: Array
    ) -> Float[Array, " 1"]:
        """Return the day's request."""
        return self.policy.apply(self._today(params, observation), observation, key)

    def log_probability(
        self, params: dict[str, Array], observation: Observation, action: Array
    ) -> Array:
        """Return the logarithm of the probability of ordering or not."""
        return self.policy.log_probability(self._today(params, observation), observation, action)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A row of the table, ready to be tuned, trained and judged."""

    entry: Entry
    task: SampledTask  # what is trained on
    judge: SampledTask  # what is judged on
    of_all: float  # what a judged period's mean is multiplied by: 1, or the periods of an episode
    rule: Policy
    bounds: Bounds
    learner: Policy  # the same by gradients and by PPO
    decides: bool  # the learner's thresholds are random: gradients of decisions
    lowered: float  # units by which requests are lower while gradients are followed
    described: Problem | None  # None of what is none of the zoo

    @property
    def judged(self) -> Policy:
        """What is judged of the learner: thresholds that are random in training are fixed then."""
        if isinstance(self.learner, RandomReorder):
            return replace(self.learner, width=_FIXED)
        if isinstance(self.learner, ByWeekday):
            return replace(self.learner, policy=replace(self.learner.policy, width=_FIXED))
        return self.learner

    def optimum(self) -> Exact | None:
        """Return the known optimum, to be played on the same draws as others."""
        return _classic_optimum(self.entry) if self.described is None else exact(self.described)


def setting(entry: Entry, *, tiny: bool = False) -> Setting:
    """Return the setting of a row.

    Args:
        entry: The row.
        tiny: Few rollouts, for tests.
    """
    options = dict(entry.options)
    described: Problem | None = None
    if entry.name in ZOO:
        described = pkgutil.resolve_name(ENVIRONMENTS[entry.name].make)(**options)
        built = described.built
        parts: Classic = (built.simulator, built.params, Draws(described))
        lead = max(arc.longest_lead + arc.delay for arc in described.network().arcs)
    else:
        parts, lead = _classic(entry)
    long_run = described is None or described.long_run
    profit = "episode" in entry.unit
    length = described.horizon if described is not None and profit else 36 + 2 * lead
    whole = 200 if long_run else 30 if profit else 1000 if "Perishable" in entry.name else 300
    sizes: dict[str, Any] = {"params": parts[1], "simulator": parts[0], "sample": parts[2]}
    task = SampledTask(
        **sizes,
        periods=length,
        warm_up=lead if long_run else 0,
        evaluation_batch=8 if tiny else 200,
        evaluation_periods=140 if long_run else length,
        evaluation_warm_up=60 if long_run else 0,
    )
    judge = SampledTask(
        **sizes,
        evaluation_batch=8 if tiny else 2000 if whole <= 300 else 500,
        evaluation_periods=whole,
        evaluation_warm_up=60 if long_run else 0,
    )
    rule, bounds, learner = _policies(entry, described, task)
    return Setting(
        entry=entry,
        task=task,
        judge=judge,
        of_all=1.0 if long_run else float(whole),
        rule=rule,
        bounds=bounds,
        learner=learner,
        decides=isinstance(learner, RandomReorder | ByWeekday),
        lowered=0.5 if entry.name == "Perishable" else 0.0,
        described=described,
    )


def _classic(entry: Entry) -> tuple[Classic, int]:
    """Return a problem that is none of the zoo, and its longest lead time."""
    if entry.name == "Serial":
        return simulator.serial_line(), 4
    if entry.name == "SingleStore":
        return simulator.single_store(lead_time=1, unmet_cost=9.0, backlog=True), 1
    if entry.name != "OneWarehouseManyStores":
        raise ValueError(f"entry is {entry.label}, must be one that is known here")
    demand = Normal(means=tuple(_MEANS), sds=tuple(0.3 * _MEANS), correlation=0.5)
    return simulator.transshipment(demand=demand, warehouse_holding_cost=0.5), 3


def _classic_optimum(entry: Entry) -> Exact | None:
    """Return the optimum of a problem that is none of the zoo; None where there is but a bound."""
    if entry.optimum is None or entry.bound:
        return None
    levels: dict[str, tuple[Policy, Any]] = {  # as docs/gym.md has them
        "SingleStore": (BaseStock(), 12.90),
        "Serial": (EchelonBaseStock(parent=(-1, 0, 1, 2)), [83.2, 72.8, 49.0, 32.35]),
    }
    policy, params = levels[entry.name]
    return Exact(cost=entry.optimum, policy=policy, params=jnp.asarray(params, jnp.float32))


_MEANS = 3.0 + 4.0 * (np.arange(5) + 0.5) / 5  # of ``OneWarehouseManyStores-v0``


def _policies(
    entry: Entry, described: Problem | None, task: SampledTask
) -> tuple[Policy, Bounds, Policy]:
    """Return the rule, its box, and what is trained."""
    known: dict[str, Callable[[], tuple[Policy, Bounds, Policy]]] = {
        "SingleStore": lambda: _levels(BaseStock(), (10.0,)),
        "RandomLeadTimes": lambda: _levels(BaseStock(), (6.0,)),
        "Disruptions": lambda: _levels(BaseStock(), (4000.0,)),
        "LostSales": lambda: (
            CappedBaseStock(),
            {"level": (5.0, 60.0), "cap": (1.0, 20.0)},
            MLPPolicy.for_task(task),
        ),
        "FixedOrderCost": lambda: (
            ReorderPoint(),
            {"level": (-10.0, 40.0), "batch": (1.0, 80.0)},
            RandomReorder(width=1.0),
        ),
        "DualSourcing": lambda: (
            DualIndex(soon=0),
            {"cap": (0.0, 8.0), "expedite": (0.0, 20.0), "regular": (0.0, 30.0)},
            MLPPolicy.for_task(task),
        ),
        "Platelets": lambda: (
            ReorderPoint(),
            {"level": (-1.0, 20.0), "batch": (1.0, 25.0)},
            ByWeekday(policy=RandomReorder(width=1.0), days=7),
        ),
        "Perishable": lambda: (BaseStock(), {"": (1.0, 40.0)}, MLPPolicy.for_task(task)),
        "Serial": lambda: _levels(EchelonBaseStock(parent=(-1, 0, 1, 2)), (70.0, 60.0, 40.0, 25.0)),
        "OneWarehouseManyStores": lambda: _levels(
            EqualFractile(mean=tuple(3 * _MEANS), sd=tuple(3**0.5 * 0.3 * _MEANS)), (150.0,)
        ),
    }
    if entry.name in known:
        return known[entry.name]()
    if described is None:
        raise ValueError(f"entry is {entry.label}, must be one that is known here")
    if entry.name in ("BeerGame", "Assembly"):
        best: Any = exact(described)
        mean = float(next(iter(described.network().demand.values())).mean[0])
        start = tuple(mean * (periods + 1.0) for periods in best.policy.reach)
        return _levels(best.policy, start)
    rule = base_stock(described.network())
    if entry.name == "SharedStorage":
        groups = tuple(int(node.name.split()[0]) - 1 for node in described.network().nodes)
        covers = Covers(policy=rule, groups=groups)
        return covers, {"": (0.1, 3.0)}, covers
    levels = np.maximum(np.array(rule.levels), 1e-3)
    hidden = (32, 32) if entry.name == "TwoProducts" else (64, 64)
    return rule, {"": (0.1 * levels, 3.0 * levels)}, MLPPolicy.for_task(task, hidden=hidden)


def _levels(policy: Policy, start: tuple[float, ...]) -> tuple[Policy, Bounds, Policy]:
    """Return a policy of levels, a box around what it starts from, and it again, scaled."""
    low, high = 0.3 * np.array(start), 3.0 * np.array(start)
    if len(start) == 1:
        low, high = low[0], high[0]
    return policy, {"": (low, high)}, Scaled(policy=policy, unit=start)

"""What a policy is trained on: where scenarios come from, and what a rollout is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from draingym.common.devices import AXIS, on_all_devices, over_devices, placed, sharing
from draingym.common.processes import put, several
from draingym.policies.evaluate import mean_value, simulated_values
from draingym.simulator import (
    Observation,
    Params,
    Policy,
    PyTree,
    Scenario,
    Simulator,
    Windows,
    batch_returns,
    observe,
    window,
)
from draingym.simulator.problems.classic import Sampler

_STATIC = {"static": True}


class Task(Protocol):
    """A pytree of parameters and data, so that a jitted update takes it as an argument."""

    @property
    def simulator(self) -> Simulator:
        """Dynamics and drain kernel."""
        ...

    @property
    def params(self) -> Params:
        """Their parameters."""
        ...

    @property
    def periods(self) -> int:
        """Periods of a rollout."""
        ...

    @property
    def products(self) -> int | None:
        """Most scenarios of a batch; ``None`` is no limit."""
        ...

    @property
    def infinite_horizon(self) -> bool:
        """Whether the last period of a rollout is one like any other, and not the end."""
        ...

    def draw(self, key: Array, batch: int) -> Scenario:
        """Draw a batch of scenarios, in the layout of the other methods."""
        ...

    def values(
        self,
        policy: Policy,
        policy_params: PyTree,
        scenario: Scenario,
        key: Array,
        *,
        remat: bool = True,
    ) -> Float[Array, " B"]:
        """Return what every rollout of a drawn batch is worth, currency."""
        ...

    def each(
        self, function: Callable[..., PyTree], scenario: Scenario, key: Array, *given: PyTree
    ) -> PyTree:
        """Return ``function(scenario, key, *given)`` of every scenario, leaves [B, ...].

        ``given`` is all else that is traced: devices that share the batch out see no more.
        """
        ...

    def evaluate(self, policy: Policy, policy_params: PyTree, key: Array) -> Float[Array, ""]:
        """Return the mean value on draws that depend on the key alone."""
        ...

    def evaluation_rollouts(self) -> int:
        """Return how many rollouts ``evaluate`` makes."""
        ...


def seen(task: Task) -> Observation:
    """Return the shapes of what a policy sees."""

    def first(key: Array) -> Observation:
        def one(scenario: Scenario, key: Array) -> Observation:
            del key
            now = jax.tree.map(lambda leaf: leaf[0], scenario.series)
            return observe(task.params, task.simulator.reset(task.params, scenario), now)

        observed: Observation = task.each(one, task.draw(key, 1), key)
        alone: Observation = jax.tree.map(lambda leaf: leaf[0], observed)
        return alone

    with sharing(None):
        shapes: Observation = jax.eval_shape(first, jax.random.key(0))
    return shapes


class RolledOut:
    """Scenarios with their batch first, and the discounted return as the value of each."""

    __slots__ = ()

    params: Params
    simulator: Simulator

    @property
    def infinite_horizon(self) -> bool:
        """No: what is left in the last period is salvaged."""
        return False

    def values(
        self,
        policy: Policy,
        policy_params: PyTree,
        scenario: Scenario,
        key: Array,
        *,
        remat: bool = True,
    ) -> Float[Array, " B"]:
        """Return the discounted return of every rollout, currency."""
        return simulated_values(
            self.simulator, self.params, policy, policy_params, scenario, key, remat=remat
        )

    def each(
        self, function: Callable[..., PyTree], scenario: Scenario, key: Array, *given: PyTree
    ) -> PyTree:
        """Return ``function`` of every scenario, leaves [B, ...]."""
        keys = jax.random.split(key, scenario.series.period.shape[0])
        axes = (0, 0, *[None] * len(given))
        each = over_devices(jax.vmap(function, in_axes=axes), axes)
        return on_all_devices(each(scenario, keys, *given))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class WindowTask(RolledOut):
    """Products rolled out through windows of a history, which end there.

    A batch is of one window, chosen at random, and of products without repetition; every draw of
    the simulator is made anew. The value is the discounted return of a product and window.
    """

    params: Params
    windows: Windows
    simulator: Simulator = field(metadata=_STATIC)
    horizon: int = field(metadata=_STATIC)

    def __post_init__(self) -> None:
        """Refuse windows that leave their history."""
        start = self.windows.start if isinstance(self.windows, Windows) else None
        if not isinstance(start, jax.Array) or isinstance(start, jax.core.Tracer):
            return  # of no values, inside ``jit``
        left = self.windows.market.period.shape[1] - int(np.max(np.asarray(start)))
        if not 1 <= self.horizon <= left:
            raise ValueError(
                f"horizon is {self.horizon}, must be in [1, {left}], the periods that are left"
            )

    @property
    def periods(self) -> int:
        """Periods of a rollout."""
        return self.horizon

    @property
    def products(self) -> int | None:
        """Most scenarios of a batch."""
        return self.windows.num_products

    def draw(self, key: Array, batch: int) -> Scenario:
        """Draw a window and products; leaves [B, ...]."""
        key_start, key_products, key_noise = jax.random.split(key, 3)
        windows = self.windows
        which = jax.random.randint(key_start, (), 0, windows.num_starts)
        products = jax.random.choice(key_products, windows.num_products, (batch,), replace=False)
        return window(windows, which, self.horizon, key_noise, products)

    def evaluate(self, policy: Policy, policy_params: PyTree, key: Array) -> Float[Array, ""]:
        """Return the mean value over all products and windows."""
        return mean_value(
            self.simulator, self.params, policy, policy_params, self.windows, self.horizon, key
        )

    def evaluation_rollouts(self) -> int:
        """Return products times windows."""
        return self.windows.num_products * self.windows.num_starts


def placed_task(task: Task, mesh: Mesh | None) -> Task:
    """Return a task on the devices of a mesh, each of which holds all of it.

    Of several processes each device holds the windows of its own products alone, where they divide;
    a batch then collects its products from all of them.
    """
    if mesh is None or not (several() and isinstance(task, WindowTask)):
        return placed(task, mesh)
    windows = task.windows
    if windows.num_products % mesh.size:
        return placed(task, mesh)
    first, second = (NamedSharding(mesh, PartitionSpec(*none, AXIS)) for none in ((), (None,)))
    market, initial = put(windows.market, first), put(windows.initial, second)
    start, lead_time = placed((windows.start, windows.lead_time), mesh)
    shared = replace(windows, market=market, initial=initial, start=start, lead_time=lead_time)
    return replace(task, params=placed(task.params, mesh), windows=shared)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class SampledTask:
    """A problem whose scenarios are drawn, such as those of ``simulator.problems.classic``.

    The value is the mean reward of a period after the warm-up: less the cost per period. Rollouts
    begin empty, and go on after the last period that is simulated. Training may count periods as
    soon as orders arrive; evaluations begin when costs are those of the long run.
    """

    params: Params
    simulator: Simulator = field(metadata=_STATIC)
    sample: Sampler = field(metadata=_STATIC)
    periods: int = field(default=60, metadata=_STATIC)
    warm_up: int = field(default=20, metadata=_STATIC)  # periods that do not count in training
    evaluation_batch: int = field(default=1000, metadata=_STATIC)
    evaluation_periods: int = field(default=120, metadata=_STATIC)
    evaluation_warm_up: int = field(default=60, metadata=_STATIC)

    def __post_init__(self) -> None:
        """Refuse a warm-up that leaves nothing."""
        for prefix in ("", "evaluation_"):
            warm_up, periods = (getattr(self, prefix + n) for n in ("warm_up", "periods"))
            if not 0 <= warm_up < periods:
                raise ValueError(
                    f"{prefix}warm_up is {warm_up}, must be in [0, {periods}): the periods"
                )
        if self.evaluation_batch < 1:
            raise ValueError(f"evaluation_batch is {self.evaluation_batch}, must be at least 1")
        # What is bought in the warm-up does not count, but what it fetches at the end would.
        salvage = self.params.salvage_rate
        known = isinstance(salvage, jax.Array) and not isinstance(salvage, jax.core.Tracer)
        if known and salvage:
            raise ValueError(
                f"params.salvage_rate is {float(salvage)}, must be 0: an infinite horizon has no "
                "end at which stock is sold"
            )

    @property
    def products(self) -> int | None:
        """No limit."""
        return None

    @property
    def infinite_horizon(self) -> bool:
        """Yes."""
        return True

    def _axes(self, scenario: Scenario) -> PyTree:
        """Return the batch's axis of every leaf: the last, or none where all share it."""
        alone = jax.eval_shape(lambda key: self.sample(key, self.periods), jax.random.key(0))
        return jax.tree.map(lambda one, many: -1 if many.ndim > one.ndim else None, alone, scenario)

    def draw(self, key: Array, batch: int) -> Scenario:
        """Draw scenarios, the batch last."""
        return self.sample(key, self.periods, batch)

    def values(
        self,
        policy: Policy,
        policy_params: PyTree,
        scenario: Scenario,
        key: Array,
        *,
        remat: bool = True,
    ) -> Float[Array, " B"]:
        """Return the mean reward of a period of every rollout, currency."""
        return self._mean_reward(policy, policy_params, scenario, key, self.warm_up, remat)

    def _mean_reward(
        self,
        policy: Policy,
        policy_params: PyTree,
        scenario: Scenario,
        key: Array,
        warm_up: int,
        remat: bool,
    ) -> Float[Array, " B"]:
        returns = batch_returns(
            self.simulator,
            self.params,
            policy,
            policy_params,
            scenario,
            key,
            warm_up=warm_up,
            remat=remat,
        )
        return on_all_devices(returns) / (scenario.series.period.shape[0] - warm_up)

    def each(
        self, function: Callable[..., PyTree], scenario: Scenario, key: Array, *given: PyTree
    ) -> PyTree:
        """Return ``function`` of every scenario, leaves [B, ...]."""
        batch = scenario.series.glance_views.shape[-1]
        axes = (self._axes(scenario), 0, *[None] * len(given))
        each = over_devices(jax.vmap(function, in_axes=axes), axes)
        return on_all_devices(each(scenario, jax.random.split(key, batch), *given))

    def evaluate(self, policy: Policy, policy_params: PyTree, key: Array) -> Float[Array, ""]:
        """Return the mean reward of a period over ``evaluation_batch`` rollouts."""
        return jnp.mean(self.fresh_values(policy, policy_params, key))

    def fresh_values(self, policy: Policy, policy_params: PyTree, key: Array) -> Float[Array, " B"]:
        """Return the mean reward of a period of ``evaluation_batch`` rollouts; see ``evaluate``.

        One key gives common random numbers: policies can be compared rollout by rollout.
        """
        key_scenario, key_policy = jax.random.split(key)
        scenario = self.sample(key_scenario, self.evaluation_periods, self.evaluation_batch)
        return self._mean_reward(
            policy, policy_params, scenario, key_policy, self.evaluation_warm_up, False
        )

    def evaluation_rollouts(self) -> int:
        """Return ``evaluation_batch``, counted in rollouts of ``evaluation_periods``."""
        return self.evaluation_batch

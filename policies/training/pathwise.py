"""Training by gradients through rollouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from draingym.policies.networks.mlp import ValueNetwork, num_features
from draingym.policies.task import Task, WindowTask
from draingym.policies.training.loop import train_policy
from draingym.policies.training.method import (
    Descend,
    Evaluated,
    Method,
    PolicyAlone,
    TrainConfig,
    TrainResult,
)
from draingym.policies.training.segments import segment_loss
from draingym.simulator import Params, Policy, PyTree, Scenario, Simulator, Windows


@dataclass(frozen=True, kw_only=True, slots=True)
class PathwiseGradient(PolicyAlone):
    """Follow the derivative of the mean return, through every period of a rollout.

    Exact for real units; through whole units and draws, that of ``draingym.simulator.draws``.
    """

    remat: bool = True  # recompute a period's interior in the backward pass

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
        scenario = task.draw(key_scenario, batch)

        def loss(learned: PyTree) -> Array:
            values = task.values(self.policy, learned, scenario, key_policy, remat=self.remat)
            return -jnp.mean(values) / scale

        return descend(jax.grad(loss)(learned), state, learned)


@dataclass(frozen=True, kw_only=True, slots=True)
class TruncatedGradient:
    """Follow derivatives through segments of a rollout; a learned value stands for the rest.

    The rollout is cut every ``segment`` periods. No derivative crosses a cut; there a value
    network, learned from what the rollouts returned afterwards, says what the state is worth.
    Variance and memory are those of a segment. Rewards of the warm-up count in here.

    Source: Xu et al. (2022), "Accelerated policy learning with parallel differentiable
    simulation" (SHAC), without its target network: values are learned from returns to go.
    """

    policy: Policy
    segment: int  # periods
    hidden: tuple[int, ...] = (32, 32)  # of the value network
    extra_discount: float = 0.98  # of an infinite-horizon problem, beyond its own

    def __post_init__(self) -> None:
        """Refuse a segment without a period, and a sum without a bound."""
        if self.segment < 1:
            raise ValueError(f"segment is {self.segment}, must be at least 1 period")
        if not 0 < self.extra_discount < 1:
            raise ValueError(
                f"extra_discount is {self.extra_discount}, must be above 0 and below 1"
            )

    def _critic(self, task: Task) -> ValueNetwork:
        return ValueNetwork(inputs=num_features(task), hidden=self.hidden)

    def init(self, key: Array, task: Task, initial: PyTree | None) -> PyTree:
        """Return the policy's parameters, and the value network's."""
        params = self.policy.init(key) if initial is None else initial
        return {"policy": params, "value": self._critic(task).init(jax.random.fold_in(key, 1))}

    def policy_params(self, learned: PyTree) -> PyTree:
        """Return the policy's."""
        return learned["policy"]

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
        scenario = task.draw(key_scenario, batch)
        critic = self._critic(task)

        def loss(learned: PyTree) -> Array:
            def one(
                scenario: Scenario, key: Array, task: Task, learned: PyTree, scale: Array
            ) -> Array:
                return segment_loss(
                    task,
                    self.policy,
                    critic,
                    learned,
                    scenario,
                    key,
                    scale,
                    self.segment,
                    self.extra_discount,
                )

            return jnp.mean(task.each(one, scenario, key_policy, task, learned, scale))

        return descend(jax.grad(loss)(learned), state, learned)

    def rollouts(self, batch: int) -> int:
        """Return the batch."""
        return batch


def train_by_gradient(
    simulator: Simulator,
    params: Params,
    policy: Policy,
    windows: Windows,
    horizon: int,
    config: TrainConfig | None = None,
    *,
    initial: PyTree | None = None,
    progress: Callable[[int, int], None] | None = None,
    remat: bool = True,
    segment: int | None = None,
    log: Callable[[Evaluated], None] | None = None,
    folder: Path | None = None,
    devices: int | None = None,
) -> TrainResult:
    """Raise the mean return by its derivative with respect to the policy's parameters.

    Each update rolls a batch of products out through one window, every draw made anew, and
    follows the pathwise gradient with Adam. All products and windows are evaluated now and then
    on draws that stay the same, and the best parameters are kept.

    Args:
        simulator: Dynamics and drain kernel.
        params: Their parameters.
        policy: What is trained.
        windows: Where to roll out.
        horizon: Periods of a rollout.
        config: Sizes and rates.
        initial: Parameters to start from; ``policy.init`` when not given.
        progress: Called with (updates done, updates).
        remat: Recompute a period's interior in the backward pass instead of storing it.
        segment: Periods that a derivative goes through; all when not given (``TruncatedGradient``).
        log: Called after every evaluation; see ``train_policy``.
        folder: Where the state is kept, so that the same call goes on; see ``train_policy``.
        devices: That share out the products of a batch; all when not given, see ``train_policy``.

    Returns:
        The best parameters and the learning curve.

    Raises:
        NonFiniteGradientError: If a gradient is not finite.
        ValueError: See ``train_policy``.
    """
    method: Method = (
        PathwiseGradient(policy=policy, remat=remat)
        if segment is None
        else TruncatedGradient(policy=policy, segment=segment)
    )
    return train_policy(
        method,
        WindowTask(params=params, windows=windows, simulator=simulator, horizon=horizon),
        config,
        initial=initial,
        progress=progress,
        log=log,
        folder=folder,
        devices=devices,
    )

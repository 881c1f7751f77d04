"""What trainers have in common: sizes and rates, a method's protocol, and a learning curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float
from numpy.typing import NDArray

from draingym.common.arrays import require_range, require_seed, require_whole
from draingym.common.config import require_fields
from draingym.policies.task import Task
from draingym.simulator import Policy, PyTree


class NonFiniteGradientError(ArithmeticError):
    """Training met a gradient that is not finite; the message says at which update."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How a policy is trained, whatever the method."""

    updates: int = 120
    batch_products: int = 25  # scenarios of an update, each of one product
    learning_rate: float = 5e-3  # peak, then cosine to zero
    clip_norm: float = 1.0
    ema_decay: float = 0.0  # of the moving average that is evaluated and kept; 0 is none
    evaluate_every: int = 20  # updates between evaluations
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse sizes below one, rates at or below zero, and averages that never move."""
        require_fields(self)
        for name, most in (
            ("updates", 10**7),
            ("batch_products", 10**5),
            ("evaluate_every", 10**7),
        ):
            require_whole(name, getattr(self, name), low=1, high=most)
        require_range("learning_rate", self.learning_rate, low=0.0, high=1e6, open_low=True)
        if not self.clip_norm > 0:
            raise ValueError(f"clip_norm is {self.clip_norm}, must be above 0")
        require_range("ema_decay", self.ema_decay, low=0.0, high=1.0, open_high=True)
        require_seed(self.seed)

    def with_updates(self, updates: int | None, seed: int) -> TrainConfig:
        """Return the config with so many updates, its own when None, and another seed.

        The last update is evaluated, however few there are.

        Raises:
            ValueError: If updates or seed are out of their bounds.
        """
        number = self.updates if updates is None else updates
        every = min(self.evaluate_every, max(number, 1))
        return replace(self, updates=number, evaluate_every=every, seed=seed)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Hyper:
    """What may differ between runs that are trained at once: [R] one each, or one for all."""

    learning_rate: Float[Array, "*R"]
    clip_norm: Float[Array, "*R"]
    ema_decay: Float[Array, "*R"]


def hyper_of(config: TrainConfig) -> Hyper:
    """Return a config's rates as leaves.

    >>> float(hyper_of(TrainConfig(learning_rate=0.5)).learning_rate)
    0.5
    """
    return Hyper(
        learning_rate=jnp.float32(config.learning_rate),
        clip_norm=jnp.float32(config.clip_norm),
        ema_decay=jnp.float32(config.ema_decay),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluated:
    """A point of a learning curve.

    >>> point = Evaluated(
    ...     update=20,
    ...     value=-3.1,
    ...     best=-3.0,
    ...     gradient_norm=0.4,
    ...     rollouts=500,
    ...     periods=6000,
    ...     seconds=1.5,
    ... )
    >>> point.scalars()["policy/value"]
    -3.1
    """

    update: int  # made so far
    value: float  # currency: what ``Task.evaluate`` returns
    best: float  # the highest so far
    gradient_norm: float  # largest since the last evaluation, before clipping; 0 at the start
    rollouts: int  # of training so far, evaluations not counted
    periods: int  # simulated by them, all products counted
    seconds: float  # spent on updates so far: no compilation, no evaluations
    run: str = ""  # which one, where several are trained at once

    def scalars(self) -> dict[str, float]:
        """Return what ``draingym.common.logs.ScalarLog`` writes."""
        prefix = f"{self.run}/" if self.run else ""
        names = ("value", "best", "gradient_norm", "periods", "seconds")
        return {f"{prefix}policy/{name}": float(getattr(self, name)) for name in names}


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainResult:
    """The best parameters by the evaluations' value, and the learning curve."""

    params: PyTree
    value: float  # currency, in the simulator
    updates: NDArray[np.int64]  # [E] updates done at each evaluation
    curve: NDArray[np.float64]  # [E] value at each evaluation
    rollouts: int  # of one product, evaluations included
    periods: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # [E]
    seconds: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # [E]
    compile_seconds: float = 0.0  # of the update


# Clips a gradient, takes a step, and returns parameters, state, and the gradient's norm.
Descend = Callable[[PyTree, optax.OptState, PyTree], tuple[PyTree, optax.OptState, Array]]


class Method(Protocol):
    """How an update is made of rollouts. Frozen and hashable; sizes only."""

    @property
    def policy(self) -> Policy:
        """What is evaluated."""
        ...

    def init(self, key: Array, task: Task, initial: PyTree | None) -> PyTree:
        """Return all that is learned, from a policy's parameters where they are given."""
        ...

    def policy_params(self, learned: PyTree) -> PyTree:
        """Return the part that ``policy`` takes."""
        ...

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
        """Make one update.

        Args:
            learned: All that is learned.
            state: Of the optimiser.
            descend: Takes one step; may be called many times.
            task: What is trained on.
            batch: Scenarios.
            scale: Size of a value, currency: dividing by it keeps rates free of its unit.
            key: Of all draws.

        Returns:
            What was learned, the optimiser's state, and the largest norm of a gradient.
        """
        ...

    def rollouts(self, batch: int) -> int:
        """Return how many rollouts an update makes."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyAlone:
    """What methods share that learn a policy's parameters and nothing else, a batch an update."""

    policy: Policy

    def init(self, key: Array, task: Task, initial: PyTree | None) -> PyTree:
        """Return the policy's parameters."""
        del task
        return self.policy.init(key) if initial is None else initial

    def policy_params(self, learned: PyTree) -> PyTree:
        """Return them."""
        return learned

    def rollouts(self, batch: int) -> int:
        """Return the batch."""
        return batch

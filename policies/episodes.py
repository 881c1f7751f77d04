"""Environments as tasks, and tasks as environments: one problem for search, training and play."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from draingym.common.arrays import require_whole
from draingym.policies.acting import functional_of
from draingym.policies.task import RolledOut, Task
from draingym.simulator import FunctionalEnv, Params, Policy, PyTree, Scenario, Simulator

_STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class EpisodeTask(RolledOut):
    """Episodes of an environment, which end there: what ``task_of`` makes.

    The value is the discounted return of an episode; no action is bounded.

    >>> from draingym import simulator
    >>> task: EpisodeTask = task_of(simulator.make("draingym/SingleStore-v0", horizon=8))
    >>> task.periods, task.products, task.evaluation_rollouts()
    (8, None, 256)
    """

    params: Params
    simulator: Simulator = field(metadata=_STATIC)
    sample: Callable[[Array], Scenario] = field(metadata=_STATIC)  # an episode
    periods: int = field(metadata=_STATIC)
    evaluation_batch: int = field(default=256, metadata=_STATIC)  # episodes

    def __post_init__(self) -> None:
        """Refuse an evaluation of nothing."""
        require_whole("evaluation_batch", self.evaluation_batch, low=1)

    @property
    def products(self) -> int | None:
        """No limit."""
        return None

    def draw(self, key: Array, batch: int) -> Scenario:
        """Draw episodes; leaves [B, ...]."""
        drawn: Scenario = jax.vmap(self.sample)(jax.random.split(key, batch))
        return drawn

    def evaluate(self, policy: Policy, policy_params: PyTree, key: Array) -> Float[Array, ""]:
        """Return the mean return of ``evaluation_batch`` episodes; one key, the same episodes."""
        key_scenario, key_policy = jax.random.split(key)
        scenario = self.draw(key_scenario, self.evaluation_batch)
        return jnp.mean(self.values(policy, policy_params, scenario, key_policy, remat=False))

    def evaluation_rollouts(self) -> int:
        """Return ``evaluation_batch``."""
        return self.evaluation_batch


def task_of(env: Any, *, evaluation_batch: int = 256) -> EpisodeTask:
    """Return an environment as what ``tune`` and ``train_policy`` take.

    Args:
        env: An environment of draingym: Gymnasium's, ``InventoryEnv``, ``InventoryVectorEnv`` or
            ``FunctionalEnv``, such as one of ``draingym.Network``.
        evaluation_batch: Episodes that a policy is evaluated on.

    Returns:
        Its episodes. Rewards, dynamics and scenarios are the environment's; requests are not
        bounded by its largest action (``policies.room_for``).

    Raises:
        ValueError: If it is no environment of draingym, or the batch is below 1.

    Example:
        >>> from draingym import simulator
        >>> from draingym.policies import BaseStock, TuneConfig, task_of, tune
        >>> task = task_of(simulator.make("draingym/SingleStore-v0", horizon=8))
        >>> found = tune(task, BaseStock(), {"": (1.0, 40.0)}, TuneConfig(generations=1))
    """
    functional = functional_of(env)
    return EpisodeTask(
        params=functional.params,
        simulator=functional.simulator,
        sample=functional.sample,
        periods=functional.horizon,
        evaluation_batch=evaluation_batch,
    )


def environment_of(task: Task, max_action: ArrayLike, **options: Any) -> FunctionalEnv:
    """Return a task as an environment: its scenarios, drawn one an episode.

    Args:
        task: Such as ``WindowTask`` (an episode is a product in a window) or ``SampledTask``.
        max_action: Units that an action of 1 requests: a number, or one for every arc.
        **options: Of ``FunctionalEnv``, such as ``observation``.

    Returns:
        The environment, for ``InventoryEnv``, ``InventoryVectorEnv`` and ``Agent``; ``task_of`` is
        the way back.

    Raises:
        ValueError: As ``FunctionalEnv`` does.
    """
    arcs = task.params.source.shape[0]

    return FunctionalEnv(
        simulator=task.simulator,
        params=task.params,
        sample=partial(_episode, task),
        max_action=np.broadcast_to(np.asarray(max_action, np.float64), (arcs,)).copy(),
        **options,
    )


def _episode(task: Task, key: Array) -> Scenario:
    key_draw, key_unused = jax.random.split(key)
    alone: Scenario = task.each(_itself, task.draw(key_draw, 1), key_unused)
    first: Scenario = jax.tree.map(lambda leaf: leaf[0], alone)
    return first


def _itself(scenario: Scenario, key: Array) -> Scenario:
    del key
    return scenario

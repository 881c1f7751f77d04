"""Where the derivative of an update that is not finite comes from."""

from __future__ import annotations

import jax
from jaxtyping import Array

from draingym.policies.task import Task
from draingym.policies.training.method import Method
from draingym.simulator import PyTree, Scenario
from draingym.simulator.finite.find import first_non_finite


def blame(method: Method, task: Task, learned: PyTree, batch: int, key: Array) -> str:
    """Say where a derivative is not finite, in words; nothing is raised.

    Args:
        method: What makes the update.
        task: What is trained on.
        learned: What was learned before the update.
        batch: Scenarios of an update.
        key: Of the update. Methods that follow derivatives draw the same scenarios with it.
    """
    key_scenario, key_policy = jax.random.split(key)

    def each(scenario: Scenario, key: Array) -> tuple[Scenario, Array]:
        return scenario, jax.random.split(key, scenario.series.period.shape[0])

    try:
        scenarios, keys = task.each(each, task.draw(key_scenario, batch), key_policy)
        found = first_non_finite(
            task.simulator,
            task.params,
            method.policy,
            method.policy_params(learned),
            scenarios,
            keys,
        )
    except Exception as error:  # the search must not hide what it is looking for
        return f"where it comes from cannot be told ({type(error).__name__}: {error})"
    if found is None:
        return (
            f"returns and their derivatives are finite in {batch} trajectories: it comes from what "
            f"{type(method).__name__} makes of them"
        )
    return str(found)

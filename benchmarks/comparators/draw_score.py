"""Training by the score function of the drain's draws, and pathwise where nothing is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from benchmarks.comparators.reference_gradient import Episode, score_gradient
from draingym.policies.task import Task, WindowTask
from draingym.policies.training.method import Descend, PolicyAlone
from draingym.simulator import PyTree, Scenario, Series, State, observe


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawScore(PolicyAlone):
    """``sum_t grad r_t + grad log p(draw_t) (G_t - baseline_t)``, every draw held fixed.

    For a simulator whose kernel is ``benchmarks.comparators.other_gradients.ScoredDrain``. The
    baseline of a period is the mean return to go of the other rollouts. Unbiased but for the
    rounding of shipments, which is differentiated straight through.

    Source: METHODS section 4; Schulman et al. (2015), "Gradient estimation using stochastic
    computation graphs".
    """

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
        """Take one step on one batch.

        Raises:
            ValueError: If the task's scenarios do not have the batch first.
        """
        if not isinstance(task, WindowTask):
            raise ValueError(f"task is a {type(task).__name__}, must be a WindowTask")
        key_scenario, key_policy = jax.random.split(key)
        paths = (task.draw(key_scenario, batch), jax.random.split(key_policy, batch))
        simulator, params = task.simulator, task.params

        def rollout(
            parameters: PyTree, uniforms: tuple[Scenario, Array], *, relaxed: bool, frozen: bool
        ) -> Episode:
            if relaxed or not frozen:
                raise ValueError("ScoredDrain holds its hard draws fixed, and nothing else")
            scenario, key = uniforms

            def period(state: State, now: tuple[Series, Array]) -> tuple[State, Episode]:
                series, key_now = now
                action = self.policy.apply(parameters, observe(params, state, series), key_now)
                state, transition = simulator.step(params, state, action, series)
                log_probs = Episode(rewards=transition.reward, log_probs=state.memory.log_prob)
                return state, log_probs

            keys = jax.random.split(key, task.periods)
            body = jax.checkpoint(period, prevent_cse=False)
            _, log_probs = jax.lax.scan(
                body, simulator.reset(params, scenario), (scenario.series, keys)
            )
            weight = params.discount ** jnp.arange(task.periods) / scale
            return Episode(rewards=weight * log_probs.rewards, log_probs=log_probs.log_probs)

        slopes = score_gradient(rollout, learned, paths)
        gradient = jax.tree.map(lambda slope: -jnp.mean(slope, axis=0), slopes)
        return descend(gradient, state, learned)

"""Pessimism about what the log does not show: mean return of an ensemble less its spread."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.drain_model import EnsembleDrain
from draingym.simulator import Params, Policy, PyTree, Scenario, Simulator, Trajectory


@dataclass(frozen=True, kw_only=True, slots=True)
class PessimisticSimulator(Simulator):
    """A simulator whose reward is that of all members of an ensemble, less their disagreement.

    A rollout runs a trajectory with every member of an ``EnsembleDrain``, at the same random
    numbers. With ``G_e(t)`` member e's discounted reward up to period t, ``S(t) = sd_e G_e(t)``:

        reward(t) = mean_e r_e(t) - weight * (S(t) - S(t-1)) / discount**t,

    so that the discounted return is the members' mean less ``weight * S(T)``. Trained on it, a
    policy keeps to stock whose drain the members agree on: it cannot gain by the luck of one.

    Gradients: through all members; the spread is differentiable, its derivative at 0 is 0.

    Source: lower confidence bounds over deep ensembles (Yu et al. 2020, MOPO, penalise a step's
    disagreement; here it is the return's).
    """

    weight: float = 0.5  # standard deviations over members, at least 0

    def __post_init__(self) -> None:
        """Refuse a kernel that is no ensemble, and a negative weight."""
        if not isinstance(self.kernel, EnsembleDrain):
            raise ValueError(f"kernel is {type(self.kernel).__name__}, must be an EnsembleDrain")
        if not self.weight >= 0:
            raise ValueError(f"weight is {self.weight}, must be at least 0")

    def rollout(
        self,
        params: Params,
        policy: Policy,
        policy_params: PyTree,
        scenario: Scenario,
        key: Array | None = None,
        *,
        remat: bool = True,
    ) -> Trajectory:
        """Run a policy with every member; see the class.

        Args:
            params: The kernel's parameters have a leading axis of members.
            policy: What acts.
            policy_params: Its parameters.
            scenario: Prepared by the ensemble's kernel, or not at all.
            key: For policies that draw at random.
            remat: Recompute a period's interior in the backward pass.

        Returns:
            Numbers are means over members, ``reward`` is pessimistic; flags are the first one's.
        """
        if scenario.series.exogenous is None:
            scenario = self.prepare(params, scenario)
        kernel = self.kernel
        if not isinstance(kernel, EnsembleDrain):  # never: it was checked
            raise ValueError("kernel must be an EnsembleDrain")
        alone = Simulator(kernel=kernel.member, dynamics=self.dynamics)
        series = scenario.series
        # The last uniform draws a member, which is not needed here.
        series = replace(series, drain_uniform=series.drain_uniform[:, :-1])

        def member(kernel_params: PyTree, exogenous: PyTree) -> Trajectory:
            own = replace(scenario, series=replace(series, exogenous=exogenous))
            return alone.rollout(
                replace(params, kernel=kernel_params), policy, policy_params, own, key, remat=remat
            )

        all_members = jax.vmap(member, in_axes=(0, 1))(params.kernel, series.exogenous.members)
        reward: Float[Array, "E T"] = all_members.transitions.reward
        kept: Trajectory = jax.tree.map(_over_members, all_members)
        moves = replace(kept.transitions, reward=self._pessimistic(params, reward))
        return replace(kept, transitions=moves)

    def _pessimistic(self, params: Params, reward: Float[Array, "E T"]) -> Float[Array, " T"]:
        discount = params.discount ** jnp.arange(reward.shape[1])
        so_far = jnp.cumsum(reward * discount[None, :], axis=1)
        variance = jnp.var(so_far, axis=0)
        some = variance > 0
        spread = jnp.where(some, jnp.sqrt(jnp.where(some, variance, 1.0)), 0.0)
        grown = jnp.diff(spread, prepend=0.0)
        return jnp.mean(reward, axis=0) - self.weight * grown / discount


def _over_members(leaf: Array) -> Array:
    return jnp.mean(leaf, axis=0) if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf[0]

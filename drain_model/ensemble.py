"""A deep ensemble of drain models as one kernel: what members do not know shows in its draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from draingym.drain_model.checkpoint import Checkpoint
from draingym.drain_model.data.dataset import Geography
from draingym.drain_model.kernel import LearnedDrain, LearnedParams, Memory
from draingym.drain_model.network.types import Exogenous
from draingym.simulator import Drain, History, Series


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class EnsembleExogenous:
    """What no action can change, by period."""

    members: Exogenous  # leaves [T, E, ...]
    chosen: Int[Array, " T"]  # the member whose draw counts, the same in all periods


@dataclass(frozen=True, kw_only=True, slots=True)
class EnsembleDrain:
    """Members that were trained with different seeds, as one ``DrainKernel``.

    A trajectory follows one member, drawn by a uniform, so that its errors persist as those of a
    wrong model do. ``spread`` says how far the members' draws lie apart at the same uniforms.

    Uniforms: those of a member, then one that draws it; the first period's counts.

    Source: deep ensembles, Lakshminarayanan et al. 2017; not from the paper.
    """

    member: LearnedDrain
    num_members: int

    @classmethod
    def bind(
        cls,
        checkpoints: Sequence[Checkpoint],
        geography: Geography,
        serves: Bool[Array, " N"],
        active_from: Int[Array, " N"],
    ) -> tuple[EnsembleDrain, LearnedParams]:
        """Return the kernel and its parameters, members stacked along the first axis.

        Args:
            checkpoints: Trained models of one config, at least 1.
            geography: Of the nodes and regions to run on.
            serves: [N] whether customers are served from the node.
            active_from: [N] first period in which the node exists.

        Raises:
            ValueError: If there is none, they differ in their config, or sizes disagree.
        """
        if not checkpoints:
            raise ValueError("checkpoints is empty, must hold at least 1")
        bound = []
        for e, checkpoint in enumerate(checkpoints):
            if checkpoint.config != checkpoints[0].config:
                raise ValueError(
                    f"checkpoints[{e}].config is {checkpoint.config}, must be that of "
                    f"checkpoints[0], {checkpoints[0].config}"
                )
            bound.append(LearnedDrain.bind(checkpoint, geography, serves, active_from))
        stacked: LearnedParams = jax.tree.map(
            lambda *x: jnp.asarray(np.stack(x)), *(p for _, p in bound)
        )
        return cls(member=bound[0][0], num_members=len(bound)), stacked

    @property
    def num_uniforms(self) -> int:
        """How many uniforms a period's draw uses."""
        return self.member.num_uniforms + 1

    @property
    def backlog(self) -> bool:
        """No: as for its members."""
        return False

    def prepare(self, params: LearnedParams, series: Series) -> EnsembleExogenous:
        """Encode the location stream of all members, and draw the member that counts."""
        members = jax.vmap(self.member.prepare, in_axes=(0, None), out_axes=1)(params, series)
        chosen = jnp.floor(series.drain_uniform[0, -1] * self.num_members).astype(jnp.int32)
        return EnsembleExogenous(
            members=members, chosen=jnp.broadcast_to(chosen, series.period.shape)
        )

    def init(self, params: LearnedParams, history: History) -> Memory:
        """Fill every member's caches from the drain before the trajectory; leaves [E, ...]."""
        memory: Memory = jax.vmap(self.member.init, in_axes=(0, None))(params, history)
        return memory

    def draws(
        self,
        params: LearnedParams,
        memory: Memory,
        available: Float[Array, " N"],
        exogenous: EnsembleExogenous,
        uniforms: Float[Array, " K"],
    ) -> tuple[Memory, Drain]:
        """Draw one period with every member at the same uniforms; leaves [E, ...]."""
        drawn: tuple[Memory, Drain] = jax.vmap(self.member.drain, in_axes=(0, 0, None, 0, None))(
            params, memory, available, exogenous.members, uniforms[:-1]
        )
        return drawn

    def drain(
        self,
        params: LearnedParams,
        memory: Memory,
        available: Float[Array, " N"],
        exogenous: EnsembleExogenous,
        uniforms: Float[Array, " K"],
    ) -> tuple[Memory, Drain]:
        """Draw one period; all members remember what the chosen one drew.

        Gradients: those of the chosen member.
        """
        kept, drawn = self.draws(params, memory, available, exogenous, uniforms)
        weight = jax.nn.one_hot(exogenous.chosen, self.num_members)

        def pick(leaf: Array) -> Array:
            return jnp.tensordot(weight, leaf, axes=1)

        drain: Drain = jax.tree.map(pick, drawn)
        everywhere = (self.num_members, available.shape[0])
        memory = Memory(
            outbound=jnp.broadcast_to(drain.outbound, everywhere),
            ship_cost=jnp.broadcast_to(drain.ship_cost, everywhere),
            caches=kept.caches,
        )
        return memory, drain

    def spread(
        self,
        params: LearnedParams,
        memory: Memory,
        available: Float[Array, " N"],
        exogenous: EnsembleExogenous,
        uniforms: Float[Array, " K"],
    ) -> Float[Array, " N"]:
        """Return the standard deviation over members of the units they draw, [N]."""
        _, drawn = self.draws(params, memory, available, exogenous, uniforms)
        return jnp.std(drawn.outbound, axis=0)

"""Other gradients through the learned drain's draw, to compare its own with.

Both are kernels around a ``LearnedDrain`` whose nodes draw by themselves (``joint`` independent,
censored by stock), and take its parameters:

- ``ScoredDrain`` draws the same units and remembers the log probability of what was drawn, for the
  score function. No derivative goes through a draw itself;
- ``GumbelDrain`` draws relaxed units: a softmax over the atoms and the tail, with Gumbel noise. As
  the temperature goes to zero the distribution becomes the hard one, and the variance grows without
  bound.

Source: METHODS section 4; Jang et al. (2017) and Maddison et al. (2017) for the relaxation.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.drain_model.distributions.hybrid import Hybrid
from draingym.drain_model.distributions.independent import Independent
from draingym.drain_model.distributions.joints import Joint
from draingym.drain_model.distributions.marginals import censored_draw
from draingym.drain_model.kernel import LearnedDrain, LearnedParams, Memory
from draingym.drain_model.network.types import Exogenous
from draingym.simulator import Drain, History, Series, lesser, straight_through


def _require_independent(kernel: LearnedDrain) -> None:
    config = kernel.config
    if config.joint != "independent" or config.cap != "censored":
        raise ValueError(
            f"config.joint is {config.joint!r} and config.cap {config.cap!r}, must be "
            "'independent' and 'censored'"
        )


def _marginals(joint: Joint) -> Hybrid:
    if not isinstance(joint, Independent):
        raise TypeError(f"the joint is {type(joint).__name__}, must be Independent")
    return joint.dist


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredMemory:
    """The kernel's memory, and how probable the period's draw was."""

    kernel: Memory
    log_prob: Float[Array, ""]  # of what all nodes drew, before stock limited it


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredDrain:
    """The learned drain, with the log probability of its draws instead of their derivative.

    Gradients: with respect to the stock, of ``min(draw, stock)`` with the draw held fixed, and
    through ``log_prob``. The score function of both is unbiased.
    """

    kernel: LearnedDrain

    def __post_init__(self) -> None:
        """Check the joint.

        Raises:
            ValueError: If it is not independent, or not censored.
        """
        _require_independent(self.kernel)

    @property
    def num_uniforms(self) -> int:
        """Return the kernel's."""
        return self.kernel.num_uniforms

    @property
    def backlog(self) -> bool:
        """Return the kernel's."""
        return self.kernel.backlog

    def prepare(self, params: LearnedParams, series: Series) -> Exogenous:
        """Return what the kernel prepares."""
        return self.kernel.prepare(params, series)

    def init(self, params: LearnedParams, history: History) -> ScoredMemory:
        """Return the kernel's memory, before any draw."""
        return ScoredMemory(kernel=self.kernel.init(params, history), log_prob=jnp.zeros(()))

    def drain(
        self,
        params: LearnedParams,
        memory: ScoredMemory,
        available: Float[Array, " N"],
        exogenous: Exogenous,
        uniforms: Float[Array, " K"],
    ) -> tuple[ScoredMemory, Drain]:
        """Draw one period as the kernel does; see the class for derivatives."""
        nodes = self.kernel.num_nodes
        log_probs: list[Array] = []

        def draw(joint: Joint, whole: Array) -> Array:
            dist = _marginals(joint)
            drawn = dist.ppf(uniforms[:nodes])
            active = exogenous.active
            log_probs.append(jnp.sum(jnp.where(active, dist.log_prob(drawn), 0.0)))
            units = censored_draw(jax.lax.stop_gradient(dist), whole, uniforms[:nodes])
            return jnp.where(active, units, 0.0)

        kept, drain = self.kernel.drain_by(
            draw, params, memory.kernel, available, exogenous, uniforms[-nodes:]
        )
        return ScoredMemory(kernel=kept, log_prob=log_probs[0]), drain


@dataclass(frozen=True, kw_only=True, slots=True)
class GumbelDrain:
    """The learned drain with relaxed draws.

    ``units = min(sum_k w_k k + w_tail q, A)``, ``w = softmax((log p + gumbel) / temperature)`` over
    atoms and tail, q a draw of the tail. With ``hard`` the value is that of the largest w, and only
    the derivative is relaxed (straight-through Gumbel): the distribution is then the kernel's own.

    Gradients: exact where values are relaxed; biased where they are hard.
    """

    kernel: LearnedDrain
    temperature: float = 0.5
    hard: bool = False

    def __post_init__(self) -> None:
        """Check joint and temperature.

        Raises:
            ValueError: If the joint is not independent and censored, or the temperature not
                positive.
        """
        _require_independent(self.kernel)
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}, must be above 0")

    @property
    def num_uniforms(self) -> int:
        """Return N times K + 3: of atoms and tail, of the tail's draw, and of the cost."""
        return self.kernel.num_nodes * (self.kernel.config.num_atoms + 3)

    @property
    def backlog(self) -> bool:
        """Return the kernel's."""
        return self.kernel.backlog

    def prepare(self, params: LearnedParams, series: Series) -> Exogenous:
        """Return what the kernel prepares."""
        return self.kernel.prepare(params, series)

    def init(self, params: LearnedParams, history: History) -> Memory:
        """Return the kernel's memory."""
        return self.kernel.init(params, history)

    def drain(
        self,
        params: LearnedParams,
        memory: Memory,
        available: Float[Array, " N"],
        exogenous: Exogenous,
        uniforms: Float[Array, " K"],
    ) -> tuple[Memory, Drain]:
        """Draw one period."""
        nodes, atoms = self.kernel.num_nodes, self.kernel.config.num_atoms
        levels = uniforms.reshape(nodes, atoms + 3)
        noise = -jnp.log(-jnp.log(jnp.clip(levels[:, : atoms + 1], 1e-30, 1.0 - 1e-7)))

        def draw(joint: Joint, whole: Array) -> Array:
            dist = _marginals(joint)
            logits = jnp.concatenate([dist.log_atoms, dist.log_tail[:, None]], axis=1)
            score = (logits + noise) / self.temperature
            beyond = dist.tail.ppf(levels[:, atoms + 1])[:, None]
            counts = jnp.arange(atoms, dtype=beyond.dtype)
            values = jnp.concatenate(
                [jnp.broadcast_to(counts[None], (nodes, atoms)), beyond], axis=1
            )
            units = jnp.sum(jax.nn.softmax(score, axis=1) * values, axis=1)
            if self.hard:
                chosen = jnp.argmax(score, axis=1)[:, None]
                exact = jnp.take_along_axis(values, chosen, axis=1)[:, 0]
                units = straight_through(jnp.maximum(jnp.ceil(exact - 0.5), 0.0), units)
            return jnp.where(exogenous.active, lesser(units, whole), 0.0)

        return self.kernel.drain_by(
            draw, params, memory, available, exogenous, levels[:, atoms + 2]
        )

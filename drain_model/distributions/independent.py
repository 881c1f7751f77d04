"""The joint whose nodes draw by themselves: the paper's heads as they are."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from draingym.drain_model.distributions.hybrid import Hybrid
from draingym.drain_model.distributions.marginals import (
    Cap,
    capped_draw,
    capped_log_prob,
    check_cap,
)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Independent:
    """Nodes draw by themselves, each under its own stock.

    Attributes:
        dist: Of every node's draw, before its stock limits it.
        cap: ``censored`` or ``truncated`` (see ``draingym.drain_model.distributions.marginals``).
    """

    dist: Hybrid  # shape [*b, N]
    cap: Cap = field(default="censored", metadata={"static": True})

    def __post_init__(self) -> None:
        """Check the cap.

        Raises:
            ValueError: If it is not one of ``Cap``.
        """
        check_cap(self.cap)

    @staticmethod
    def num_uniforms(num_nodes: int, rank: int = 0) -> int:
        """Return ``N``."""
        del rank
        return num_nodes

    def sample(
        self,
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b K"],
    ) -> Float[Array, "*b N"]:
        """Draw every node by inverse CDF.

        Args:
            available: [*b, N] whole units.
            active: [*b, N].
            uniforms: [*b, N] in [0, 1).

        Returns:
            [*b, N] whole units.

        Gradients:
            See ``marginals.censored_draw`` and ``marginals.truncated_draw``.
        """
        return jnp.where(active, capped_draw(self.dist, available, uniforms, self.cap), 0.0)

    def log_prob(
        self,
        outbound: Float[Array, "*b N"],
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b N"] | None = None,
    ) -> Float[Array, "*b"]:
        """Return the sum of the nodes' log probabilities; ``uniforms`` are not used."""
        del uniforms
        found = capped_log_prob(self.dist, outbound, available, self.cap)
        return jnp.sum(jnp.where(active, found, 0.0), axis=-1)

    def log_dependence(
        self,
        outbound: Float[Array, "*b N"],
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b N"],
    ) -> Float[Array, "*b"]:
        """Return 0: nodes do not depend on each other."""
        del available, active, uniforms
        return jnp.zeros_like(outbound[..., 0])

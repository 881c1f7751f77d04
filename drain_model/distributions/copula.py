"""The joint whose nodes' uniforms depend on each other. Not from the paper.

A network puts out a hybrid per node, ``dist [*b, N]``, and, of every node's embedding, R ``factors
[*b, N, R]`` of any sign and ``idiosyncratic [*b, N]``, a variance above 0 (a softplus + 1e-2, say).
Only their ratio matters: scale both to a variance of about 1. Zero factors: independence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from draingym.drain_model.distributions.hybrid import Hybrid
from draingym.drain_model.distributions.marginals import (
    Cap,
    capped_draw,
    capped_interval,
    capped_log_prob,
    check_cap,
)

# The likelihood sees z within this many standard deviations.
_MAX_Z = 4.0
_EDGE = 0.5 * math.erfc(_MAX_Z / math.sqrt(2.0))
_LEAST, _MOST = 1e-7, 1.0 - 6e-8


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Copula:
    """Nodes' uniforms depend on each other through a Gaussian copula of low rank.

    ``z = V eps + sqrt(d) eps'``, ``u_n = Phi(z_n / sd_n)``, ``sd_n^2 = sum_r V_nr^2 + d_n``; then
    every node draws as in ``Independent``, with that uniform.

    Attributes:
        dist: Of every node's draw, before its stock limits it.
        factors: V.
        idiosyncratic: d, above 0.
        cap: ``censored`` or ``truncated``.
    """

    dist: Hybrid  # shape [*b, N]
    factors: Float[Array, "*b N R"]
    idiosyncratic: Float[Array, "*b N"]
    cap: Cap = field(default="censored", metadata={"static": True})

    def __post_init__(self) -> None:
        """Check the cap.

        Raises:
            ValueError: If it is not one of ``Cap``.
        """
        check_cap(self.cap)

    @staticmethod
    def num_uniforms(num_nodes: int, rank: int = 0) -> int:
        """Return ``R + N``."""
        return rank + num_nodes

    def levels(self, uniforms: Float[Array, "*b K"]) -> Float[Array, "*b N"]:
        """Return the dependent uniforms ``u_n`` of ``R + N`` independent ones."""
        rank = self.factors.shape[-1]
        normal = jax.scipy.special.ndtri(jnp.clip(uniforms, _LEAST, _MOST))
        shared, alone = normal[..., :rank], normal[..., rank:]
        z = (
            jnp.sum(self.factors * shared[..., None, :], axis=-1)
            + jnp.sqrt(self.idiosyncratic) * alone
        )
        sd = jnp.sqrt(jnp.sum(jnp.square(self.factors), axis=-1) + self.idiosyncratic)
        return jnp.clip(jax.scipy.special.ndtr(z / sd), 0.0, _MOST)

    def sample(
        self,
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b K"],
    ) -> Float[Array, "*b N"]:
        """Draw every node by inverse CDF at its dependent uniform.

        Args:
            available: [*b, N] whole units.
            active: [*b, N].
            uniforms: [*b, R + N] in [0, 1): of the factors, then of the nodes.

        Returns:
            [*b, N] whole units.

        Gradients:
            As in ``Independent``. None in V and d: they leave every node's mean, and so every
            linear function's, as it is. For other functions this omits how dependence reacts.
        """
        level = jax.lax.stop_gradient(self.levels(uniforms))
        return jnp.where(active, capped_draw(self.dist, available, level, self.cap), 0.0)

    def log_prob(
        self,
        outbound: Float[Array, "*b N"],
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b N"] | None = None,
    ) -> Float[Array, "*b"]:
        """Return the nodes' log probabilities and the log copula density at randomised PIT.

        ``u_n = F(O_n - 1) + v_n P(O_n)`` with v the ``uniforms``. The mean of ``exp(log_prob)``
        over uniform v is the probability of the outbound units, exactly up to the cut of z at
        +-4; so is ``log_prob`` the log density of (units, v). Nodes without stock say nothing of
        the copula and are left out of it.

        Args:
            outbound: [*b, N] whole units.
            available: [*b, N] whole units.
            active: [*b, N].
            uniforms: [*b, N] in [0, 1); one half where not given.

        Returns:
            [*b].
        """
        v = jnp.full_like(outbound, 0.5) if uniforms is None else uniforms
        marginal = capped_log_prob(self.dist, outbound, available, self.cap)
        dependence = self._dependence(self.dist, outbound, available, active, v)
        return jnp.sum(jnp.where(active, marginal, 0.0), axis=-1) + dependence

    def log_dependence(
        self,
        outbound: Float[Array, "*b N"],
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b N"],
    ) -> Float[Array, "*b"]:
        """Return the log copula density at randomised PIT.

        Gradients: in V and d alone, so that the marginals stay what their own losses make them.
        """
        frozen = jax.lax.stop_gradient(self.dist)
        return self._dependence(frozen, outbound, available, active, uniforms)

    def _dependence(
        self, dist: Hybrid, outbound: Array, available: Array, active: Array, v: Array
    ) -> Array:
        below, at = capped_interval(dist, outbound, available, self.cap)
        level = jnp.clip(below + v * (at - below), _EDGE, 1.0 - _EDGE)
        counted = active & (available > 0)
        z = jnp.where(counted, jax.scipy.special.ndtri(level), 0.0)
        return self._log_density(z, counted)

    def _log_density(self, z: Array, counted: Array) -> Array:
        """Return ``log N(z; 0, R) - log N(z; 0, I)`` by Woodbury; one R x R Cholesky."""
        variance = jnp.sum(jnp.square(self.factors), axis=-1) + self.idiosyncratic
        loading = jnp.where(counted[..., None], self.factors / jnp.sqrt(variance)[..., None], 0.0)
        alone = jnp.where(counted, self.idiosyncratic / variance, 1.0)
        scaled = loading / alone[..., None]
        exact = jax.lax.Precision.HIGHEST
        inner = jnp.einsum("...nr,...ns->...rs", loading, scaled, precision=exact)
        rank = self.factors.shape[-1]
        eye = jnp.broadcast_to(jnp.eye(rank, dtype=z.dtype), inner.shape)
        root = jnp.linalg.cholesky(inner + eye)
        projected = jnp.sum(scaled * z[..., None], axis=-2)
        solved = jax.scipy.linalg.solve_triangular(root, projected[..., None], lower=True)
        square = jnp.sum(z * z / alone, axis=-1) - jnp.sum(jnp.square(solved), axis=(-2, -1))
        diagonal = jnp.diagonal(root, axis1=-2, axis2=-1)
        log_det = jnp.sum(jnp.log(alone), axis=-1) + 2.0 * jnp.sum(jnp.log(diagonal), axis=-1)
        return -0.5 * (square - jnp.sum(z * z, axis=-1) + log_det)

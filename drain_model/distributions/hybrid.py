"""The hybrid distribution of a count: an atom for every small number, and a tail.

Pure functions of arrays. How the tail is shaped is decided in ``tail.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.drain_model.distributions.tail import Tail, normal_gaps

_TINY = 1e-12
_TINIEST = 1e-30


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Hybrid:
    """A distribution on 0, 1, 2, ...: K atoms, and a tail.

    ``P(O = k) = p_k`` for k < K. Beyond, ``F(y) = 1 - p_tail + p_tail F_q(y)`` for real
    y >= K - 1/2, with F_q the tail's. An integer k in the tail has the mass
    ``F(k + 1/2) - F(k - 1/2)``.

    Source: Outbound, section 4.1, equation (1); METHODS section 2.

    Example:
        >>> law = Hybrid.from_logits(jnp.zeros((3, 2)), jnp.ones((3, 9)))  # three nodes
        >>> law.num_atoms, round(float(jnp.exp(law.log_tail[0])), 2)  # two or more
        (2, 0.33)
    """

    log_atoms: Float[Array, "*shape K"]  # log p_0 .. log p_{K-1}
    log_tail: Float[Array, "*shape"]  # log p_tail
    tail: Tail  # from K - 1/2 on

    @classmethod
    def from_logits(
        cls, logits: Float[Array, "*shape K"], gaps: Float[Array, "*shape Q"]
    ) -> Hybrid:
        """Return the distribution of atoms' logits and of gaps between the tail's quantiles.

        The tail's logit is the reference, 0.

        Args:
            logits: [..., K] of the atoms.
            gaps: [..., 9] units, at least 0.
        """
        joint = jax.nn.log_softmax(
            jnp.concatenate([logits, jnp.zeros_like(logits[..., :1])], axis=-1), axis=-1
        )
        return cls(
            log_atoms=joint[..., :-1],
            log_tail=joint[..., -1],
            tail=Tail.from_gaps(gaps, start=logits.shape[-1] - 0.5),
        )

    @property
    def num_atoms(self) -> int:
        """How many atoms there are, ``K``."""
        return int(self.log_atoms.shape[-1])

    def cdf(self, units: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return ``P(O <= k)`` for whole units k, any sign.

        Args:
            units: [...] whole numbers.

        Returns:
            [...] in [0, 1]. Differentiable in the distribution's parameters.
        """
        kept = self._atoms(units) <= units[..., None]
        below = jnp.sum(jnp.where(kept, jnp.exp(self.log_atoms), 0.0), axis=-1)
        survival = jnp.exp(self.log_tail) * self.tail.survival(units + 0.5)
        return jnp.where(units < self.num_atoms, below, 1.0 - survival)

    def log_cdf(self, units: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return ``log P(O <= k)`` for whole k >= 0; in the log where only atoms count."""
        kept = jnp.where(self._atoms(units) <= units[..., None], self.log_atoms, -jnp.inf)
        beyond = jnp.maximum(self.cdf(self._beyond(units)), _TINIEST)
        return jnp.where(units < self.num_atoms, jax.nn.logsumexp(kept, axis=-1), jnp.log(beyond))

    def ppf(self, uniform: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return the smallest whole k with ``u <= F(k)``.

        The tail counts whole: k with ``F(k - 1/2) < u <= F(k + 1/2)``.

        Args:
            uniform: [...] in [0, 1).

        Returns:
            [...] whole units. The derivative is zero: see ``marginals.censored_draw`` for one that
            is of use.
        """
        cumulative = jnp.cumsum(jnp.exp(self.log_atoms), axis=-1)
        atom = jnp.sum(uniform[..., None] > cumulative, axis=-1).astype(uniform.dtype)
        # From above, so that a rare tail keeps its digits.
        level = 1.0 - (1.0 - uniform) * jnp.exp(-self.log_tail)
        tail = jnp.ceil(self.tail.ppf(jnp.clip(level, 0.0, 1.0)) - 0.5)
        tail = jnp.maximum(tail, float(self.num_atoms))
        return jax.lax.stop_gradient(jnp.where(atom < self.num_atoms, atom, tail))

    def log_prob(self, units: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return ``log P(O = k)`` for whole k >= 0."""
        return self.log_atom(units) + jnp.where(
            units < self.num_atoms, 0.0, self.log_tail_prob(units)
        )

    def log_atom(self, units: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return ``log p_min(k, K)``: the cross entropy's part of the likelihood."""
        here = self._atoms(units) == units[..., None]
        inside = jnp.sum(jnp.where(here, self.log_atoms, 0.0), axis=-1)
        return jnp.where(units < self.num_atoms, inside, self.log_tail)

    def log_tail_prob(self, units: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return ``log P(O = k | tail)`` for whole k >= K."""
        y = self._beyond(units)
        return jnp.log(self.tail.mass(y - 0.5, y + 0.5) + _TINY)

    def log_tail_at_least(self, units: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return ``log P(O >= k | tail)`` for whole k >= K."""
        return jnp.log(self.tail.survival(self._beyond(units) - 0.5) + _TINY)

    def log_atoms_at_least(self, units: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return ``log P(O >= min(k, K))`` for whole k >= 0."""
        kept = jnp.where(self._atoms(units) >= units[..., None], self.log_atoms, -jnp.inf)
        joint = jnp.concatenate([kept, self.log_tail[..., None]], axis=-1)
        return jax.nn.logsumexp(joint, axis=-1)

    def _atoms(self, units: Array) -> Array:
        """Return 0 .. K-1 along a new last axis of units."""
        return jnp.arange(self.num_atoms, dtype=units.dtype).reshape(
            (1,) * units.ndim + (self.num_atoms,)
        )

    def _beyond(self, units: Array) -> Array:
        """Return units where they are in the tail, and its first count elsewhere."""
        return jnp.maximum(units, float(self.num_atoms))


def count_base(
    mean: Float[Array, "*shape"], dispersion: Float[Array, "*shape"], num_atoms: int
) -> tuple[Float[Array, "*shape K"], Float[Array, "*shape Q"]]:
    """Return logits and tail gaps of about a negative binomial: what a head starts from.

    Variance ``mean + dispersion mean^2``. Atoms by their recursion; the tail's quantiles are
    those of the normal with the same mean and variance, beyond K - 1/2. Not from the paper.

    Args:
        mean: [...] units, above 0.
        dispersion: [...] above 0.
        num_atoms: K.

    Returns:
        Logits [..., K] relative to the tail, and gaps [..., 9] between the tail's quantiles.
    """
    grow = jnp.log(mean) - jnp.log1p(dispersion * mean)
    log_p = [-jnp.log1p(dispersion * mean) / dispersion]
    for k in range(1, num_atoms):
        log_p.append(log_p[-1] + grow + jnp.log((1.0 + dispersion * (k - 1)) / k))
    atoms = jnp.stack(log_p, axis=-1)
    tail = jnp.maximum(1.0 - jnp.sum(jnp.exp(atoms), axis=-1, keepdims=True), 1e-4)
    deviation = jnp.sqrt(mean + dispersion * jnp.square(mean))
    gaps = normal_gaps(mean, deviation, num_atoms - 0.5)
    return jnp.clip(atoms - jnp.log(tail), -20.0, 20.0), gaps

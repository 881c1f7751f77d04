"""Heads: from the last layers' outputs to the arguments of distributions.

Plain: logits, and softplus gaps between the tail's quantiles. Routed: a correction of a count
distribution around the mean that the lanes lead to a node, or, for the network's total, around what
they have stock for.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.drain_model.distributions.copula import Copula
from draingym.drain_model.distributions.hybrid import Hybrid, count_base
from draingym.drain_model.distributions.levels import NUM_LEVELS
from draingym.drain_model.distributions.marginals import Cap


def count_channels(num_atoms: int) -> int:
    """Return how many outputs a count takes: atoms, gaps, dispersion and a factor of the mean."""
    return num_atoms + NUM_LEVELS + 2


def plain_count(raw: Float[Array, "*b C"], scale: Float[Array, "*b"], num_atoms: int) -> Hybrid:
    """Return a count distribution whose tail's gaps are in units of ``scale``."""
    gaps = jax.nn.softplus(raw[..., num_atoms : num_atoms + NUM_LEVELS] - 1.0) * scale[..., None]
    return Hybrid.from_logits(raw[..., :num_atoms], gaps)


def routed_count(raw: Float[Array, "*b C"], mean: Float[Array, "*b"], num_atoms: int) -> Hybrid:
    """Return a count distribution around ``mean`` units, which it corrects by up to e^2."""
    values, dispersion, factor = raw[..., :-2], raw[..., -2], raw[..., -1]
    mean = (mean + 1e-2) * jnp.exp(2.0 * jnp.tanh(0.5 * factor))
    dispersion = jax.nn.softplus(dispersion - 3.0) + 1e-3
    logits, gaps = count_base(mean, dispersion, num_atoms)
    stretch = jnp.exp(2.0 * jnp.tanh(0.5 * values[..., num_atoms:]))
    return Hybrid.from_logits(logits + values[..., :num_atoms], gaps * stretch)


def copula(raw: Float[Array, "*b N C"], dist: Hybrid, cap: Cap) -> Copula:
    """Return nodes that depend on each other by R factors; ``raw`` has R + 1 channels."""
    idiosyncratic = jax.nn.softplus(raw[..., -1] + 0.5) + 1e-2
    return Copula(dist=dist, factors=raw[..., :-1], idiosyncratic=idiosyncratic, cap=cap)


def routed_share(raw: Float[Array, "*b N"], served: Float[Array, "*b N"]) -> Float[Array, "*b N"]:
    """Return the logit of a node's share around the units that the lanes serve from it."""
    return 2.0 * jnp.tanh(0.5 * raw) + jnp.log(served + 1e-2)

"""Three joints of the nodes' outbound units, with one interface.

Leaves have any leading axes ``*b`` (products, periods). What a network has to put out:

- ``Independent``: a hybrid per node, ``dist [*b, N]``; the paper's heads as they are.
- ``Copula``: the same, and of every node's embedding R ``factors [*b, N, R]`` of any sign and
  ``own [*b, N]``, the variance of what is the node's alone, above 0 (a softplus + 1e-2, say).
  Only their ratio matters: scale both to a variance of about 1. Zero factors: independence.
- ``Coherent``: a hybrid for the network's total, ``total [*b]``, from pooled tokens of the
  network; a logit per node, ``log_share [*b, N]``, any sign, softmaxed over active nodes; and
  ``log_concentration [*b]``: the larger, the closer splits are to multinomial. Concentration is
  capped at 1e4. Nodes are split in their order.

Interface, the same for all:

- ``num_uniforms(num_nodes, rank=0)``: how many uniforms a draw uses. Shared ones come first,
  then one a node, so that nodes added at the end leave other nodes' uniforms as they are.
- ``sample(available, active, uniforms)``: hard whole units, ``0 <= O <= A``, 0 where not active.
- ``log_prob(outbound, available, active, uniforms=None)``: of such units; ``-inf`` if never drawn.

Nodes that are not active count for nothing: neither their stock nor their leaves matter.

Source: METHODS sections 3 and 4; Outbound's heads under ``Independent``; the rest is not from the
paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from draingym.drain_model.distributions.hybrid import Hybrid
from draingym.drain_model.distributions.marginals import (
    Cap,
    capped_draw,
    capped_interval,
    capped_log_prob,
    censored_parts,
    check_cap,
)
from draingym.drain_model.distributions.splits import MIN_ALPHA, Split, draw_split, split_log_prob
from draingym.simulator import straight_through

MAX_CONCENTRATION = 1e4
# The likelihood of a copula sees z within this many standard deviations.
_MAX_Z = 4.0
_EDGE = 0.5 * math.erfc(_MAX_Z / math.sqrt(2.0))
_LEAST, _MOST = 1e-7, 1.0 - 6e-8


class Joint(Protocol):
    """The distribution of all nodes' outbound units in a period, given their stock."""

    @staticmethod
    def num_uniforms(num_nodes: int, rank: int = 0) -> int:
        """Return how many uniforms a draw uses."""
        ...

    def sample(
        self,
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b K"],
    ) -> Float[Array, "*b N"]:
        """Draw whole units, ``0 <= O <= A``."""
        ...

    def log_prob(
        self,
        outbound: Float[Array, "*b N"],
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b N"] | None = None,
    ) -> Float[Array, "*b"]:
        """Return the log probability of outbound units."""
        ...

    def log_dependence(
        self,
        outbound: Float[Array, "*b N"],
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b N"],
    ) -> Float[Array, "*b"]:
        """Return what ``log_prob`` holds beyond its hybrids; it trains the rest of the leaves."""
        ...


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


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Copula:
    """Nodes' uniforms depend on each other through a Gaussian copula of low rank.

    ``z = V eps + sqrt(d) eps'``, ``u_n = Phi(z_n / sd_n)``, ``sd_n^2 = sum_r V_nr^2 + d_n``; then
    every node draws as in ``Independent``, with that uniform.

    Attributes:
        dist: Of every node's draw, before its stock limits it.
        factors: V.
        own: d, above 0.
        cap: ``censored`` or ``truncated``.
    """

    dist: Hybrid  # shape [*b, N]
    factors: Float[Array, "*b N R"]
    own: Float[Array, "*b N"]
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
        z = jnp.sum(self.factors * shared[..., None, :], axis=-1) + jnp.sqrt(self.own) * alone
        sd = jnp.sqrt(jnp.sum(jnp.square(self.factors), axis=-1) + self.own)
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
        told = active & (available > 0)
        z = jnp.where(told, jax.scipy.special.ndtri(level), 0.0)
        return self._log_density(z, told)

    def _log_density(self, z: Array, told: Array) -> Array:
        """Return ``log N(z; 0, R) - log N(z; 0, I)`` by Woodbury; one R x R Cholesky."""
        variance = jnp.sum(jnp.square(self.factors), axis=-1) + self.own
        loading = jnp.where(told[..., None], self.factors / jnp.sqrt(variance)[..., None], 0.0)
        alone = jnp.where(told, self.own / variance, 1.0)
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


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Coherent:
    """The network's total is drawn and cut off by all stock; then it is split, node by node.

    ``T = min(draw, sum A)``; for n = 0 .. N - 1, of the ``T_n`` units that are left ``O_n`` are
    beta-binomial with alphas ``c s_n`` and ``c sum_{m > n} s_m``, truncated to
    ``[max(0, T_n - sum_{m > n} A_m), min(T_n, A_n)]``. Units add up exactly, and each is there.

    Attributes:
        total: Of the units ordered in all, before stock limits them.
        log_share: Logits of the shares s, a softmax over active nodes.
        log_concentration: log c; the variance of a split is that of a binomial times
            ``(c + T) / (c + 1)``.
        cells: How many points of a split's support are exact (see
        ``draingym.drain_model.distributions.splits``).
    """

    total: Hybrid  # shape [*b]
    log_share: Float[Array, "*b N"]
    log_concentration: Float[Array, "*b"]
    cells: int = field(default=64, metadata={"static": True})

    def __post_init__(self) -> None:
        """Check the number of cells.

        Raises:
            ValueError: If it is below 16.
        """
        if self.cells < 16:
            raise ValueError(f"cells is {self.cells}, must be at least 16")

    @staticmethod
    def num_uniforms(num_nodes: int, rank: int = 0) -> int:
        """Return ``1 + N``."""
        del rank
        return 1 + num_nodes

    def _alphas(self, active: Array) -> tuple[Array, Array]:
        """Return the alphas of every node and the sums of later nodes' alphas."""
        shares = jax.nn.softmax(jnp.where(active, self.log_share, -1e9), axis=-1)
        concentration = jnp.minimum(jnp.exp(self.log_concentration), MAX_CONCENTRATION)
        alphas = jnp.where(active, shares * concentration[..., None], 0.0)
        return alphas + MIN_ALPHA, _later(alphas) + MIN_ALPHA

    def sample(
        self,
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b K"],
    ) -> Float[Array, "*b N"]:
        """Draw the total, then every node's part of what is left.

        Args:
            available: [*b, N] whole units.
            active: [*b, N].
            uniforms: [*b, 1 + N] in [0, 1): of the total, then of the nodes.

        Returns:
            [*b, N] whole units.

        Gradients:
            In the total's distribution, shares and concentration: ``simulator.hard_draw``, exactly
            unbiased for linear functions of the units unless a split is truncated, and for their
            sum always. In the stock, see ``splits.draw_split`` and ``marginals.censored_draw``: a
            total cut off by the stock of all nodes moves with every node's stock, one to one.
        """
        own = jnp.where(active, available, 0.0)
        stock = jnp.sum(own, axis=-1)
        drawn, slope = censored_parts(self.total, stock, uniforms[..., 0])
        total = drawn + straight_through(
            jnp.zeros_like(stock), jnp.where(stock > 0, slope, 0.0) * stock
        )
        alphas, betas = self._alphas(active)
        columns = tuple(
            jnp.moveaxis(x, -1, 0) for x in (own, _later(own), alphas, betas, uniforms[..., 1:])
        )

        def body(left: Array, node: tuple[Array, ...]) -> tuple[Array, Array]:
            own, later, alpha, beta, uniform = node
            split = Split(total=left, own=own, later=later, alpha=alpha, beta=beta)
            units = draw_split(split, uniform, cells=self.cells)
            return left - units, units

        _, units = jax.lax.scan(body, total, columns)
        units = jnp.where(active, jnp.moveaxis(units, 0, -1), 0.0)
        # Where there is no stock at all, and something was asked for, a first unit ships.
        first = jnp.where(stock > 0, 0.0, slope)[..., None] * own
        return units + straight_through(jnp.zeros_like(own), first)

    def log_prob(
        self,
        outbound: Float[Array, "*b N"],
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b N"] | None = None,
    ) -> Float[Array, "*b"]:
        """Return the total's log probability and those of the splits; ``uniforms`` are not used.

        All splits are evaluated at once: what is left at a node is what later nodes shipped.
        """
        del uniforms
        own = jnp.where(active, available, 0.0)
        wanted = jnp.where(active, outbound, 0.0)
        feasible = jnp.all((wanted >= 0) & (wanted <= own), axis=-1)
        # Finite derivatives for what is never drawn, too.
        units = jnp.clip(wanted, 0.0, own)
        total = jnp.sum(units, axis=-1)
        found = capped_log_prob(self.total, total, jnp.sum(own, axis=-1), "censored")
        parts = self.log_dependence(units, available, active, units)
        return jnp.where(feasible, found + parts, -jnp.inf)

    def log_dependence(
        self,
        outbound: Float[Array, "*b N"],
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        uniforms: Float[Array, "*b N"],
    ) -> Float[Array, "*b"]:
        """Return the log probability of the splits, given the total; feasible units only."""
        del uniforms
        own = jnp.where(active, available, 0.0)
        units = jnp.where(active, outbound, 0.0)
        alphas, betas = self._alphas(active)
        split = Split(
            total=units + _later(units), own=own, later=_later(own), alpha=alphas, beta=betas
        )
        parts = jnp.where(active, split_log_prob(split, units, cells=self.cells), 0.0)
        return jnp.sum(parts, axis=-1)


def _later(x: Array) -> Array:
    """Return the sum over later nodes; exact for whole numbers."""
    return jax.lax.cumsum(x, axis=x.ndim - 1, reverse=True) - x


JOINTS: dict[str, type[Independent] | type[Copula] | type[Coherent]] = {
    "independent": Independent,
    "copula": Copula,
    "coherent": Coherent,
}

"""The joint that draws the network's total and splits it over nodes. Not from the paper.

A network puts out a hybrid for the network's total, ``total [*b]``, from pooled tokens; a logit per
node, ``log_share [*b, N]``, any sign, softmaxed over active nodes; and a
``log_concentration [*b, N]``: the larger, the closer the node's split is to binomial. Nodes are
split in their order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from draingym.drain_model.distributions.hybrid import Hybrid
from draingym.drain_model.distributions.marginals import capped_log_prob, censored_parts
from draingym.drain_model.distributions.splits import MIN_ALPHA, Split, draw_split, split_log_prob
from draingym.simulator import straight_through

_MAX_CONCENTRATION = 1e4  # larger ones count as this


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Coherent:
    """The network's total is drawn and cut off by all stock; then it is split, node by node.

    ``T = min(draw, sum A)``; for n = 0 .. N - 1, of the ``T_n`` units that are left ``O_n`` are
    beta-binomial with alphas ``c_n s_n`` and ``c_n sum_{m > n} s_m``, truncated to
    ``[max(0, T_n - sum_{m > n} A_m), min(T_n, A_n)]``. Units add up exactly, and each is there.

    Attributes:
        total: Of the units ordered in all, before stock limits them.
        log_share: Logits of the shares s, a softmax over active nodes.
        log_concentration: log c, of every node or the same for all; the variance of a split is
            that of a binomial times ``(r + T) / (r + 1)``, r = c_n sum_{m >= n} s_m.
        cells: How many points of a split's support are exact (see
            ``draingym.drain_model.distributions.splits``).
    """

    total: Hybrid  # shape [*b]
    log_share: Float[Array, "*b N"]
    log_concentration: Float[Array, "*b N"]
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
        """Return the alphas of every node and of all later ones together."""
        shares = jax.nn.softmax(jnp.where(active, self.log_share, -1e9), axis=-1)
        shares = jnp.where(active, shares, 0.0)
        concentration = jnp.minimum(jnp.exp(self.log_concentration), _MAX_CONCENTRATION)
        return shares * concentration + MIN_ALPHA, _later(shares) * concentration + MIN_ALPHA

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

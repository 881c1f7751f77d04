"""Who gets what of a source that is short, other than in proportion."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from draingym.simulator.draws import lesser


def in_order(
    claim: Float[Array, " E"],
    source: Int[Array, " E"],
    rank: Float[Array, " E"],
    room: Float[Array, " E"],
) -> Float[Array, " E"]:
    """Serve a source's arcs one after the other, each as far as there is anything left.

    ``amount_e = min(claim_e, max(room - claims of the arcs served before, 0))``. Of equal ranks the
    arc that was listed first is served first.

    Args:
        claim: [E] units.
        source: [E] node that ships.
        rank: [E] place in the source's order, the lowest first.
        room: [E] units that the arc's source can ship to all its arcs; infinite for a vendor.

    Returns:
        [E] units.

    Gradients:
        Exact almost everywhere: 1 to the claim of an arc that is served in full, 1 to the stock for
        the arc at which it runs out, -1 to the claims before.
    """
    arcs = jnp.arange(claim.shape[0])
    ahead = (rank[None, :] < rank[:, None]) | (
        (rank[None, :] == rank[:, None]) & (arcs[None, :] < arcs[:, None])
    )
    before = ((source[None, :] == source[:, None]) & ahead).astype(claim.dtype) @ claim
    left = room - before
    return lesser(claim, jnp.where(left > 0, left, 0.0))

"""What becomes of a request before its source sees it."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.simulator.bounds import LARGEST
from draingym.simulator.draws import lesser, straight_through
from draingym.simulator.terms import Terms


def requested_by(terms: Terms, action: Float[Array, " E"], rounding: str) -> Float[Array, " E"]:
    """Return what is requested: the action cut to its limit, in whole batches, if it is enough.

    ``request = batch * round(min(action, limit) / batch)``, or 0 where that is below the minimum.
    A batch never takes a request above its limit. What is no number counts as 0, and a request
    above ``LARGEST`` as ``LARGEST``.

    Args:
        terms: The period's.
        action: [E] units, at least 0.
        rounding: To whole batches: ``"down"``, ``"nearest"`` (half to even) or ``"up"``.

    Returns:
        [E] units.

    Gradients:
        1 within the limit, also through the rounding (straight through); 0 above the limit and
        below the minimum.
    """
    # Comparisons with NaN are false: it never gets any further than this line.
    request = jnp.where(action >= 0, jnp.where(action <= LARGEST, action, LARGEST), 0.0)
    if terms.request_limit is not None:
        request = lesser(request, terms.request_limit)
    if terms.batch is not None:
        step = {"down": jnp.floor, "nearest": jnp.round, "up": jnp.ceil}[rounding]
        batch = jnp.where(terms.batch > 0, terms.batch, 1.0)
        batches = step(request / batch)
        if terms.request_limit is not None:
            batches = jnp.minimum(batches, jnp.floor(terms.request_limit / batch))
        whole = jnp.where(terms.batch > 0, batches * batch, request)
        request = straight_through(whole, request)
    if terms.minimum is not None:
        request = jnp.where(request >= terms.minimum, request, 0.0)
    return request


def delayed(
    queue: Float[Array, "D E"], share: Float[Array, "D+1 E"], request: Float[Array, " E"]
) -> tuple[Float[Array, " E"], Float[Array, "D E"]]:
    """Return the requests that reach their sources now, and those still on their way.

    Args:
        queue: [D, E] units; row k reaches the source k periods from now.
        share: [D + 1, E] part of a request of now that reaches the source k periods from now.
        request: [E] units requested now.

    Gradients: exact.
    """
    sent = share * request[None, :]
    later = jnp.concatenate([queue[1:], jnp.zeros_like(queue[:1])])
    return queue[0] + sent[0], later + sent[1:]

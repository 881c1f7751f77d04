"""The buying rule: how a view converts under a promise, from one hidden number of its own.

Under promise p a view with the latent U in (0, 1) takes the ship option s with
C_p(s-1) < U <= C_p(s), where C_p(s) is the probability of an option no slower than s. To change how
customers buy, change ``chosen_option``, and its inverse ``latent_interval``, which says what a
choice reveals about U.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

NO_ORDER = 3  # position in ``draingym.world.views.SHIP_OPTIONS``


@numba.njit(cache=True, inline="always")
def chosen_option(latent, cumulative):  # type: ignore[no-untyped-def]
    """Return the ship option s with C(s-1) < U <= C(s).

    Compiled, and called by the loop over views, the noise floor's included, and by
    ``EmulatedConversion``.

    Args:
        latent: U, in (0, 1).
        cumulative: [4] C(s) of the view's product under the promise shown.

    >>> [chosen_option(u, np.array([0.2, 0.2, 0.5, 1.0])) for u in (0.2, 0.3, 0.51)]
    [0, 2, 3]
    """
    option = 0
    while option < NO_ORDER and latent > cumulative[option]:
        option += 1
    return option


def conditional(historical: ArrayLike, counterfactual: ArrayLike, option: ArrayLike) -> FloatArray:
    """Return how a view converts under another promise, given how it converted in history.

    ``P(s' | p', p, s) = |(C_p'(s'-), C_p'(s')] ∩ (C_p(s-), C_p(s)]| / (C_p(s) - C_p(s-))``: a
    view's latent U is the same under every promise, and history says in which interval it lies.

    Args:
        historical: [..., 4] probability of each option under the promise p shown in history.
        counterfactual: [..., 4] the same under the new promise p'.
        option: [...] the option s chosen in history, as an index.

    Returns:
        [..., 4] probability of each option under the new promise.

    Raises:
        ValueError: If an option has no probability under the historical promise.

    Source:
        The paper's section 5.1 and appendix B.

    >>> conditional([0, 0.2, 0.1, 0.7], [0.15, 0.15, 0.1, 0.6], 1).round(6).tolist()
    [0.75, 0.25, 0.0, 0.0]
    """
    low, high = latent_interval(_cumulate(historical), option)
    upper = _cumulate(counterfactual)
    lower = np.concatenate([np.zeros_like(upper[..., :1]), upper[..., :-1]], axis=-1)
    overlap = np.minimum(upper, high[..., None]) - np.maximum(lower, low[..., None])
    return np.asarray(np.maximum(overlap, 0.0) / (high - low)[..., None], np.float64)


def _cumulate(pmf: ArrayLike) -> FloatArray:
    """Return C(s) with a last entry of exactly one."""
    cumulative = np.cumsum(np.asarray(pmf, np.float64), axis=-1)
    cumulative[..., -1] = 1.0
    return np.asarray(cumulative, np.float64)


def latent_interval(cumulative: ArrayLike, option: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the ends of (C(s-), C(s)], where the latent of a view that chose ``s`` lies.

    Args:
        cumulative: [..., 4] C(s) under the promise that was shown.
        option: [...] index of the option that was chosen.

    Returns:
        [...] open lower and [...] closed upper end.

    Raises:
        ValueError: If the interval is empty: the option has no probability under the promise.
    """
    low, high = interval_ends(cumulative, option)
    empty = ~(high > low)
    if empty.any():
        first = tuple(int(i) for i in np.argwhere(empty)[0])
        msg = (
            f"option{list(first)} is {np.asarray(option)[first]}, must be one that has a "
            "probability above 0 under the promise shown"
        )
        raise ValueError(msg)
    return low, high


def interval_ends(cumulative: ArrayLike, option: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return C(s-) and C(s) as ``latent_interval`` does, whether or not U can lie between them."""
    total = np.asarray(cumulative, np.float64)
    chosen = np.asarray(option, np.int64)[..., None]
    padded = np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1)
    low = np.take_along_axis(padded, chosen, axis=-1)[..., 0]
    high = np.take_along_axis(padded, chosen + 1, axis=-1)[..., 0]
    return low, high


def independent(historical: ArrayLike, counterfactual: ArrayLike, option: ArrayLike) -> FloatArray:
    """Return how a view converts under another promise, whatever it did in history.

    ``P(s' | p', p, s) = pi_p'(s')``: the latent is drawn anew. The signature is that of
    ``conditional``, which it is compared with; the law of total probability holds for both.

    Args:
        historical: [..., 4] probability of each option under the promise p shown in history.
        counterfactual: [..., 4] the same under the new promise p'.
        option: [...] the option s chosen in history, as an index.

    Returns:
        [..., 4] probability of each option under the new promise.

    Raises:
        ValueError: If an option has no probability under the historical promise.

    Source:
        The paper's appendix F.

    >>> independent([0, 0.2, 0.1, 0.7], [0.15, 0.15, 0.1, 0.6], 1).tolist()
    [0.15, 0.15, 0.1, 0.6]
    """
    low, _ = latent_interval(_cumulate(historical), option)
    new = np.asarray(counterfactual, np.float64)
    return np.array(np.broadcast_to(new, np.broadcast_shapes(new.shape, (*low.shape, 4))))


def draw_latent(cumulative: ArrayLike, option: ArrayLike, uniform: ArrayLike) -> FloatArray:
    """Draw the latent of views uniformly from the intervals in which history puts them.

    Args:
        cumulative: [V, 4] C(s) under the promise that was shown.
        option: [V] index of the option that was chosen.
        uniform: [V] uniforms in [0, 1).

    Returns:
        [V] latents in (0, 1); under the promise that was shown they give the option chosen.

    Example:
        >>> cumulative = np.array([[0.2, 0.3, 0.4, 1.0]])
        >>> draw_latent(cumulative, [1], [0.5]).round(3).tolist()  # inside (0.2, 0.3]
        [0.25]
    """
    low, high = latent_interval(cumulative, option)
    latent = high - (high - low) * np.asarray(uniform, np.float64)
    latent = np.clip(latent, np.nextafter(low, 1.0), high)
    return np.asarray(np.minimum(latent, np.nextafter(1.0, 0.0)), np.float64)

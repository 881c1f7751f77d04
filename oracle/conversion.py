"""How views convert: rates estimated from a log, and conversion given what happened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from world.views import ConversionRates

FloatArray = NDArray[np.float64]


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
    """Return the ends of (C(s-), C(s)], which holds the latent of a view that chose ``s``.

    Args:
        cumulative: [..., 4] C(s) under the promise that was shown.
        option: [...] index of the option that was chosen.

    Returns:
        [...] open lower and [...] closed upper end.

    Raises:
        ValueError: If the interval is empty: the option has no probability under the promise.
    """
    total = np.asarray(cumulative, np.float64)
    chosen = np.asarray(option, np.int64)[..., None]
    padded = np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1)
    low = np.take_along_axis(padded, chosen, axis=-1)[..., 0]
    high = np.take_along_axis(padded, chosen + 1, axis=-1)[..., 0]
    empty = ~(high > low)
    if empty.any():
        first = tuple(int(i) for i in np.argwhere(empty)[0])
        msg = (
            f"option{list(first)} = {chosen[..., 0][first]} has probability "
            f"{high[first] - low[first]} under the promise shown, must be above 0"
        )
        raise ValueError(msg)
    return low, high


def draw_latent(cumulative: ArrayLike, option: ArrayLike, uniform: ArrayLike) -> FloatArray:
    """Draw the latent of views uniformly from the intervals in which history puts them.

    Args:
        cumulative: [V, 4] C(s) under the promise that was shown.
        option: [V] index of the option that was chosen.
        uniform: [V] uniforms in [0, 1).

    Returns:
        [V] latents in (0, 1); under the promise that was shown they give the option chosen.
    """
    low, high = latent_interval(cumulative, option)
    latent = high - (high - low) * np.asarray(uniform, np.float64)
    latent = np.clip(latent, np.nextafter(low, 1.0), high)
    return np.asarray(np.minimum(latent, np.nextafter(1.0, 0.0)), np.float64)


@dataclass(frozen=True, kw_only=True, slots=True)
class SmoothingConfig:
    """How strongly rates of thin cells lean on products' and national rates (ours)."""

    views: float = 200.0  # weight of a product's prior, in views under a promise
    orders: float = 5.0  # weight of the national conversion level, in orders of a product
    national_views: float = 50.0  # weight of the default response to a promise, in views

    def __post_init__(self) -> None:
        """Check the bounds."""
        for name in ("views", "orders", "national_views"):
            if not getattr(self, name) > 0:
                msg = f"{name} must be above 0, got {getattr(self, name)}"
                raise ValueError(msg)


def rates_from_counts(
    counts: ArrayLike, smoothing: SmoothingConfig | None = None
) -> ConversionRates:
    """Estimate conversion rates from how often each option was chosen under each promise.

    1. National rates: counts over products, with a default response to a promise as pseudo-views.
    2. A product's level: its orders over those that national rates predict for its promises.
    3. A product's rates: its counts and pseudo-views at its level times the national rates.
    4. Isotonic in the promise: C_p'(s) >= C_p(s) for p' faster than p (weighted, option by
       option; the same weights for all options keep C increasing in s).

    Args:
        counts: [P, 4, 4] views by product, promise shown and option chosen.
        smoothing: Weights of the priors.

    Returns:
        Rates; OOS converts to nothing.

    Raises:
        ValueError: If a count is negative, there are no orders, or an option is chosen that is
            faster than its promise.

    Source:
        The matrix of the paper's appendix F; smoothing is ours.
    """
    smoothing = SmoothingConfig() if smoothing is None else smoothing
    n = np.asarray(counts, np.float64)
    if n.ndim != 3 or n.shape[1:] != (4, 4):
        msg = f"counts must have shape (P, 4, 4), got {n.shape}"
        raise ValueError(msg)
    faster = np.tri(4, k=-1, dtype=bool)  # options that the promise rules out; all of them if OOS
    bad = (n < 0) | (faster & (n > 0))
    if bad.any():
        i, p, s = (int(k) for k in np.argwhere(bad)[0])
        msg = f"counts[{i}, {p}, {s}] must be at least 0, and 0 if ruled out, got {n[i, p, s]}"
        raise ValueError(msg)
    seen, bought = n[:, :3], n[:, :3, :3]
    orders, views = bought.sum(), seen.sum()
    if orders == 0 or orders == views:
        msg = f"counts must hold orders and views without one, got {orders} orders, {views} views"
        raise ValueError(msg)
    default = ConversionRates.from_conversion(np.array([orders / views])).pmf[0, :3, :3]
    by_promise = seen.sum(axis=(0, 2))[:, None]
    weight = smoothing.national_views
    national = (bought.sum(axis=0) + weight * default) / (by_promise + weight)
    predicted = (seen.sum(axis=2) @ national.sum(axis=1))[:, None, None]
    sold = bought.sum(axis=(1, 2))[:, None, None]
    level = (sold + smoothing.orders) / (predicted + smoothing.orders)
    level = np.minimum(level, 0.95 / national.sum(axis=1).max())
    shown = seen.sum(axis=2)[:, :, None]
    rates = (bought + smoothing.views * level * national) / (shown + smoothing.views)
    cumulative = decreasing(np.cumsum(rates, axis=2), shown + smoothing.views)
    pmf = np.zeros_like(n)
    pmf[:, :3, :3] = np.maximum(np.diff(cumulative, axis=2, prepend=0.0), 0.0)
    pmf[:, :, 3] = 1.0 - pmf[:, :, :3].sum(axis=2)
    return ConversionRates(pmf=pmf)


def decreasing(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted least-squares fit that does not increase along axis 1.

    ``fit_k = min_{a <= k} max_{b >= k} mean(values[a..b])``.

    Args:
        values: [P, K, S].
        weights: [P, K, 1], above 0.

    Returns:
        [P, K, S].

    >>> decreasing(np.array([[[1.0], [3.0], [2.0]]]), np.ones((1, 3, 1))).ravel().tolist()
    [2.0, 2.0, 2.0]
    """
    size = values.shape[1]

    def mean(a: int, b: int) -> FloatArray:
        block = slice(a, b + 1)
        total = (weights[:, block] * values[:, block]).sum(axis=1)
        return np.asarray(total / weights[:, block].sum(axis=1), np.float64)

    fit = [
        np.min([np.max([mean(a, b) for b in range(k, size)], axis=0) for a in range(k + 1)], axis=0)
        for k in range(size)
    ]
    return np.stack(fit, axis=1)

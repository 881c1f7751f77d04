"""A generative process of glance views, fitted to a panel: new customers like those of the log.

``views[t, z] ~ NegativeBinomial(mean = level * season[t mod S] * share[z] * exp(x_t - sd**2 / 2),
dispersion)``, where ``x_t`` is a stationary AR(1) with standard deviation sd: ``x_t = phi x_(t-1) +
sd sqrt(1 - phi**2) e_t``. Level and share are a product's own; season, sd, phi and dispersion are
shared. Given x, regions and periods are independent; x makes a product's regions move together.

Source: a reconstruction, not from the paper; fitted by the method of moments.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from draingym.common.arrays import require_range, require_whole
from draingym.simulator.precision import real

# A gamma of a smaller shape underflows; it also caps the dispersion that can be fitted.
_MAX_DISPERSION = 100.0


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class ViewProcess:
    """The parameters of the process, for P products and Z regions.

    >>> views = np.random.default_rng(0).poisson(9.0, (2, 30, 3))
    >>> process: ViewProcess = fit_views(views, season_length=1)
    >>> process.share.shape, bool(process.sd < 0.2)
    ((2, 3), True)
    """

    level: Float[Array, " P"]  # views a period over all regions, above 0
    share: Float[Array, "P Z"]  # of a product's views; rows sum to one
    season: Float[Array, " S"]  # factor by phase; mean one
    sd: Float[Array, ""]  # of the logarithm of a product's swings
    phi: Float[Array, ""]  # their autocorrelation over one period, in [0, 1)
    dispersion: Float[Array, ""]  # variance is mean + dispersion * mean**2; 0 is Poisson


def fit_views(views: ArrayLike, season_length: int, *, smoothing: float = 1.0) -> ViewProcess:
    """Fit the process to a panel's views by the method of moments.

    With m the mean given level, season and share: ``E[v v'] = m m' exp(sd**2)`` for two regions of
    one period, ``E[v_t v_(t+1)] = m_t m_(t+1) exp(sd**2 phi)``, and ``E[v (v - 1)] = m**2
    exp(sd**2) (1 + dispersion)``. Products count in proportion to their size squared.

    Args:
        views: [P, T, Z] page views; zero for a product that nobody looked at is allowed.
        season_length: Phases of the season: 7 for days, 52 for weeks, 1 for none.
        smoothing: Views by which a product's regional shares are drawn towards those of all.

    Returns:
        The fitted process. Levels and shares are estimated too, which biases sd and phi down by
        O(1 / T): swings slower than the panel is long count as level.

    Raises:
        ValueError: If the array is no panel, is shorter than two seasons, has a value that is
            negative or not finite, or fewer than two regions, or the smoothing is negative.

    Example:
        >>> views = np.random.default_rng(0).poisson(9.0, (4, 70, 3))
        >>> process = fit_views(views, season_length=7)
        >>> process.season.shape, process.level.round().tolist()
        ((7,), [26.0, 27.0, 27.0, 27.0])
    """
    require_range("smoothing", smoothing, low=0.0)
    require_whole("season_length", season_length, low=1)
    seen = np.asarray(views, dtype=np.float64)
    if seen.ndim != 3 or seen.shape[2] < 2:
        raise ValueError(f"views has shape {seen.shape}, must be [P, T, Z] with at least 2 regions")
    if season_length < 1 or seen.shape[1] < 2 * season_length:
        raise ValueError(
            f"season_length is {season_length}, must be in [1, {seen.shape[1] // 2}]: half of "
            f"{seen.shape[1]} periods"
        )
    if not (np.isfinite(seen).all() and (seen >= 0).all()):
        raise ValueError("views has an entry that is negative or not finite, must be at least 0")
    totals = seen.sum(axis=2)
    if not totals.any():
        raise ValueError("views are all zero, must hold at least one view")
    periods = seen.shape[1]
    phase = np.arange(periods) % season_length
    of_all = totals.sum(axis=0)
    season = np.array([of_all[phase == s].mean() for s in range(season_length)])
    season = np.maximum(season / season.mean(), 1e-6)
    factor = season[phase]
    level = np.maximum(totals.sum(axis=1) / factor.sum(), 1e-6)
    prior = seen.sum(axis=(0, 1)) / seen.sum()
    share = seen.sum(axis=1) + smoothing * prior[None, :]
    share /= share.sum(axis=1, keepdims=True)

    mean = level[:, None, None] * factor[None, :, None] * share[:, None, :]
    expected = mean.sum(axis=2)
    together = (totals**2 - (seen**2).sum(axis=2)).sum()
    variance = np.log(max(together / (expected**2 - (mean**2).sum(axis=2)).sum(), 1.0))
    lagged = (totals[:, 1:] * totals[:, :-1]).sum() / (expected[:, 1:] * expected[:, :-1]).sum()
    phi = np.log(max(lagged, 1.0)) / variance if variance > 0 else 0.0
    pairs = (seen * (seen - 1)).sum() / (mean**2).sum()
    dispersion = pairs / np.exp(variance) - 1.0
    return ViewProcess(
        level=real(level),
        share=real(share),
        season=real(season),
        sd=real(np.sqrt(variance)),
        phi=real(np.clip(phi, 0.0, 0.999)),
        dispersion=real(np.clip(dispersion, 0.0, _MAX_DISPERSION)),
    )


def sample_views(
    process: ViewProcess, key: Array, periods: int, *, first_phase: int = 0
) -> Float[Array, "P T Z"]:
    """Draw new views of every product; feed them to ``make_market`` or ``scenario_from_views``.

    Args:
        process: What ``fit_views`` returned.
        key: Random key.
        periods: How many; static.
        first_phase: Phase of the season in the first period, at least 0.

    Returns:
        [P, T, Z] whole views.

    Raises:
        ValueError: If there is no period, or the phase is negative.
    """
    require_whole("periods", periods, low=1)
    require_whole("first_phase", first_phase)
    # As the draws are, whatever the precision.
    process = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), process)
    key_first, key_swing, key_gamma, key_count = jax.random.split(key, 4)
    products = process.level.shape[0]
    noise = jax.random.normal(key_swing, (periods, products), jnp.float32)
    first = jax.random.normal(key_first, (products,), jnp.float32)

    def swing(x: Array, e: Array) -> tuple[Array, Array]:
        x = process.phi * x + jnp.sqrt(1.0 - process.phi**2) * e
        return x, x

    _, x = jax.lax.scan(swing, first, noise)
    factor = jnp.exp(process.sd * x - process.sd**2 / 2).T
    phase = (first_phase + jnp.arange(periods)) % process.season.shape[0]
    mean = (
        process.level[:, None, None]
        * process.season[phase][None, :, None]
        * factor[:, :, None]
        * process.share[:, None, :]
    )
    shape = 1.0 / jnp.maximum(process.dispersion, 1e-6)
    mixed = (
        jax.random.gamma(key_gamma, jnp.broadcast_to(shape, mean.shape), None, jnp.float32) / shape
    )
    rate = mean * jnp.where(process.dispersion > 1e-6, mixed, 1.0)
    return real(jax.random.poisson(key_count, rate, None, jnp.int32))

"""Features of a series' shape: what clusters of like series are made of."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from draingym.common.arrays import FloatArray
from draingym.forecasters.data.cleaning import forward_filled
from draingym.forecasters.data.series import SeriesData

FEATURES = (
    "sales",
    "zeros",
    "trend",
    "spikiness",
    "linearity",
    "curvature",
    "residual autocorrelation",
    "autocorrelation",
    "entropy",
)


def mean_sales(data: SeriesData) -> FloatArray:
    """Return mean units per observed period, [S]; 0 where nothing was observed."""
    count = np.maximum(data.observed.sum(axis=1), 1)
    found: FloatArray = np.nansum(data.target, axis=1) / count
    return found


def zero_share(data: SeriesData) -> FloatArray:
    """Return the share of observed periods without a sale, [S]."""
    found: FloatArray = (data.target == 0).sum(axis=1) / np.maximum(data.observed.sum(axis=1), 1)
    return found


def series_features(data: SeriesData) -> FloatArray:
    """Return nine features of each series, [S, 9], in the order of ``FEATURES``.

    The trend is a Gaussian smooth over a twelfth of the periods, and the remainder what it leaves:
    strength 1 - var(remainder) / var(series); spikiness is the variance of the remainder's
    variances with one period left out; linearity and curvature are the coefficients of the trend
    on orthogonal polynomials; entropy is that of the spectrum, over its largest. Series have unit
    variance first, so that the unit of sales counts in the first feature alone. A series that
    does not move has 0 everywhere, and entropy 1.

    Source: paper on LSTM, table 1, and tsfeatures of Hyndman et al. The smoother is ours: theirs
    is Friedman's super smoother.
    """
    values = np.nan_to_num(forward_filled(data.target))
    periods = values.shape[1]
    spread = values.std(axis=1, keepdims=True)
    z = (values - values.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    trend = gaussian_filter1d(z, max(1.0, periods / 12), axis=1, mode="nearest")
    rest = z - trend
    variance = rest.var(axis=1)
    strength = np.clip(1.0 - variance / np.maximum(z.var(axis=1), 1e-12), 0.0, 1.0)
    moves = spread[:, 0] > 0
    # The variance of a series without one of its periods, from sums.
    n = max(periods - 1, 1)
    total, squares = rest.sum(axis=1, keepdims=True), (rest**2).sum(axis=1, keepdims=True)
    left_out = (squares - rest**2) / n - ((total - rest) / n) ** 2
    line = np.linspace(-1.0, 1.0, periods)
    line = line / max(float(np.linalg.norm(line)), 1e-12)
    bow = np.linspace(-1.0, 1.0, periods) ** 2
    bow = bow - bow.mean() - (bow @ line) * line
    bow = bow / max(float(np.linalg.norm(bow)), 1e-12)
    power = np.abs(np.fft.rfft(z, axis=1)[:, 1:]) ** 2
    power = power / np.maximum(power.sum(axis=1, keepdims=True), 1e-12)
    entropy = -(power * np.log(np.maximum(power, 1e-12))).sum(axis=1)
    entropy = entropy / max(float(np.log(max(power.shape[1], 2))), 1e-12)
    found = np.stack(
        [
            np.log1p(np.maximum(mean_sales(data), 0.0)),
            zero_share(data),
            strength,
            left_out.var(axis=1),
            trend @ line,
            trend @ bow,
            _first_autocorrelation(rest),
            _first_autocorrelation(z),
            entropy,
        ],
        axis=1,
    )
    still = np.zeros(len(FEATURES) - 2)
    still[-1] = 1.0
    found[~moves, 2:] = still
    return found


def _first_autocorrelation(values: FloatArray) -> FloatArray:
    centred = values - values.mean(axis=1, keepdims=True)
    square = np.maximum((centred**2).sum(axis=1), 1e-12)
    found: FloatArray = (centred[:, 1:] * centred[:, :-1]).sum(axis=1) / square
    return found

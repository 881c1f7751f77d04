"""The closest node on many product-periods ("cells") at once, compiled for processors.

The distribution is that of ``draw_orders`` and ``fill_orders`` (a test compares them); whole orders
in plain loops take a tenth of the time, so that tuning can search finely. Needs numba, of the extra
``data``: import it where it is used.

Source: Outbound, Appendix E; METHODS section 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from draingym.common.scores import crps

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Temperatures tried, in units of 1 / mean distance, and factors on the rate of order.
_TEMPERATURES = (0.0, 1.0, 2.0, 3.0, 4.5, 6.0, 8.0, 11.0, 16.0, 24.0, 40.0, 100.0, 1e4)
FACTORS = (0.7, 0.8, 0.87, 0.93, 1.0, 1.07, 1.15, 1.25)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuned:
    """The closest node's two numbers for drain."""

    temperature: float  # lambda, 1 / km
    rate_scale: float  # on the units a view is worth


@numba.njit(cache=True)
def _serve(weights, order, distance, views, rate, stock, seed, out, km):  # type: ignore[no-untyped-def]
    """Fill ``out`` and ``km`` [S, C, N], given nodes' weights, order and distances [Z, N]."""
    np.random.seed(seed)  # noqa: NPY002
    samples, cells, nodes = out.shape
    regions = views.shape[1]
    number = np.empty(regions, np.int64)
    for s in range(samples):
        for c in range(cells):
            left = stock[c].copy()
            count = 0
            for z in range(regions):
                number[z] = np.random.binomial(views[c, z], rate[c]) if views[c, z] > 0 else 0  # noqa: NPY002
                count += number[z]
            line = np.empty(count, np.int64)
            at = 0
            for z in range(regions):
                line[at : at + number[z]] = z
                at += number[z]
            for i in range(count - 1, 0, -1):
                j = np.random.randint(i + 1)  # noqa: NPY002
                line[i], line[j] = line[j], line[i]
            for i in range(count):
                z = line[i]
                mass = 0.0
                for n in range(nodes):
                    if left[n] > 0:
                        mass += weights[z, n]
                chosen = -1
                if mass > 0.0:
                    u = np.random.random() * mass  # noqa: NPY002
                    for n in range(nodes):
                        if left[n] > 0 and weights[z, n] > 0.0:
                            chosen = n
                            u -= weights[z, n]
                            if u < 0.0:
                                break
                else:
                    for k in range(nodes):
                        if left[order[z, k]] > 0:
                            chosen = order[z, k]
                            break
                if chosen < 0:
                    break
                left[chosen] -= 1
                km[s, c, chosen] += distance[z, chosen]
            for n in range(nodes):
                out[s, c, n] = stock[c, n] - left[n]


def sample(
    tuned: Tuned,
    distance_km: FloatArray,
    views: IntArray,
    rate: FloatArray,
    stock: IntArray,
    num_samples: int,
    seed: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Draw the drain of product-periods.

    Args:
        tuned: Temperature and rate scale.
        distance_km: [N, Z].
        views: [C, Z] page views.
        rate: [C] units per view before the scale.
        stock: [C, N] units; 0 where a node serves nobody.
        num_samples: ``S``.
        seed: Of the samples.

    Returns:
        [S, C, N] units, and the sum of the km that they travel.
    """
    away = np.ascontiguousarray(distance_km.T - distance_km.min(axis=0)[:, None])
    weights = np.exp(-tuned.temperature * away)
    out = np.empty((num_samples, *stock.shape), np.int32)
    km = np.zeros(out.shape, np.float32)
    chance = np.minimum(rate * tuned.rate_scale, 1.0)
    far = np.ascontiguousarray(distance_km.T)
    _serve(weights, np.argsort(away, axis=1), far, views, chance, stock, seed, out, km)
    return out, km


def tune(
    distance_km: FloatArray,
    views: IntArray,
    rate: FloatArray,
    stock: IntArray,
    actual: IntArray,
    *,
    counted: NDArray[np.bool_] | None = None,
    num_samples: int = 8,
    seed: int = 0,
) -> Tuned:
    """Return temperature and rate scale with the lowest node-level CRPS.

    By turns on their grids, until neither moves, and once more between neighbours.

    Args:
        distance_km: [N, Z].
        views: [C, Z] page views of the product-periods to tune on.
        rate: [C] units per view.
        stock: [C, N].
        actual: [C, N] units shipped.
        counted: [C, N] entries whose CRPS counts; all when not given.
        num_samples: For each CRPS; the same random numbers each time.
        seed: Of the samples.
    """
    mean = float(distance_km.mean())
    start = float(actual.sum() / np.maximum((views.sum(axis=1) * rate).sum(), 1e-9))

    def score(guess: Tuned) -> float:
        drawn, _ = sample(guess, distance_km, views, rate, stock, num_samples, seed)
        points = crps(drawn, actual)
        return float(points.mean() if counted is None else points[counted].mean())

    def best(guesses: list[Tuned]) -> Tuned:
        return guesses[int(np.argmin([score(guess) for guess in guesses]))]

    now = Tuned(temperature=8.0 / mean, rate_scale=start)
    for _ in range(2):
        now = best([Tuned(temperature=t / mean, rate_scale=now.rate_scale) for t in _TEMPERATURES])
        now = best([Tuned(temperature=now.temperature, rate_scale=start * f) for f in FACTORS])
    now = best(
        [
            Tuned(temperature=now.temperature * f, rate_scale=now.rate_scale)
            for f in (0.8, 0.9, 1.0, 1.1, 1.25)
        ]
    )
    return best(
        [
            Tuned(temperature=now.temperature, rate_scale=now.rate_scale * f)
            for f in (0.96, 0.98, 1.0, 1.02, 1.04)
        ]
    )

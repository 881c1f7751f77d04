"""A distribution around a point: what points missed on the validation windows, added to it.

Errors are kept, and added, in units of a width that each period has of its own: they are larger
where a series has varied more, and where more is expected.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from draingym.common.arrays import FloatArray
from draingym.forecasters.data.encoding import Arrays, Layout
from draingym.forecasters.data.windows import Batch, Samples, cut
from draingym.forecasters.training.model import Model, Weights
from draingym.forecasters.training.weights import definition

_FEW, _MOST = 128, 4096  # windows whose errors are kept, at least and at most
_ROWS = 256  # windows at once
_SHRUNK = 2.0  # observations' worth of the scale in a series' deviation
_LEAST = 0.05  # of the scale, which is expected at least


def error_width(batch: Batch, point: Float[Array, "B H"]) -> Float[Array, "B H"]:
    """Return what errors are measured in, units: ``sqrt(deviation * (|point| + 0.05 scale))``.

    The deviation is that of what was observed before the origin, from its mean, with the scale
    counting as two observations; so a series of one observation has a width, too.
    """
    count = jnp.sum(batch.observed, axis=1)
    mean = jnp.sum(batch.target, axis=1) / jnp.maximum(count, 1)
    gap = jnp.where(batch.observed, batch.target - mean[:, None], 0.0)
    total = jnp.sum(gap**2, axis=1) + _SHRUNK * batch.scale**2
    deviation = jnp.sqrt(total / (count + _SHRUNK))[:, None]
    return jnp.sqrt(deviation * (jnp.abs(point) + _LEAST * batch.scale[:, None]))


def missed(
    model: Model,
    layout: Layout,
    weights: Weights,
    arrays: Arrays,
    validating: Samples,
    fitting: Samples,
) -> FloatArray:
    """Return what points missed over ``error_width``, [R, H]: whole rows of actual less point.

    A period that was not observed takes the error of another window at the same distance.

    Args:
        model: Network and losses.
        layout: Its input.
        weights: Its weights.
        arrays: The series.
        validating: The windows that count.
        fitting: Those of training, at least one; the newest join in where the others are few.

    Returns:
        No row where the model has no points of its own.
    """
    newest = np.argsort(-fitting.origin, kind="stable")[: max(_FEW - len(validating), 0)]
    series = np.concatenate([validating.series, fitting.series[newest]])
    origin = np.concatenate([validating.origin, fitting.origin[newest]])
    chosen = np.linspace(0, len(series) - 1, min(len(series), _MOST)).astype(int)
    found = []
    for start in range(0, len(chosen), _ROWS):
        part = chosen[start : start + _ROWS]
        padded = np.pad(part, (0, _ROWS - len(part)), mode="edge")
        rows, origins = (jnp.asarray(x[padded], jnp.int32) for x in (series, origin))
        errors = _errors(model, layout, weights, arrays, rows, origins)
        if errors is None:
            return np.zeros((0, model.horizon))
        found.append(np.asarray(errors, np.float64)[: len(part)])
    return _filled(np.concatenate(found))


@partial(jax.jit, static_argnums=(0, 1))
def _errors(
    model: Model,
    layout: Layout,
    weights: Weights,
    arrays: Arrays,
    rows: Int[Array, " B"],
    origins: Int[Array, " B"],
) -> Float[Array, "B H"] | None:
    """Return actual less point over its width; NaN where nothing was observed."""
    network = nnx.merge(definition(model, layout), weights)
    batch = cut(arrays, rows, origins, model.context, model.horizon)
    point = model.point(network, batch)
    if point is None:
        return None
    error = (batch.future_target - point) / error_width(batch, point)
    return jnp.where(batch.future_observed, error, jnp.nan)


def _filled(errors: FloatArray) -> FloatArray:
    for h in range(errors.shape[1]):
        there = errors[~np.isnan(errors[:, h]), h]
        gaps = np.flatnonzero(np.isnan(errors[:, h]))
        errors[gaps, h] = there[gaps % len(there)] if len(there) else 0.0
    return errors


def with_errors(
    batch: Batch,
    point: Float[Array, "B H"],
    keys: Array,
    residuals: Float[Array, "R H"],
    number: int,
    *,
    nonnegative: bool,
) -> Float[Array, "B N H"]:
    """Return a point plus whole rows of errors, so that a sample is joint over the horizon.

    Args:
        batch: The windows that the point is of.
        point: Units.
        keys: [B] of random numbers.
        residuals: What points missed, over their widths.
        number: ``N``.
        nonnegative: Whether demand is never negative.
    """

    def rows(key: Array) -> Array:
        return residuals[jax.random.randint(key, (number,), 0, residuals.shape[0])]

    width = error_width(batch, point)
    found = point[:, None, :] + jax.vmap(rows)(keys) * width[:, None, :]
    return jnp.maximum(found, 0.0) if nonnegative else found

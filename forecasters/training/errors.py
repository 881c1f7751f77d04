"""A distribution around a point: what points missed on the validation windows, added to it."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from draingym.common.arrays import FloatArray
from draingym.forecasters.data.encoding import Arrays, Layout
from draingym.forecasters.data.windows import Samples, cut
from draingym.forecasters.training.model import Model, Weights
from draingym.forecasters.training.weights import definition

_FEW, _MOST = 128, 4096  # windows whose errors are kept, at least and at most
_ROWS = 256  # windows at once


def missed(
    model: Model,
    layout: Layout,
    weights: Weights,
    arrays: Arrays,
    validating: Samples,
    fitting: Samples,
) -> FloatArray:
    """Return what points missed over the scale, [R, H]: whole rows of actual less point.

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
    """Return actual less point over the scale; NaN where nothing was observed."""
    network = nnx.merge(definition(model, layout), weights)
    batch = cut(arrays, rows, origins, model.context, model.horizon)
    point = model.point(network, batch)
    if point is None:
        return None
    error = (batch.future_target - point) / batch.scale[:, None]
    return jnp.where(batch.future_observed, error, jnp.nan)


def _filled(errors: FloatArray) -> FloatArray:
    for h in range(errors.shape[1]):
        there = errors[~np.isnan(errors[:, h]), h]
        gaps = np.flatnonzero(np.isnan(errors[:, h]))
        errors[gaps, h] = there[gaps % len(there)] if len(there) else 0.0
    return errors


def with_errors(
    point: Float[Array, "B H"],
    scale: Float[Array, " B"],
    keys: Array,
    residuals: Float[Array, "R H"],
    number: int,
    *,
    nonnegative: bool,
) -> Float[Array, "B N H"]:
    """Return a point plus whole rows of errors, so that a sample is joint over the horizon.

    Args:
        point: Units.
        scale: Units, of each series.
        keys: [B] of random numbers.
        residuals: What points missed, over their scale.
        number: ``N``.
        nonnegative: Whether demand is never negative.
    """

    def rows(key: Array) -> Array:
        return residuals[jax.random.randint(key, (number,), 0, residuals.shape[0])]

    found = point[:, None, :] + jax.vmap(rows)(keys) * scale[:, None, None]
    return jnp.maximum(found, 0.0) if nonnegative else found

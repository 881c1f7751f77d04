"""Windows: what lies before an origin, and the periods to forecast after it.

The one way in which series reach a network. What is not observed, or lies before a series began,
is 0 and masked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from draingym.common.arrays import BoolArray, IntArray
from draingym.forecasters.data.encoding import Arrays


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """``B`` windows of ``L`` periods before an origin and ``H`` after it.

    The fields of the horizon that begin with ``future`` are for losses alone: a forecast knows
    none of them.
    """

    target: Float[Array, "B L"]  # units; 0 where not observed
    filled: Float[Array, "B L"]  # units; the last value where not observed, 0 before the first
    observed: Bool[Array, "B L"]
    begun: Bool[Array, "B L"]  # from the series' first observation on
    scale: Float[Array, " B"]  # mean of |target| over what is observed before the origin; 1 for 0
    past: Float[Array, "B L P"]
    past_there: Bool[Array, "B L P"]
    known: Float[Array, "B L+H K"]
    known_labels: Int[Array, "B L+H J"]
    calendar: Float[Array, "B L+H C"]
    static: Float[Array, "B F"]
    labels: Int[Array, "B G"]
    keys: Int[Array, " B"]  # of the series' random numbers
    future_target: Float[Array, "B H"]  # units; 0 where not observed
    future_observed: Bool[Array, "B H"]
    future_past: Float[Array, "B H P"]
    future_past_there: Bool[Array, "B H P"]

    @property
    def context(self) -> int:
        """``L``."""
        return int(self.target.shape[1])

    @property
    def horizon(self) -> int:
        """``H``."""
        return int(self.future_target.shape[1])


def cut(
    arrays: Arrays,
    series: Int[Array, " B"],
    origin: Int[Array, " B"],
    context: int,
    horizon: int,
) -> Batch:
    """Return the windows of some series and origins; jittable.

    Args:
        arrays: Padded by at least ``context`` periods in front and ``horizon`` behind.
        series: By index.
        origin: The first period to forecast, in [0, T].
        context: ``L``.
        horizon: ``H``.
    """
    # The padding in front is ``context`` long, so that period t stands at t + context.
    index = origin[:, None] + jnp.arange(context + horizon)[None, :]
    rows = series[:, None]

    def both(values: Array) -> tuple[Array, Array]:
        found = values[rows, index]
        return found[:, :context], found[:, context:]

    target, future_target = both(arrays.target)
    observed, future_observed = both(arrays.observed)
    past, future_past = both(arrays.past)
    past_there, future_past_there = both(arrays.past_there)
    total = jnp.sum(jnp.abs(target), axis=1)
    count = jnp.sum(observed, axis=1)
    mean = total / jnp.maximum(count, 1)
    return Batch(
        target=target,
        filled=arrays.filled[rows, index[:, :context]],
        observed=observed,
        begun=arrays.begun[rows, index[:, :context]],
        scale=jnp.where(mean > 0, mean, 1.0),
        past=past,
        past_there=past_there,
        known=arrays.known[rows, index],
        known_labels=arrays.known_labels[rows, index],
        calendar=arrays.calendar[index],
        static=arrays.static[series],
        labels=arrays.labels[series],
        keys=arrays.keys[series],
        future_target=future_target,
        future_observed=future_observed,
        future_past=future_past,
        future_past_there=future_past_there,
    )


def hide_labels(batch: Batch, key: Array, share: float) -> Batch:
    """Return windows with a share of their labels unknown: a network learns what that is."""
    if share == 0.0 or batch.labels.shape[1] == 0:
        return batch
    hidden = jax.random.bernoulli(key, share, batch.labels.shape)
    return replace(batch, labels=jnp.where(hidden, 0, batch.labels))


@dataclass(frozen=True, slots=True)
class Samples:
    """Windows to train on, or to validate on, by index."""

    series: IntArray  # [N]
    origin: IntArray  # [N]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.series)


def training_samples(observed: BoolArray, horizon: int, stop: int, stride: int = 1) -> Samples:
    """Return all windows with something observed before and after their origin.

    Args:
        observed: [S, T].
        horizon: Periods after the origin.
        stop: No window reaches the period ``stop``: what comes from there on is held out.
        stride: Periods between origins of a series, counted from the last.
    """
    seen = np.cumsum(observed[:, :stop], axis=1)
    seen = np.pad(seen, ((0, 0), (1, 0)))  # [S, stop + 1], before each period
    origins = np.arange(stop - horizon, 0, -stride)[::-1]
    before = seen[:, origins] > 0
    after = seen[:, origins + horizon] > seen[:, origins]
    series, at = np.nonzero(before & after)
    return Samples(series, origins[at])


def samples_at(observed: BoolArray, origin: int, horizon: int) -> Samples:
    """Return the windows of one origin with something observed before and after it."""
    before = observed[:, :origin].any(axis=1)
    after = observed[:, origin : origin + horizon].any(axis=1)
    series = np.flatnonzero(before & after)
    return Samples(series, np.full(len(series), origin))

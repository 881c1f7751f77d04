"""The LSTM on moving windows: one global network for many related series.

Fake zeros are missing, missing values are carried forward, a series is divided by its mean, and
each cell of the network sees a whole window of it, less the window's mean.

Source: paper on LSTM, "Sales Demand Forecast in E-commerce", sections 4 to 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float
from numpy.typing import NDArray

from draingym.common.arrays import require_range, require_whole
from draingym.common.config import require_fields
from draingym.forecasters.data.cleaning import without_fake_zeros
from draingym.forecasters.data.encoding import ID, Layout
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.data.windows import Batch
from draingym.forecasters.grouping import Groups
from draingym.forecasters.quantiles import (
    exponential_start,
    paths_of,
    pinball,
    quantile_at,
    require_levels,
    rising,
)
from draingym.forecasters.training.errors import with_errors
from draingym.forecasters.training.model import ModelDefaults

Variant = Literal["ALL", "GROUP", "FEATURE", "CLUSTER"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LSTM(ModelDefaults):
    """The settings of an LSTM on moving windows; the defaults are the paper's.

    Raises:
        ValueError: If a value is out of its bounds.
    """

    horizon: int = 10  # periods of the output window
    window: int = 13  # periods of an input window, 1.25 horizons in the paper
    steps: int = 64  # windows in a row that the network is unrolled over
    cell: int = 64  # width of the memory cell
    scheme: Literal["LS1", "LS2"] = "LS1"  # the error of every cell, or of the last one alone
    noise: float = 0.05  # deviation of what is added to scaled sales in training
    zero_threshold: float | None = None  # units; see ``cleaning.fake_zeros``; none when not given
    ahead: bool = False  # also see the known columns of the output window; the paper does not
    # Levels of quantiles that are learned in place of a point; none is the paper's.
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check types and bounds; see the class."""
        require_fields(self, "lstm")
        for name in ("horizon", "window", "steps", "cell"):
            require_whole(f"lstm.{name}", getattr(self, name), low=1)
        require_range("lstm.noise", self.noise, low=0.0)
        if self.zero_threshold is not None:
            require_range("lstm.zero_threshold", self.zero_threshold, low=0.0)
        require_levels("lstm.levels", self.levels)

    @property
    def context(self) -> int:
        """Periods before the origin that its windows span."""
        return self.window + self.steps - 1

    def clean(self, data: SeriesData) -> SeriesData:
        """Return series whose fake zeros are missing."""
        return without_fake_zeros(data, self.zero_threshold)

    def network(self, layout: Layout, rngs: nnx.Rngs) -> MovingWindowNetwork:
        """Return its network."""
        return MovingWindowNetwork(self, layout, rngs)

    def initial(
        self, name: str, shape: tuple[int, ...], random: np.random.Generator
    ) -> NDArray[Any] | None:
        """Return a weight's first value: small ones for the output, else the rule."""
        if name not in ("dense/kernel", "step/kernel"):
            return None
        found: NDArray[Any] = 0.1 * random.standard_normal(shape) / np.sqrt(shape[0])
        return found

    def loss(
        self, network: MovingWindowNetwork, batch: Batch, key: Array | None, stage: int
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Return the sum of absolute errors over the scale, and their number.

        With quantiles, twice the mean pinball loss takes the error's place. Every window of a
        series counts in training by LS1; the last one alone by LS2, and at validation, where it is
        what is forecast.
        """
        del stage
        scale = batch.scale[:, None]
        noise = jnp.zeros_like(batch.target)
        if key is not None:
            noise = self.noise * jax.random.normal(key, batch.target.shape)
        found = network(batch, noise)  # [B, steps, H, Q]
        first = jnp.arange(self.steps)[:, None] + self.window
        index = first + jnp.arange(self.horizon)[None, :]
        target = jnp.concatenate([batch.target, batch.future_target], axis=1) / scale
        counts = jnp.concatenate([batch.observed, batch.future_observed], axis=1)[:, index]
        counts &= batch.begun[:, self.window - 1 :, None]  # a window that has seen something
        if key is None or self.scheme == "LS2":
            counts &= (jnp.arange(self.steps) == self.steps - 1)[None, :, None]
        actual = target[:, index]
        if self.levels:
            error = 2.0 * pinball(found, actual, self.levels)
        else:
            error = jnp.abs(found[..., 0] - actual)
        return jnp.where(counts, error, 0.0).sum(), counts.sum().astype(error.dtype)

    def point(self, network: MovingWindowNetwork, batch: Batch) -> Float[Array, "B H"]:
        """Return what the last cell puts out, or the median of that, in units."""
        found = self._last(network, batch)
        if self.levels:
            found = quantile_at(found, self.levels, jnp.full(found.shape[:-1], 0.5))[..., None]
        return jnp.maximum(found[..., 0], 0.0) if network.nonnegative else found[..., 0]

    def samples(
        self,
        network: MovingWindowNetwork,
        batch: Batch,
        keys: Array,
        residuals: Float[Array, "R H"],
        number: int,
    ) -> Float[Array, "B N H"]:
        """Return paths, joint over the horizon as the errors of the validation were.

        They are the point plus whole rows of these errors, or of the quantiles where there are any.
        """
        if not self.levels:
            return with_errors(
                batch,
                self.point(network, batch),
                keys,
                residuals,
                number,
                nonnegative=network.nonnegative,
            )
        knots = self._last(network, batch)
        found = paths_of(knots, self.levels, keys, residuals, number)
        return jnp.maximum(found, 0.0) if network.nonnegative else found

    def _last(self, network: MovingWindowNetwork, batch: Batch) -> Float[Array, "B H Q"]:
        """Return what the last cell puts out, in units."""
        found = network(batch, jnp.zeros_like(batch.target))[:, -1]
        return found * batch.scale[:, None, None]


class PeepholeCell(nnx.Module):
    """An LSTM cell whose input and forget gates see the last state of the memory cell."""

    def __init__(self, width: int, rngs: nnx.Rngs) -> None:
        """Draw the weights."""
        self.recurrent = nnx.Linear(width, 4 * width, use_bias=False, rngs=rngs)
        self.input_peephole = nnx.Param(jnp.zeros(width))
        self.forget_peephole = nnx.Param(jnp.zeros(width))

    def __call__(
        self, carry: tuple[Float[Array, "B D"], Float[Array, "B D"]], x: Float[Array, "B 4*D"]
    ) -> tuple[tuple[Array, Array], Array]:
        """Return the next memory and output.

        i = sig(x_i + U_i h + p_i c), f = sig(x_f + U_f h + p_f c + 1), o = sig(x_o + U_o h),
        c' = f c + i tanh(x_g + U_g h), h' = o tanh(c').
        """
        memory, output = carry
        i, f, o, g = jnp.split(x + self.recurrent(output), 4, axis=-1)
        i = jax.nn.sigmoid(i + self.input_peephole[...][None] * memory)
        f = jax.nn.sigmoid(f + self.forget_peephole[...][None] * memory + 1.0)
        memory = f * memory + i * jnp.tanh(g)
        output = jax.nn.sigmoid(o) * jnp.tanh(memory)
        return (memory, output), output


class MovingWindowNetwork(nnx.Module):
    """Windows to cells to output windows.

    What a cell does with its window is linear, so that all windows at once are one product of
    matrices: XLA's convolutions take many times as long on a processor.
    """

    def __init__(self, model: LSTM, layout: Layout, rngs: nnx.Rngs) -> None:
        """Draw the weights."""
        self.window, self.horizon, self.ahead = model.window, model.horizon, model.ahead
        self.levels = model.levels
        outputs = max(1, len(model.levels))  # of a period
        self.nonnegative = layout.nonnegative
        self.sizes = tuple(n for name, n in layout.labels if name != ID)
        self.which = tuple(i for i, (name, _) in enumerate(layout.labels) if name != ID)
        self.known_sizes = tuple(n for _, n in layout.known_labels)
        known = len(layout.known) + sum(self.known_sizes) + len(layout.calendar)
        gates = 4 * model.cell
        # At least one channel, so that a network without columns has the same parts.
        seen, to_come = max(1, known + len(layout.past)), max(1, known)
        self.sales = nnx.Linear(model.window, gates, rngs=rngs)
        self.columns = nnx.Linear(model.window * seen, gates, use_bias=False, rngs=rngs)
        if self.ahead:
            # The same for all periods of the output window, from what is known of each.
            self.to_come = nnx.Linear(to_come, model.cell, use_bias=False, rngs=rngs)
            self.state = nnx.Linear(model.cell, model.cell, rngs=rngs)
            self.step = nnx.Linear(model.cell, outputs, use_bias=False, rngs=rngs)
        static = len(layout.static) + sum(self.sizes)
        self.static = nnx.Linear(max(1, static), gates, use_bias=False, rngs=rngs)
        self.cell = PeepholeCell(model.cell, rngs)
        self.dense = nnx.Linear(model.cell, model.horizon * outputs, use_bias=False, rngs=rngs)

    def __call__(self, batch: Batch, noise: Float[Array, "B L"]) -> Float[Array, "B steps H Q"]:
        """Return the output window of every cell, over the scale: a point, or quantiles."""
        sales = _windows((batch.filled / batch.scale[:, None])[..., None], self.window)
        mean = jnp.mean(sales, axis=-1, keepdims=True)
        x = self.sales(sales - mean + _windows(noise[..., None], self.window))
        known = self._known(batch)
        columns = jnp.concatenate([batch.past, known[:, : batch.context]], axis=-1)
        x += self.columns(_windows(_some(columns), self.window))
        x += self.static(_some(self._static(batch)))[:, None]
        zero = jnp.zeros((x.shape[0], x.shape[-1] // 4))
        _, outputs = jax.lax.scan(self.cell, (zero, zero), jnp.swapaxes(x, 0, 1))
        outputs = jnp.swapaxes(outputs, 0, 1)
        shape = (*outputs.shape[:2], self.horizon, -1)
        found = self.dense(outputs).reshape(shape)
        if self.ahead:
            to_come = _windows(self.to_come(_some(known)[:, self.window :]), self.horizon)
            hidden = jax.nn.relu(self.state(outputs)[:, :, None] + to_come.reshape(shape))
            found += self.step(hidden)
        if self.levels:
            # Around the window's mean, before anything is learned, as an exponential is.
            start = exponential_start(self.levels)
            start[0] -= 1.0
            found = rising(found + jnp.asarray(start, found.dtype)[None, None, None])
        return found + mean[..., None]

    def _known(self, batch: Batch) -> Float[Array, "B L+H K"]:
        words = [
            jax.nn.one_hot(batch.known_labels[..., j] - 1, n)
            for j, n in enumerate(self.known_sizes)
        ]
        return jnp.concatenate([batch.known, *words, batch.calendar], axis=-1)

    def _static(self, batch: Batch) -> Float[Array, "B F"]:
        """Return numbers and labels; one that is unknown is no label, all zeros."""
        words = [
            jax.nn.one_hot(batch.labels[:, j] - 1, n)
            for j, n in zip(self.which, self.sizes, strict=True)
        ]
        return jnp.concatenate([batch.static, *words], axis=-1)


def _windows(values: Float[Array, "B L C"], periods: int) -> Float[Array, "B W P*C"]:
    """Return all windows of so many periods, the first ones first."""
    count = values.shape[1] - periods + 1
    return jnp.concatenate([values[:, k : k + count] for k in range(periods)], axis=-1)


def _some(values: Array) -> Array:
    """Return values with at least one channel."""
    return values if values.shape[-1] else jnp.zeros((*values.shape[:-1], 1))


def lstm_groups(variant: Variant) -> Groups | None:
    """Return how a variant of the paper groups series.

    Args:
        variant: ALL, one network for all; GROUP, one for each of three groups by sales rank and
            share of zeros; FEATURE, one for all that sees the group; CLUSTER, one for each cluster
            of series with like features.

    Raises:
        ValueError: If it is none of these.

    Example:
        >>> lstm_groups("CLUSTER").kind, lstm_groups("ALL")
        ('cluster', None)
    """
    variants: dict[Any, Groups | None] = {
        "ALL": None,
        "GROUP": Groups(kind="sales", use="separate"),
        "FEATURE": Groups(kind="sales", use="feature"),
        "CLUSTER": Groups(kind="cluster", use="separate"),
    }
    if variant not in variants:
        raise ValueError(f"variant is {variant!r}, must be one of {', '.join(variants)}")
    return variants[variant]

"""TFT-MTL as a forecaster: from windows to inputs and targets, and to sample paths of sales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float
from numpy.typing import NDArray

from draingym.forecasters.data.encoding import ID, Layout
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.data.windows import Batch
from draingym.forecasters.quantiles import exponential_start, paths_of
from draingym.forecasters.tft_mtl.config import Sizes, TFTConfig
from draingym.forecasters.tft_mtl.losses import (
    Targets,
    balanced,
    inventory_turnover,
    task_losses,
)
from draingym.forecasters.tft_mtl.network import STEP, TFTNetwork
from draingym.forecasters.tft_mtl.types import Inputs
from draingym.forecasters.training.errors import with_errors
from draingym.forecasters.training.model import ModelDefaults

CALENDAR = "calendar"  # the variable that all features of the date are together


@dataclass(frozen=True, kw_only=True, slots=True)
class TFTMTL(TFTConfig, ModelDefaults):
    """The settings of a TFT-MTL; see ``TFTConfig``.

    Sales and inventory are divided by their means before the origin. Samples are of the quantile
    heads, and joint over the horizon as the errors of the validation were; without quantiles they
    are the mean plus those errors.
    """

    @property
    def raw(self) -> tuple[str, ...]:
        """The inventory is in units."""
        return () if self.inventory is None else (self.inventory,)

    def clean(self, data: SeriesData) -> SeriesData:
        """Return series as they are.

        Raises:
            ValueError: If the column of the inventory is missing.
        """
        if self.inventory is not None and self.inventory not in data.past:
            raise ValueError(f"column {self.inventory!r} (past) is missing, must be given")
        return data

    def network(self, layout: Layout, rngs: nnx.Rngs) -> TFTNetwork:
        """Return its network."""
        return TFTNetwork(self, self.sizes(layout), rngs=rngs)

    def sizes(self, layout: Layout) -> Sizes:
        """Return how many variables a layout has, and where they are."""
        codes = tuple(i for i, (name, _) in enumerate(layout.labels) if name != ID)
        return Sizes(
            past=1 + len(layout.past),
            known=len(layout.known),
            calendar=len(layout.calendar),
            static=len(layout.static),
            dynamic=tuple(1 + count for _, count in layout.known_labels),
            codes=tuple(1 + layout.labels[i][1] for i in codes),
            inventory_at=None if self.inventory is None else layout.past.index(self.inventory),
            codes_at=codes,
            nonnegative=layout.nonnegative,
        )

    def variables(self, layout: Layout, target: str = "sales") -> tuple[list[str], list[str]]:
        """Return the names of the variables of the past, and of those of the future, in order."""
        future = [*layout.known, STEP]
        future += [CALENDAR] if layout.calendar else []
        future += [name for name, _ in layout.known_labels]
        return [target, *layout.past, *future], future

    def initial(
        self, name: str, shape: tuple[int, ...], random: np.random.Generator
    ) -> NDArray[Any] | None:
        """Return a weight's first value: for a variable's own network its own inputs count.

        Sales and inventory begin near the mean of the window, exponentially distributed.
        """
        if name == "amounts/bias":
            start = np.append(1.0, exponential_start(self.levels))
            return np.tile(start, len(self.amounts))
        if name == "amounts/kernel":
            kernel: NDArray[Any] = 0.1 * random.standard_normal(shape) / np.sqrt(shape[0])
            return kernel
        if name == "slope":
            return random.standard_normal(shape)
        if "/each/" in name and name.endswith("kernel"):
            drawn: NDArray[Any] = random.standard_normal(shape) / np.sqrt(shape[-2])
            return drawn
        return None

    def loss(
        self, network: TFTNetwork, batch: Batch, key: Array | None, stage: int
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Return the balanced losses of all tasks, as many times as there are windows.

        Source: TFT-MTL, equations 6 and 7.
        """
        del stage
        said, _ = network(inputs_of(batch, network.sizes), key)
        losses = task_losses(said, self.targets(batch, network.sizes), self)
        windows = jnp.sum(jnp.any(batch.future_observed, axis=1)).astype(losses.dtype)
        return balanced(losses, network.log_variance[...]) * windows, windows

    def targets(self, batch: Batch, sizes: Sizes) -> Targets:
        """Return what every task is about; only what was observed is known."""
        sales, sold = batch.future_target, batch.future_observed
        amounts, known = [sales / batch.scale[:, None]], [sold]
        none = jnp.zeros_like(sales)
        if sizes.inventory_at is None:
            never = jnp.zeros_like(sold)
            turnover, turned, out, seen = none, never, none, never
        else:
            before, there = _inventory(batch, sizes.inventory_at)
            closing = batch.future_past[..., sizes.inventory_at]
            seen = batch.future_past_there[..., sizes.inventory_at]
            opening = jnp.concatenate([before[:, -1:], closing[:, :-1]], axis=1)
            opened = jnp.concatenate([there[:, -1:], seen[:, :-1]], axis=1)
            turnover = inventory_turnover(jnp.maximum(sales, 0.0), opening, closing)
            turned = sold & opened & seen & (opening + closing > 0)
            out = (closing <= 0).astype(sales.dtype)
            if "inventory" in self.learned:
                scale = inventory_scale(batch, sizes.inventory_at)
                amounts, known = [*amounts, closing / scale[:, None]], [*known, seen]
        return Targets(
            amounts=jnp.stack(amounts, axis=-1),
            amounts_known=jnp.stack(known, axis=-1),
            turnover=turnover,
            turnover_known=turned,
            stockout=out,
            stockout_known=seen,
        )

    def point(self, network: TFTNetwork, batch: Batch) -> Float[Array, "B H"]:
        """Return the mean of sales, in units."""
        said, _ = network(inputs_of(batch, network.sizes))
        found = said.mean[..., self.amounts.index("sales")] * batch.scale[:, None]
        return jnp.maximum(found, 0.0) if network.sizes.nonnegative else found

    def samples(
        self,
        network: TFTNetwork,
        batch: Batch,
        keys: Array,
        residuals: Float[Array, "R H"],
        number: int,
    ) -> Float[Array, "B N H"]:
        """Return paths of sales, in units; see the class."""
        nonnegative = network.sizes.nonnegative
        if not self.levels:
            point = self.point(network, batch)
            return with_errors(batch, point, keys, residuals, number, nonnegative=nonnegative)
        said, _ = network(inputs_of(batch, network.sizes))
        knots = said.quantiles[..., self.amounts.index("sales"), :] * batch.scale[:, None, None]
        found = paths_of(knots, self.levels, keys, residuals, number)
        return jnp.maximum(found, 0.0) if nonnegative else found


def _inventory(batch: Batch, at: int) -> tuple[Float[Array, "B L"], Bool[Array, "B L"]]:
    return batch.past[..., at], batch.past_there[..., at]


def inventory_scale(batch: Batch, at: int) -> Float[Array, " B"]:
    """Return the mean inventory before the origin, units; 1 where there was none."""
    inventory, there = _inventory(batch, at)
    total = jnp.sum(jnp.where(there, jnp.abs(inventory), 0.0), axis=1)
    mean = total / jnp.maximum(jnp.sum(there, axis=1), 1)
    return jnp.where(mean > 0, mean, 1.0)


def inputs_of(batch: Batch, sizes: Sizes) -> Inputs:
    """Return what the network sees of windows."""
    past = batch.past
    if sizes.inventory_at is not None:
        scaled = past[..., sizes.inventory_at] / inventory_scale(batch, sizes.inventory_at)[:, None]
        past = past.at[..., sizes.inventory_at].set(scaled)
    sales = batch.target / batch.scale[:, None]
    return Inputs(
        past=jnp.concatenate([sales[..., None], past], axis=-1),
        known=batch.known,
        calendar=batch.calendar,
        dynamic=batch.known_labels,
        static=batch.static,
        codes=batch.labels[:, np.array(sizes.codes_at, int)],
        mask=batch.observed,
    )

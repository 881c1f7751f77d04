"""The monotone transformer as a forecaster: from windows to inputs, two stages, units again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from draingym.common.price_steps import MAX_DISCOUNT
from draingym.forecasters.data.encoding import ID, Layout
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.data.windows import Batch
from draingym.forecasters.monotone_transformer.config import MonotoneConfig, Sizes
from draingym.forecasters.monotone_transformer.losses import taylor_loss
from draingym.forecasters.monotone_transformer.network import MonotoneNetwork, Part
from draingym.forecasters.monotone_transformer.types import DemandCurves, Inputs, log_demand
from draingym.forecasters.training.errors import with_errors
from draingym.forecasters.training.model import ModelDefaults, Stage

# What the near stage trains: all but the far decoder.
_NEAR = ("codes", "dynamic", "enter", "layers", "near")
_PARTS: tuple[Part, ...] = ("near", "far")
# Log-scale demand, at most: some 160,000 times a series' mean.
_HIGHEST = 12.0


@dataclass(frozen=True, kw_only=True, slots=True)
class MonotoneTransformer(MonotoneConfig, ModelDefaults):
    """The settings of a monotone transformer; see ``MonotoneConfig``.

    Demand is ``log(1 + y / scale)`` to the network, with the series' mean as its scale. A period
    without stock has no influence, and its sales are no target. The network forecasts a point; its
    samples are that plus errors of the validation.
    """

    @property
    def raw(self) -> tuple[str, ...]:
        """Discount and stock mean what they say."""
        return tuple(name for name in (self.discount, self.stock) if name is not None)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Encoder and near decoder; then the far decoder with everything else frozen.

        Source: Zalando, section 3.3.
        """
        near = Stage("near", self.near_epochs, _NEAR)
        return (near, Stage("far", self.far_epochs, ("far",))) if self.two_decoders else (near,)

    def clean(self, data: SeriesData) -> SeriesData:
        """Return series that have nothing observed where there was no stock.

        Raises:
            ValueError: If the column of the discount or of the stock is missing, or a discount is
                out of range; naming series, column, time and bound.
        """
        for name, kind, there in (
            (self.discount, "known", data.known),
            (self.stock, "past", data.past),
        ):
            if name is not None and name not in there:
                raise ValueError(f"column {name!r} ({kind}) is missing, must be given")
        if self.discount is not None:
            values = data.known[self.discount]
            bad = (values < 0) | (values > MAX_DISCOUNT + 1e-6)  # missing ones are none
            if bad.any():
                s, t = np.argwhere(bad)[0]
                raise ValueError(
                    f"{data.where(int(s), self.discount, int(t))} is {values[s, t]:g}, must be in "
                    f"[0, {MAX_DISCOUNT}]: the share off the list price"
                )
        if self.stock is None:
            return data
        return replace(data, target=np.where(data.past[self.stock] <= 0, np.nan, data.target))

    def network(self, layout: Layout, rngs: nnx.Rngs) -> MonotoneNetwork:
        """Return its network."""
        return MonotoneNetwork(self, self.sizes(layout), rngs=rngs)

    def sizes(self, layout: Layout) -> Sizes:
        """Return how many covariates a layout has, and where they are."""
        codes = tuple(i for i, (name, _) in enumerate(layout.labels) if name != ID)
        priced = None if self.discount is None else layout.known.index(self.discount)
        return Sizes(
            past=len(layout.past),
            known=len(layout.known) + len(layout.calendar) - (priced is not None),
            static=len(layout.static),
            dynamic=tuple(1 + count for _, count in layout.known_labels),
            codes=tuple(1 + layout.labels[i][1] for i in codes),
            discount_at=priced,
            stock_at=None if self.stock is None else layout.past.index(self.stock),
            codes_at=codes,
            nonnegative=layout.nonnegative,
        )

    def loss(
        self, network: MonotoneNetwork, batch: Batch, key: Array | None, stage: int
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Return the Taylor loss of a stage's decoder over the periods it is for, and its weight.

        Source: Zalando, sections 3.3 and 3.4.
        """
        inputs = inputs_of(batch, network.sizes)
        curves = network(inputs, key, _PARTS[stage])
        periods = curves.base.shape[1]
        last = self.far if stage else periods
        counts = batch.future_observed[:, :periods] & (jnp.arange(periods) < last)[None, :]
        weight = batch.scale / jnp.mean(batch.scale)
        weight = weight if self.weighting == "demand" else jnp.ones_like(weight)
        return taylor_loss(
            log_demand(curves, inputs.future_discount[:, :periods]),
            _log(batch.future_target[:, :periods], batch.scale),
            weight,
            counts,
        )

    def curves(self, network: MonotoneNetwork, batch: Batch) -> DemandCurves:
        """Return log-scale demand of the horizon as a function of its discounts."""
        found: DemandCurves = network(inputs_of(batch, network.sizes))
        return found

    def point(self, network: MonotoneNetwork, batch: Batch) -> Float[Array, "B H"]:
        """Return demand at the discounts of the horizon, in units."""
        discount = inputs_of(batch, network.sizes).future_discount
        return units(log_demand(self.curves(network, batch), discount), batch.scale)

    def samples(
        self,
        network: MonotoneNetwork,
        batch: Batch,
        keys: Array,
        residuals: Float[Array, "R H"],
        number: int,
    ) -> Float[Array, "B N H"]:
        """Return the point plus whole rows of errors of the validation."""
        return with_errors(
            batch,
            self.point(network, batch),
            keys,
            residuals,
            number,
            nonnegative=network.sizes.nonnegative,
        )


def inputs_of(batch: Batch, sizes: Sizes) -> Inputs:
    """Return what the network sees of windows; positions count from the first period."""
    length, horizon = batch.context, batch.horizon
    known, discount = batch.known, jnp.zeros(batch.known.shape[:2])
    if sizes.discount_at is not None:
        discount = jnp.clip(known[..., sizes.discount_at], 0.0, MAX_DISCOUNT)
        known = jnp.delete(known, sizes.discount_at, axis=-1)
    past = batch.past
    if sizes.stock_at is not None:
        stock = jnp.log1p(jnp.maximum(past[..., sizes.stock_at], 0.0))
        past = past.at[..., sizes.stock_at].set(stock)
    position = jnp.arange(length + horizon)[None, :]
    return Inputs(
        demand=_log(batch.target, batch.scale),
        discount=discount[:, :length],
        past=past,
        known=jnp.concatenate([known, batch.calendar], axis=-1),
        dynamic=batch.known_labels,
        static=batch.static,
        codes=batch.labels[:, np.array(sizes.codes_at, int)],
        position=jnp.broadcast_to(position, (batch.target.shape[0], length + horizon)),
        mask=batch.observed,
        future_discount=discount[:, length:],
    )


def units(level: Float[Array, "*b"], scale: Float[Array, " B"]) -> Float[Array, "*b"]:
    """Return log-scale demand [B, ...] in units: ``scale * (exp(level) - 1)``."""
    return jnp.expm1(jnp.minimum(level, _HIGHEST)) * scale.reshape(-1, *[1] * (level.ndim - 1))


def _log(target: Float[Array, "B T"], scale: Float[Array, " B"]) -> Float[Array, "B T"]:
    """Return units on the log scale; returns of goods are no demand."""
    return jnp.log1p(jnp.maximum(target, 0.0) / scale[:, None])

"""The monotone transformer: history to encoder, near and far decoders, demand curves.

Future discounts enter the demand curves alone; neither encoder nor decoders see them. Future
periods do not see each other, so none of them depends on what is known of another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from draingym.forecasters.attention import folded
from draingym.forecasters.monotone_transformer.blocks import (
    DemandLayer,
    Embeddings,
    Layer,
    position_features,
)
from draingym.forecasters.monotone_transformer.config import MonotoneConfig, Sizes
from draingym.forecasters.monotone_transformer.types import DemandCurves, Inputs

Part = Literal["near", "far", "both"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """What decoders and demand layers are given of a history."""

    tokens: Float[Array, "*b T W"]
    mask: Bool[Array, "*b T"]
    state: Float[Array, "*b 2W"]  # mean over the periods that count, and the last of them
    queries: Float[Array, "*b H Q"]  # features of the future periods
    static: Float[Array, "*b S"]  # embedded categories and numbers of the series


class Decoder(nnx.Module):
    """Non-autoregressive: each future period attends to the history by itself."""

    def __init__(
        self, config: MonotoneConfig, queries: int, static: int, *, rngs: nnx.Rngs
    ) -> None:
        """Initialise the layers, and the demand layer that ends them."""
        self.enter = nnx.Linear(queries, config.width, rngs=rngs)
        self.layers = nnx.List([Layer(config, rngs=rngs) for _ in range(config.layers)])
        self.demand = DemandLayer(config, static, rngs=rngs)

    def __call__(self, encoded: Encoded, first: int, key: Array | None) -> DemandCurves:
        """Return the curves of future periods from ``first`` on."""
        tokens = self.enter(encoded.queries[..., first:, :])
        for i, layer in enumerate(self.layers):
            tokens = layer(tokens, encoded.tokens, encoded.mask, folded(key, i))
        base, scale, delta = self.demand(encoded.state, tokens, encoded.static)
        along = jnp.broadcast_to(delta[..., None, :], (*base.shape, delta.shape[-1]))
        return DemandCurves(base=base, scale=scale, delta=along)


class MonotoneNetwork(nnx.Module):
    """The network; the far stage trains what lies under ``far``, the near stage all else.

    Source: Zalando, sections 3.2 and 3.3. The projection of the covariates to the width is not
    from the paper, which chooses embeddings so that they have it together.
    """

    def __init__(self, config: MonotoneConfig, sizes: Sizes, *, rngs: nnx.Rngs) -> None:
        """Initialise parameters.

        Args:
            config: Sizes of the network.
            sizes: Of the data.
            rngs: Initialises the parameters.
        """
        self.config, self.sizes = config, sizes
        self.codes = Embeddings(sizes.codes, config.embedding, rngs=rngs)
        self.dynamic = Embeddings(sizes.dynamic, config.embedding, rngs=rngs)
        static = sizes.static + config.embedding * len(sizes.codes)
        period = config.embedding * len(sizes.dynamic) + sizes.known + config.positions + static
        self.enter = nnx.Linear(period + sizes.past + 2, config.width, rngs=rngs)
        self.layers = nnx.List([Layer(config, rngs=rngs) for _ in range(config.layers)])
        self.near = Decoder(config, period + 3, static, rngs=rngs)
        self.far = Decoder(config, period + 3, static, rngs=rngs) if config.two_decoders else None

    def encode(self, inputs: Inputs, key: Array | None = None) -> Encoded:
        """Encode a history of T periods, any T; ``key`` is for dropout."""
        mask, length = inputs.mask, inputs.mask.shape[-1]
        static = jnp.concatenate([self.codes(inputs.codes), inputs.static], axis=-1)
        position = position_features(inputs.position, self.config.positions, self.config.cycle)
        period = jnp.concatenate([self.dynamic(inputs.dynamic), inputs.known, position], axis=-1)
        along = (*period.shape[:-1], static.shape[-1])
        period = jnp.concatenate([period, jnp.broadcast_to(static[..., None, :], along)], axis=-1)
        own = jnp.stack([inputs.demand, inputs.discount], axis=-1)
        history = jnp.concatenate([own, inputs.past, period[..., :length, :]], axis=-1)
        tokens = self.enter(jnp.where(mask[..., None], history, 0.0))
        for i, layer in enumerate(self.layers):
            tokens = layer(tokens, None, mask, folded(key, i))
        counted = jnp.where(mask[..., None], tokens, 0.0)
        seen = jnp.sum(mask, axis=-1)[..., None]
        latest = _latest(mask)
        state = jnp.concatenate(
            [
                jnp.sum(counted, axis=-2) / jnp.maximum(seen, 1),
                jnp.einsum("...t,...tw->...w", latest, counted),
            ],
            axis=-1,
        )
        # The last discount and demand, and whether there are any; 0 where there are not.
        last = jnp.einsum("...t,...tc->...c", latest, jnp.where(mask[..., None], own, 0.0))
        last = jnp.concatenate([last, jnp.minimum(seen, 1).astype(last.dtype)], axis=-1)
        future = period[..., length:, :]
        last = jnp.broadcast_to(last[..., None, :], (*future.shape[:-1], last.shape[-1]))
        return Encoded(
            tokens=tokens,
            mask=mask,
            state=state,
            queries=jnp.concatenate([last, future], axis=-1),
            static=static,
        )

    def __call__(
        self, inputs: Inputs, key: Array | None = None, part: Part = "both"
    ) -> DemandCurves:
        """Return demand curves of future periods.

        Args:
            inputs: Leaves [*b, ...].
            key: For dropout; none without it.
            part: ``near`` for the near decoder on the first ``config.near`` periods, ``far`` for
                the far decoder on all periods, as each is trained; ``both`` for the near decoder
                on the first periods and the far one on the others.

        Returns:
            The curves, of ``H`` periods unless the part is ``near``. Beyond ``config.far`` periods
            the far decoder extrapolates.
        """
        encoded = self.encode(inputs, folded(key, 0))
        horizon, near = encoded.queries.shape[-2], self.config.near
        if self.far is None:
            return self.near(encoded, 0, folded(key, 1))
        if part == "far":
            return self.far(encoded, 0, folded(key, 2))
        first = self.near(
            replace(encoded, queries=encoded.queries[..., :near, :]), 0, folded(key, 1)
        )
        if part == "near" or horizon <= near:
            return first
        rest = self.far(encoded, near, folded(key, 2))
        curves: DemandCurves = jax.tree.map(
            lambda a, b: jnp.concatenate([a, b], axis=encoded.mask.ndim - 1), first, rest
        )
        return curves


def _latest(mask: Bool[Array, "*b T"]) -> Float[Array, "*b T"]:
    """Return 1 at the last period that counts, and 0 elsewhere."""
    after = jnp.flip(jnp.cumsum(jnp.flip(mask, axis=-1), axis=-1), axis=-1)
    return (mask & (after == 1)).astype(jnp.float32)

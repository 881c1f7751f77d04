"""The network: static embedding, variable selection, LSTM, interpretable attention, heads.

A future period sees the history and what is known of the future up to itself, never beyond.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from draingym.forecasters.attention import folded
from draingym.forecasters.quantiles import rising
from draingym.forecasters.tft_mtl.blocks import (
    Gate,
    GatedResidual,
    InterpretableAttention,
    MaskedLSTM,
    VariableSelection,
)
from draingym.forecasters.tft_mtl.config import Sizes, TFTConfig
from draingym.forecasters.tft_mtl.types import Explanation, Inputs, Predictions

_CONTEXTS = 4  # of variable selection, of enrichment, and the LSTM's two first states
STEP = "step"  # the variable that tells how far a period is from the origin


class TFTNetwork(nnx.Module):
    """The network, and the task weights that training adapts.

    Source: TFT-MTL, section 3; Lim et al. 2021. The distance from the origin as a known variable,
    and quantiles, are not from the paper.
    """

    def __init__(self, config: TFTConfig, sizes: Sizes, *, rngs: nnx.Rngs) -> None:
        """Initialise parameters.

        Args:
            config: Sizes of the network, and its tasks.
            sizes: Of the data.
            rngs: Initialises the parameters.
        """
        width, rate = config.width, config.dropout
        self.config, self.sizes = config, sizes
        known = sizes.known + 1  # and the distance from the origin
        draw = nnx.initializers.normal(1.0)
        self.slope = nnx.Param(draw(rngs.params(), (sizes.past + known, width)))
        self.offset = nnx.Param(jnp.zeros((sizes.past + known, width)))
        self.dynamic = nnx.List([nnx.Embed(n, width, rngs=rngs) for n in sizes.dynamic])
        self.codes = nnx.List([nnx.Embed(n, width, rngs=rngs) for n in sizes.codes])
        static = sizes.static + width * len(sizes.codes)
        self.static = nnx.Linear(static + 1, width, rngs=rngs)  # and a 1: there may be none
        self.contexts = nnx.List(
            [GatedResidual(width, width, width, rate, rngs=rngs) for _ in range(_CONTEXTS)]
        )
        self.calendar = nnx.Linear(sizes.calendar, width, rngs=rngs) if sizes.calendar else None
        future = known + bool(sizes.calendar) + len(sizes.dynamic)
        self.select_past = VariableSelection(sizes.past + future, width, rate, rngs=rngs)
        self.select_future = VariableSelection(future, width, rate, rngs=rngs)
        self.encoder = MaskedLSTM(width, rngs=rngs)
        self.decoder = MaskedLSTM(width, rngs=rngs)
        self.local = Gate(width, width, rate, rngs=rngs)
        self.enrich = GatedResidual(width, width, width, rate, context=width, rngs=rngs)
        self.attention = InterpretableAttention(width, config.heads, rngs=rngs)
        self.attended = Gate(width, width, rate, rngs=rngs)
        self.position_wise = GatedResidual(width, width, width, rate, rngs=rngs)
        self.leave = Gate(width, width, rate, rngs=rngs)
        self.amounts = nnx.Linear(width, len(config.amounts) * (1 + len(config.levels)), rngs=rngs)
        self.ratios = nnx.Linear(width, 2, rngs=rngs)
        self.log_variance = nnx.Param(jnp.zeros(len(config.learned)))

    def __call__(self, inputs: Inputs, key: Array | None = None) -> tuple[Predictions, Explanation]:
        """Return what the heads say of the H future periods, and what it is due to.

        Args:
            inputs: Leaves [*b, ...]; any T and H.
            key: For dropout; none without it.
        """
        mask, length = inputs.mask, inputs.mask.shape[-1]
        select, enrich, hidden, memory = self._static(inputs, folded(key, 0))
        past, future = self._variables(inputs)
        past = jnp.where(mask[..., None, None], past, 0.0)
        kept_past, weight_past = self.select_past(past, select, folded(key, 1))
        kept_future, weight_future = self.select_future(future, select, folded(key, 2))
        ahead = jnp.ones(kept_future.shape[:-1], bool)
        run_past, last = self.encoder(kept_past, mask, (hidden, memory))
        run_future, _ = self.decoder(kept_future, ahead, last)
        run = self.local(
            jnp.concatenate([kept_past, kept_future], axis=-2),
            jnp.concatenate([run_past, run_future], axis=-2),
            folded(key, 3),
        )
        enriched = self.enrich(run, enrich[..., None, :], folded(key, 4))
        queries = enriched[..., length:, :]
        horizon = queries.shape[-2]
        # A period of the history counts where it is not masked, one ahead up to the query's own.
        seen = jnp.broadcast_to(mask[..., None, :], (*queries.shape[:-1], length))
        causal = jnp.broadcast_to(
            jnp.tri(horizon, dtype=bool).reshape((1,) * (mask.ndim - 1) + (horizon, horizon)),
            (*queries.shape[:-1], horizon),
        )
        attended, attention = self.attention(
            queries, enriched, jnp.concatenate([seen, causal], axis=-1)
        )
        tokens = self.attended(queries, attended, folded(key, 5))
        tokens = self.position_wise(tokens, None, folded(key, 6))
        tokens = self.leave(run[..., length:, :], tokens, folded(key, 7))
        explanation = Explanation(
            past=jnp.where(mask[..., None], weight_past, 0.0),
            future=weight_future,
            attention=attention,
        )
        return self._heads(tokens), explanation

    def _static(self, inputs: Inputs, key: Array | None) -> list[Float[Array, "*b W"]]:
        """Return the contexts that the static embedding ``ReLU(W x + b)`` gives."""
        found = [table(inputs.codes[..., i]) for i, table in enumerate(self.codes)]
        one = jnp.ones((*inputs.static.shape[:-1], 1))
        static = jax.nn.relu(self.static(jnp.concatenate([one, inputs.static, *found], axis=-1)))
        return [context(static, None, folded(key, i)) for i, context in enumerate(self.contexts)]

    def _variables(
        self, inputs: Inputs
    ) -> tuple[Float[Array, "*b T V W"], Float[Array, "*b H F W"]]:
        """Return each variable in channels: past ones before those that are known ahead."""
        length = inputs.mask.shape[-1]
        steps = jnp.arange(inputs.known.shape[-2]) - (length - 1)
        step = (steps / self.config.horizon).reshape((1,) * (inputs.known.ndim - 2) + (-1, 1))
        step = jnp.broadcast_to(step, (*inputs.known.shape[:-1], 1))
        known = jnp.concatenate([inputs.known, step], axis=-1)
        lead = (1,) * (known.ndim - 1)
        slope, offset = self.slope[...], self.offset[...]
        slope, offset = (x.reshape((*lead, *x.shape)) for x in (slope, offset))
        n = self.sizes.past
        seen = jnp.where(inputs.mask[..., None], inputs.past, 0.0)
        past = seen[..., None] * slope[..., :n, :] + offset[..., :n, :]
        ahead = known[..., None] * slope[..., n:, :] + offset[..., n:, :]
        found = [] if self.calendar is None else [self.calendar(inputs.calendar)]
        found += [table(inputs.dynamic[..., i]) for i, table in enumerate(self.dynamic)]
        more = [each[..., None, :] for each in found]
        ahead = jnp.concatenate([ahead, *more], axis=-2)
        past = jnp.concatenate([past, ahead[..., :length, :, :]], axis=-2)
        return past, ahead[..., length:, :, :]

    def _heads(self, tokens: Float[Array, "*b H W"]) -> Predictions:
        amounts, levels = len(self.config.amounts), len(self.config.levels)
        raw = self.amounts(tokens).reshape((*tokens.shape[:-1], amounts, 1 + levels))
        mean = raw[..., 0]
        turnover, stockout = jnp.moveaxis(self.ratios(tokens), -1, 0)
        return Predictions(
            mean=mean,
            quantiles=rising(raw[..., 1:]),
            turnover=turnover,
            stockout=stockout,
        )

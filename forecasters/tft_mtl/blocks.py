"""Parts of the temporal fusion transformer: gates, variable selection, attention, a masked LSTM."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from draingym.forecasters.attention import dropout, folded, masked_softmax


class Gate(nnx.Module):
    """A gated linear unit, added to what it may leave as it is: ``LayerNorm(x + GLU(y))``.

    ``GLU(y) = sigmoid(W4 y + b4) * (W5 y + b5)``.
    """

    def __init__(self, inputs: int, outputs: int, rate: float, *, rngs: nnx.Rngs) -> None:
        """Initialise both linear maps as one; ``rate`` is that of dropout."""
        self.rate = rate
        self.both = nnx.Linear(inputs, 2 * outputs, rngs=rngs)
        self.norm = nnx.LayerNorm(outputs, rngs=rngs)

    def __call__(
        self, skip: Float[Array, "*b O"], values: Float[Array, "*b I"], key: Array | None = None
    ) -> Float[Array, "*b O"]:
        """Add the gated values to ``skip``, and normalise."""
        gate, linear = jnp.split(self.both(dropout(values, self.rate, key)), 2, axis=-1)
        out: Array = self.norm(skip + jax.nn.sigmoid(gate) * linear)
        return out


class GatedResidual(nnx.Module):
    """``GRN(a, c) = LayerNorm(a + GLU(W1 ELU(W2 a + W3 c)))``; where widths differ, a is projected.

    Source: TFT-MTL, equation 3, with the hidden layer of Lim et al.; METHODS section 8.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        outputs: int,
        rate: float,
        *,
        context: int = 0,
        rngs: nnx.Rngs,
    ) -> None:
        """Initialise; ``context`` is the width of c, 0 where there is none."""
        self.enter = nnx.Linear(inputs, width, rngs=rngs)
        self.context = nnx.Linear(context, width, use_bias=False, rngs=rngs) if context else None
        self.inner = nnx.Linear(width, width, rngs=rngs)
        self.skip = None if inputs == outputs else nnx.Linear(inputs, outputs, rngs=rngs)
        self.gate = Gate(width, outputs, rate, rngs=rngs)

    def __call__(
        self,
        values: Float[Array, "*b I"],
        context: Float[Array, "*b C"] | None = None,
        key: Array | None = None,
    ) -> Float[Array, "*b O"]:
        """Apply the network; leading axes of both are the same, or of length 1."""
        hidden = self.enter(values)
        if self.context is not None and context is not None:
            hidden = hidden + self.context(context)
        skip = values if self.skip is None else self.skip(values)
        return self.gate(skip, self.inner(jax.nn.elu(hidden)), key)


class VariableSelection(nnx.Module):
    """Each variable through a network of its own; what is kept of it is decided by all together.

    ``sum_j w_j GRN_j(x_j)`` with ``w = softmax(GRN([x_1, ..., x_J], c))``.

    Source: TFT-MTL, section 1; Lim et al., section 4.2.
    """

    def __init__(self, count: int, width: int, rate: float, *, rngs: nnx.Rngs) -> None:
        """Initialise for ``count`` variables, each embedded in ``width`` channels."""
        self.choose = GatedResidual(count * width, width, count, rate, context=width, rngs=rngs)

        @nnx.split_rngs(splits=count)
        @nnx.vmap
        def each(rngs: nnx.Rngs) -> GatedResidual:
            return GatedResidual(width, width, width, rate, rngs=rngs)

        self.each = each(rngs)

    def __call__(
        self,
        variables: Float[Array, "*b N J W"],
        context: Float[Array, "*b W"],
        key: Array | None = None,
    ) -> tuple[Float[Array, "*b N W"], Float[Array, "*b N J"]]:
        """Return what is kept, and the weights of the variables, which sum to 1."""
        flat = variables.reshape((*variables.shape[:-2], -1))
        score = self.choose(flat, context[..., None, :], folded(key, 0))
        weight = jax.nn.softmax(score, axis=-1)
        definition, state = nnx.split(self.each)
        weights = nnx.to_pure_dict(state)
        keys = None
        if key is not None:
            keys = jax.random.split(jax.random.fold_in(key, 1), variables.shape[-2])

        def alone(weights: Any, values: Array, key: Array | None) -> Array:
            out: Array = nnx.merge(definition, weights)(values, None, key)
            return out

        own = (0, variables.ndim - 2, None if keys is None else 0)
        seen = jax.vmap(alone, in_axes=own, out_axes=-2)(weights, variables, keys)
        return jnp.einsum("...j,...jw->...w", weight, seen), weight


class MaskedLSTM(nnx.Module):
    """An LSTM that passes over masked periods: both its states go on as they are."""

    def __init__(self, width: int, *, rngs: nnx.Rngs) -> None:
        """Initialise; inputs, states and outputs have the same width."""
        self.inputs = nnx.Linear(width, 4 * width, rngs=rngs)
        self.recurrent = nnx.Linear(width, 4 * width, use_bias=False, rngs=rngs)

    def __call__(
        self,
        values: Float[Array, "*b N W"],
        mask: Bool[Array, "*b N"],
        start: tuple[Float[Array, "*b W"], Float[Array, "*b W"]],
    ) -> tuple[Float[Array, "*b N W"], tuple[Float[Array, "*b W"], Float[Array, "*b W"]]]:
        """Return the outputs of all periods, and the last states."""
        kernel = self.recurrent.kernel[...]

        def cell(
            state: tuple[Array, Array], now: tuple[Array, Array]
        ) -> tuple[tuple[Array, Array], Array]:
            hidden, memory = state
            given, seen = now
            enter, forget, new, leave = jnp.split(given + hidden @ kernel, 4, axis=-1)
            # It begins by keeping what it has.
            kept = jax.nn.sigmoid(forget + 1.0) * memory
            fresh = kept + jax.nn.sigmoid(enter) * jnp.tanh(new)
            out = jax.nn.sigmoid(leave) * jnp.tanh(fresh)
            hidden, memory = jnp.where(seen, out, hidden), jnp.where(seen, fresh, memory)
            return (hidden, memory), hidden

        along = (
            jnp.moveaxis(self.inputs(values), -2, 0),
            jnp.moveaxis(mask, -1, 0)[..., None],
        )
        last, outputs = jax.lax.scan(cell, start, along)
        return jnp.moveaxis(outputs, 0, -2), last


class InterpretableAttention(nnx.Module):
    """Multi-head attention whose heads share their values, so that their mean weight explains it.

    ``(1/m sum_h softmax(Q W_h (K U_h)^T / sqrt(d))) V W_v W_o``.

    Source: TFT-MTL, equation 4; Lim et al., section 4.4.
    """

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs) -> None:
        """Initialise the projections; each head has ``width / heads`` channels."""
        self.heads = heads
        self.query = nnx.Linear(width, width, rngs=rngs)
        self.key = nnx.Linear(width, width, rngs=rngs)
        self.value = nnx.Linear(width, width // heads, rngs=rngs)
        self.out = nnx.Linear(width // heads, width, use_bias=False, rngs=rngs)

    def __call__(
        self,
        queries: Float[Array, "*b H W"],
        memory: Float[Array, "*b M W"],
        mask: Bool[Array, "*b H M"],
    ) -> tuple[Float[Array, "*b H W"], Float[Array, "*b H M"]]:
        """Return what is seen, and the mean weight that each query gives to the memory."""
        query = self.query(queries).reshape((*queries.shape[:-1], self.heads, -1))
        key = self.key(memory).reshape((*memory.shape[:-1], self.heads, -1))
        score = jnp.einsum("...nad,...mad->...anm", query, key) * query.shape[-1] ** -0.5
        seen = jnp.broadcast_to(mask[..., None, :, :], score.shape)
        weight = jnp.mean(masked_softmax(score, seen), axis=-3)
        out: Array = self.out(jnp.einsum("...nm,...md->...nd", weight, self.value(memory)))
        return out, weight

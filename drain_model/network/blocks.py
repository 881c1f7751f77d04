"""Building blocks: MLP, attention, what mixes tokens, and a causal stack with a cached step.

Matrix products run in ``config.precision``; what is added up between blocks is float32.
"""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from draingym.drain_model.config import DrainConfig

_MASKED = -1e9


# Modules are made with kernels of zero, to be filled by ``checkpoint.initial_weights`` or from a
# file: tracing as many draws would take longer than all else that an environment is made of.
_NO_KEYS = cast(nnx.Rngs, SimpleNamespace(params=lambda: None))


def dense(inputs: int, outputs: int, dtype: Any = None) -> nnx.Linear:
    """Return a layer with float32 parameters of zero; it computes in a type, if one is given."""
    zeros = nnx.initializers.zeros
    return nnx.Linear(inputs, outputs, dtype=dtype, kernel_init=zeros, rngs=_NO_KEYS)


def norm(width: int) -> nnx.LayerNorm:
    """Return a normalisation of tokens, with a scale of one."""
    return nnx.LayerNorm(width, rngs=_NO_KEYS)


def linear(config: DrainConfig, inputs: int, outputs: int) -> nnx.Linear:
    """Return a layer that computes in the config's precision."""
    return dense(inputs, outputs, jnp.dtype(config.precision))


class MLP(nnx.Module):
    """Fully connected layers with SiLU between them; float32 out."""

    def __init__(
        self,
        config: DrainConfig,
        inputs: int,
        hidden: int,
        outputs: int,
        depth: int,
    ) -> None:
        """Make ``depth`` layers."""
        sizes = [inputs, *[hidden] * (depth - 1), outputs]
        self.layers = nnx.List([linear(config, a, b) for a, b in pairwise(sizes)])

    def __call__(self, x: Float[Array, "*b I"]) -> Float[Array, "*b O"]:
        """Apply the layers."""
        for layer in self.layers[:-1]:
            x = jax.nn.silu(layer(x))
        out: Array = self.layers[-1](x).astype(jnp.float32)
        return out


class CausalStack(nnx.Module):
    """Dilated causal convolutions over time, applied to every token by itself.

    Layer i: ``y_t = silu(b + sum_k W_k x_{t - k d_i})``, residual from the second layer on;
    before the first period everything is zero. ``window`` sees all periods at once, ``step`` one
    period and the last few inputs of every layer; they agree.
    """

    def __init__(self, config: DrainConfig, inputs: int) -> None:
        """Make one layer for each dilation."""
        self.dilations = config.dilations
        self.taps = config.kernel_size
        self.width = config.width
        self.layers = nnx.List(
            [
                linear(config, (inputs if i == 0 else self.width) * self.taps, self.width)
                for i in range(len(self.dilations))
            ]
        )
        self.inputs = inputs

    def _layer(self, i: int, taps: list[Array]) -> Array:
        y: Array = jax.nn.silu(self.layers[i](jnp.concatenate(taps, axis=-1)))
        y = y.astype(jnp.float32)
        return y if i == 0 else taps[0] + y

    def window(self, x: Float[Array, "*b T M I"]) -> Float[Array, "*b T M W"]:
        """Encode all periods."""
        periods = x.shape[-3]
        for i, dilation in enumerate(self.dilations):
            before = [(0, 0)] * x.ndim
            before[-3] = (dilation * (self.taps - 1), 0)
            padded = jnp.pad(x, before)
            taps = [
                jax.lax.slice_in_dim(
                    padded,
                    dilation * (self.taps - 1 - k),
                    dilation * (self.taps - 1 - k) + periods,
                    axis=x.ndim - 3,
                )
                for k in range(self.taps)
            ]
            x = self._layer(i, taps)
        return x

    def initial(self, tokens: int) -> tuple[Float[Array, "R M C"], ...]:
        """Return caches before the first period: zeros, newest row last."""
        return tuple(
            jnp.zeros((dilation * (self.taps - 1), tokens, self.inputs if i == 0 else self.width))
            for i, dilation in enumerate(self.dilations)
        )

    def step(
        self, caches: tuple[Float[Array, "R M C"], ...], x: Float[Array, "M I"]
    ) -> tuple[tuple[Float[Array, "R M C"], ...], Float[Array, "M W"]]:
        """Encode one period, given the inputs of the periods before it."""
        kept = []
        for i, dilation in enumerate(self.dilations):
            rows = jnp.concatenate([caches[i], x[None]], axis=0)
            x = self._layer(i, [rows[-1 - k * dilation] for k in range(self.taps)])
            kept.append(rows[1:])
        return tuple(kept), x


class Attention(nnx.Module):
    """Multi-head attention whose keys and values can be computed ahead of the queries."""

    def __init__(self, config: DrainConfig) -> None:
        """Make the projections."""
        width = config.width
        self.heads = config.heads
        self.norm_query = norm(width)
        self.norm_memory = norm(width)
        self.query = linear(config, width, width)
        self.key_value = linear(config, width, 2 * width)
        self.out = linear(config, width, width)

    def memory(
        self, tokens: Float[Array, "*b M W"]
    ) -> tuple[Float[Array, "*b M A D"], Float[Array, "*b M A D"]]:
        """Return keys and values of the tokens that are attended to."""
        both = self.key_value(self.norm_memory(tokens))
        both = both.reshape((*both.shape[:-1], 2, self.heads, -1))
        return both[..., 0, :, :], both[..., 1, :, :]

    def attend(
        self,
        tokens: Float[Array, "*b N W"],
        keys: Float[Array, "*b M A D"],
        values: Float[Array, "*b M A D"],
        bias: Float[Array, "A N M"] | None = None,
        mask: Bool[Array, "*b M"] | None = None,
    ) -> Float[Array, "*b N W"]:
        """Let every token attend; ``mask`` is false where a key must not be seen."""
        query = self.query(self.norm_query(tokens))
        query = query.reshape((*query.shape[:-1], self.heads, -1)) * keys.shape[-1] ** -0.5
        score = jnp.einsum("...nad,...mad->...anm", query, keys).astype(jnp.float32)
        if bias is not None:
            score = score + bias.reshape((1,) * (score.ndim - 3) + bias.shape)
        if mask is not None:
            score = jnp.where(mask[..., None, None, :], score, _MASKED)
        # A softmax that divides after the values are mixed, where there is less to divide.
        score = score - jax.lax.stop_gradient(jnp.max(score, axis=-1, keepdims=True))
        weight = jnp.exp(score)
        total = jnp.swapaxes(jnp.sum(weight, axis=-1), -1, -2)[..., None]
        mixed = jnp.einsum("...anm,...mad->...nad", weight.astype(values.dtype), values) / total
        out: Array = self.out(mixed.reshape((*mixed.shape[:-2], -1))).astype(jnp.float32)
        return out


class TransformerBlock(nnx.Module):
    """Self-attention and an MLP, each on normalised tokens and added to them."""

    def __init__(self, config: DrainConfig) -> None:
        """Make both parts."""
        width = config.width
        self.attention = Attention(config)
        self.norm = norm(width)
        self.mlp = MLP(config, width, width * config.mlp_ratio, width, 2)

    def __call__(
        self, tokens: Float[Array, "*b M W"], mask: Bool[Array, "*b M"] | None
    ) -> Float[Array, "*b M W"]:
        """Apply the block; tokens where ``mask`` is false are seen by nobody."""
        keys, values = self.attention.memory(tokens)
        tokens = tokens + self.attention.attend(tokens, keys, values, None, mask)
        out: Array = tokens + self.mlp(self.norm(tokens))
        return out


class RecurrentBlock(nnx.Module):
    """A bidirectional GRU along the tokens, added to them; half of the width each way.

    Tokens are read in the order of their index, forwards and backwards. A token where ``mask`` is
    false is passed over: both states go on to the next one as they are.
    """

    def __init__(self, config: DrainConfig) -> None:
        """Make both directions at once: kernels have a leading axis of 2."""
        width, self.hidden = config.width, config.width // 2
        self.norm = norm(width)
        self.inputs = linear(config, width, 2 * 3 * self.hidden)
        self.recurrent = nnx.Param(jnp.zeros((2, self.hidden, 3 * self.hidden)))

    def __call__(
        self, tokens: Float[Array, "*b M W"], mask: Bool[Array, "*b M"] | None
    ) -> Float[Array, "*b M W"]:
        """Apply the block."""
        lead, size = tokens.shape[:-2], self.hidden
        given = self.inputs(self.norm(tokens)).astype(jnp.float32)
        given = jnp.moveaxis(given.reshape((*lead, -1, 2, 3 * size)), (-3, -2), (0, 1))
        both = jnp.stack([given[:, 0], jnp.flip(given[:, 1], axis=0)], axis=1)  # [M, 2, *b, 3H]
        seen = jnp.ones(tokens.shape[:-1], bool) if mask is None else mask
        seen = jnp.broadcast_to(seen, tokens.shape[:-1])
        seen = jnp.moveaxis(seen, -1, 0)
        seen = jnp.stack([seen, jnp.flip(seen, axis=0)], axis=1)[..., None]  # [M, 2, *b, 1]
        kernel = self.recurrent[...]

        def cell(state: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
            x, present = now
            h = jnp.einsum("k...i,kij->k...j", state, kernel)
            update, reset = (
                jax.nn.sigmoid(
                    x[..., i * size : (i + 1) * size] + h[..., i * size : (i + 1) * size]
                )
                for i in range(2)
            )
            candidate = jnp.tanh(x[..., 2 * size :] + reset * h[..., 2 * size :])
            state = jnp.where(present, (1.0 - update) * state + update * candidate, state)
            return state, state

        start = jnp.zeros((2, *lead, size))
        _, states = jax.lax.scan(cell, start, (both, seen))
        out = jnp.concatenate([states[:, 0], jnp.flip(states[:, 1], axis=0)], axis=-1)
        return tokens + jnp.moveaxis(out, 0, -2)


def mixing_blocks(config: DrainConfig, count: int) -> nnx.List[Any]:
    """Return the blocks that let tokens of one stream see each other."""
    kind = TransformerBlock if config.mixing == "transformer" else RecurrentBlock
    return nnx.List([kind(config) for _ in range(count)])

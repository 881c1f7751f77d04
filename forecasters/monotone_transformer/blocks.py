"""Parts of the monotone transformer: embeddings, positions, masked attention, the demand layer.

Dropout happens where a key is given, and layer normalisation after each sublayer, as in the
original transformer.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from draingym.common.price_steps import PIECES
from draingym.forecasters.attention import dropout, folded, masked_softmax
from draingym.forecasters.monotone_transformer.config import MonotoneConfig

# Demand begins with a rise of about a tenth for each tenth of discount (not from the paper).
_FLAT = -2.0


def position_features(
    position: Int[Array, "*b"], channels: int, cycle: int
) -> Float[Array, "*b E"]:
    """Return sines at even and cosines at odd channels m of ``2 pi n (2 m + 1) / (E cycle)``.

    Periodic: n and ``n + E * cycle`` have the same features.

    Source: Zalando, section 3.2.3, equation 6.
    """
    channel = jnp.arange(channels).reshape((1,) * position.ndim + (channels,))
    turn = (position % (channels * cycle))[..., None] * (2 * channel + 1) / (channels * cycle)
    angle = 2 * jnp.pi * (turn % 1.0)
    return jnp.where(channel % 2 == 0, jnp.sin(angle), jnp.cos(angle))


class Embeddings(nnx.Module):
    """One table for each category, side by side."""

    def __init__(self, values: tuple[int, ...], channels: int, *, rngs: nnx.Rngs) -> None:
        """Initialise a table for each number of values."""
        self.channels = channels
        self.tables = nnx.List([nnx.Embed(count, channels, rngs=rngs) for count in values])

    def __call__(self, codes: Int[Array, "*b C"]) -> Float[Array, "*b E"]:
        """Look codes up."""
        found = [table(codes[..., i]) for i, table in enumerate(self.tables)]
        return jnp.concatenate([jnp.zeros((*codes.shape[:-1], 0)), *found], axis=-1)


class MultiHead(nnx.Module):
    """Multi-head attention to those of some tokens that a mask leaves.

    Source: Zalando, equations 4 and 5. Equation 9 has queries of future periods and keys of past
    ones go through a linear layer to a score: a query would add the same to all scores, which the
    softmax cancels. Here, as in the encoder, the score is their inner product.
    """

    def __init__(self, config: MonotoneConfig, *, rngs: nnx.Rngs) -> None:
        """Initialise the projections."""
        self.heads, width = config.heads, config.width
        self.query = nnx.Linear(width, width, rngs=rngs)
        self.key_value = nnx.Linear(width, 2 * width, rngs=rngs)
        self.out = nnx.Linear(width, width, rngs=rngs)

    def __call__(
        self,
        tokens: Float[Array, "*b N W"],
        memory: Float[Array, "*b M W"],
        mask: Bool[Array, "*b M"],
    ) -> Float[Array, "*b N W"]:
        """Let tokens attend to the memory."""
        query = self.query(tokens).reshape((*tokens.shape[:-1], self.heads, -1))
        both = self.key_value(memory).reshape((*memory.shape[:-1], 2, self.heads, -1))
        keys, values = both[..., 0, :, :], both[..., 1, :, :]
        score = jnp.einsum("...nad,...mad->...anm", query, keys) * query.shape[-1] ** -0.5
        seen = jnp.broadcast_to(mask[..., None, None, :], score.shape)
        mixed = jnp.einsum("...anm,...mad->...nad", masked_softmax(score, seen), values)
        out: Array = self.out(mixed.reshape((*mixed.shape[:-2], -1)))
        return out


class Layer(nnx.Module):
    """Attention and a feed-forward network, each added to its input and then normalised."""

    def __init__(self, config: MonotoneConfig, *, rngs: nnx.Rngs) -> None:
        """Initialise both sublayers."""
        width = config.width
        self.dropout = config.dropout
        self.attention = MultiHead(config, rngs=rngs)
        self.hidden = nnx.Linear(width, config.hidden_ratio * width, rngs=rngs)
        self.back = nnx.Linear(config.hidden_ratio * width, width, rngs=rngs)
        self.norms = nnx.List([nnx.LayerNorm(width, rngs=rngs) for _ in range(2)])

    def __call__(
        self,
        tokens: Float[Array, "*b N W"],
        memory: Float[Array, "*b M W"] | None,
        mask: Bool[Array, "*b M"],
        key: Array | None,
    ) -> Float[Array, "*b N W"]:
        """Apply the layer; without a memory, tokens attend to each other."""
        seen = self.attention(tokens, tokens if memory is None else memory, mask)
        tokens = self.norms[0](tokens + dropout(seen, self.dropout, folded(key, 0)))
        fed = self.back(jax.nn.relu(self.hidden(tokens)))
        out: Array = self.norms[1](tokens + dropout(fed, self.dropout, folded(key, 1)))
        return out


class DemandLayer(nnx.Module):
    """From the encoder's state to the slopes, and from a decoder's to base and scale.

    Source: Zalando, section 3.2.6, equation 11; hidden layers are not from the paper.
    """

    def __init__(self, config: MonotoneConfig, static: int, *, rngs: nnx.Rngs) -> None:
        """Initialise both feed-forward networks; ``static`` channels describe a series."""
        width = config.width
        self.free = config.response == "free"
        self.slopes = nnx.List(
            [
                nnx.Linear(2 * width + static, width, rngs=rngs),
                nnx.Linear(width, PIECES, rngs=rngs),
            ]
        )
        self.levels = nnx.List(
            [nnx.Linear(width + static, width, rngs=rngs), nnx.Linear(width, 2, rngs=rngs)]
        )

    def __call__(
        self,
        encoded: Float[Array, "*b 2W"],
        decoded: Float[Array, "*b H W"],
        static: Float[Array, "*b S"],
    ) -> tuple[Float[Array, "*b H"], Float[Array, "*b H"], Float[Array, "*b pieces"]]:
        """Return base and scale of every period, and the rise over each tenth of discount."""
        first, last = self.slopes
        raw = last(jax.nn.relu(first(jnp.concatenate([encoded, static], axis=-1))))
        delta = raw if self.free else jax.nn.softplus(raw + _FLAT)
        along = jnp.broadcast_to(static[..., None, :], (*decoded.shape[:-1], static.shape[-1]))
        first, last = self.levels
        known = jnp.concatenate([decoded, along], axis=-1)
        levels = jax.nn.softplus(last(jax.nn.relu(first(known))))
        return levels[..., 0], levels[..., 1], delta

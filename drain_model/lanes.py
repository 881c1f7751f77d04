"""Lanes: which node serves a region, learnt from distance, place and stock.

Attention of nodes to regions averages over regions. Drain is a sum: every region's orders go to
some node that has stock. Lanes route the expected orders that way round, with preferences that
are a learned function of distance and of both places, so that persistent lanes can be learnt
and yet any nodes and regions can be put in. Not from the paper.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from drain_model.blocks import MLP
from drain_model.config import DrainConfig


def fourier(coordinates: Float[Array, "M 2"], octaves: int) -> Float[Array, "M C"]:
    """Return coordinates with their sines and cosines at ``pi 2^k / 4``, k = 0 .. octaves - 1.

    Args:
        coordinates: [M, 2] normalised.
        octaves: At least 1.

    Returns:
        [M, 2 + 4 octaves].
    """
    angle = [0.25 * jnp.pi * 2.0**k * coordinates for k in range(octaves)]
    return jnp.concatenate(
        [coordinates, *[jnp.sin(a) for a in angle], *[jnp.cos(a) for a in angle]], axis=-1
    )


class PairNetwork(nnx.Module):
    """A function of a node's and a region's place and of their distance, for several uses."""

    def __init__(self, config: DrainConfig, outputs: int, *, rngs: nnx.Rngs) -> None:
        """Initialise the layers."""
        self.octaves = config.frequencies
        self.outputs = outputs
        width, place = config.pair_width, 4 * config.frequencies + 2
        self.node = nnx.Linear(place, width, rngs=rngs)
        self.region = nnx.Linear(place, width, rngs=rngs)
        self.distance = nnx.Linear(3, width, rngs=rngs)
        self.mlp = MLP(width, width, outputs, 2, rngs=rngs)
        self.left = nnx.Linear(place, width, rngs=rngs)
        self.right = nnx.Linear(place, width, rngs=rngs)
        self.join = nnx.Linear(width, outputs, rngs=rngs)

    def __call__(
        self,
        nodes: Float[Array, "N 2"],
        regions: Float[Array, "Z 2"],
        distance: Float[Array, "N Z"],
    ) -> Float[Array, "C N Z"]:
        """Return the outputs of every pair."""
        a, b = fourier(nodes, self.octaves), fourier(regions, self.octaves)
        far = jnp.stack([distance, jnp.log1p(4.0 * distance), jnp.exp(-4.0 * distance)], axis=-1)
        hidden = self.node(a)[:, None, :] + self.region(b)[None, :, :] + self.distance(far)
        pair = self.mlp(jax.nn.silu(hidden))
        # Products of waves over both places: enough of them tell any pair from any other.
        waves = jnp.sin(self.left(a))[:, None, :] * jnp.sin(self.right(b))[None, :, :]
        pair = pair + self.join(waves * (4.0 * waves.shape[-1] ** -0.5))
        return jnp.moveaxis(pair, -1, 0)


class Lanes(nnx.Module):
    """Routes regional demand to nodes with stock, in two rounds.

    Round 1: region z prefers node n in proportion to ``exp(s_nz)``, stock or not. A node that
    ``m`` orders want serves the soft minimum ``(A^-k + m^-k)^(-1/k)`` of stock and orders.
    Round 2: what was not served is routed again, in proportion to ``exp(s_nz) B / (B + c)`` with
    ``B`` the stock left, and served from it.

    Served units have a slope of at most 1 in the stock, at empty shelves too: one more unit is at
    most one more unit shipped. Without that bound gradients through a rollout explode.
    """

    def __init__(self, config: DrainConfig, *, rngs: nnx.Rngs) -> None:
        """Initialise the projections."""
        self.heads, self.depth = config.lane_heads, config.width // config.heads
        size = self.heads * self.depth
        self.node = nnx.Linear(config.width, size, rngs=rngs)
        self.region = nnx.Linear(config.width, size, rngs=rngs)
        self.modulation = nnx.Linear(config.width, 1, rngs=rngs)
        self.log_gate = nnx.Param(jnp.zeros((self.heads,)))
        self.sharpness = nnx.Param(jnp.zeros((self.heads,)))
        self.mixture = nnx.Param(jnp.zeros((self.heads,)))

    @staticmethod
    def features(config: DrainConfig) -> int:
        """How many features a node gets."""
        return 5 * config.lane_heads

    def regions(
        self, tokens: Float[Array, "*b Z W"]
    ) -> tuple[Float[Array, "*b Z B D"], Float[Array, "*b Z"]]:
        """Return queries, and a factor on expected orders within (1/2, 2)."""
        query = self.region(tokens).reshape((*tokens.shape[:-1], self.heads, self.depth))
        return query, jnp.exp2(jnp.tanh(self.modulation(tokens)[..., 0]))

    def __call__(
        self,
        tokens: Float[Array, "*b N W"],
        query: Float[Array, "*b Z B D"],
        demand: Float[Array, "*b Z"],
        scale: Float[Array, "*b"],
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        lane: Float[Array, "B N Z"],
        haul: Float[Array, "B N Z"],
    ) -> tuple[Float[Array, "*b N G"], Float[Array, "*b N"]]:
        """Return every node's features, and the units it would ship were its stock no limit."""
        lead = available.ndim - 1
        keys = self.node(tokens).reshape((*tokens.shape[:-1], self.heads, self.depth))
        score = jnp.einsum("...nbd,...zbd->...bnz", keys, query) * self.depth**-0.5
        score = score + lane.reshape((1,) * lead + lane.shape)
        score = jnp.where(active[..., None, :, None], score, -1e9)
        score = score - jax.lax.stop_gradient(jnp.max(score, axis=-2, keepdims=True))
        weight = jnp.where(active[..., None, :, None], jnp.exp(score), 0.0)

        stock = available[..., None, :]  # [*b, 1, N]: every head routes all demand
        half = jnp.exp(self.log_gate[...]).reshape((1,) * lead + (self.heads, 1))

        power = (
            jax.nn.softplus(self.sharpness[...] + 3.0).reshape((1,) * lead + (self.heads, 1)) + 1.0
        )

        def serve(wanted: Array, left: Array) -> Array:
            # A soft minimum: (left^-k + wanted^-k)^(-1/k); its slope in either is at most 1.
            ratio = jnp.log(left + 1e-6) - jnp.log(wanted + 1e-6)
            return left * jnp.exp(-jax.nn.softplus(power * ratio) / power)

        first = weight / (jnp.sum(weight, axis=-2, keepdims=True) + 1e-6)
        first = first * demand[..., None, None, :]  # [*b, B, N, Z]
        wanted = jnp.sum(first, axis=-1)
        served_first = serve(wanted, stock)
        fill = jnp.minimum(served_first / (wanted + 1e-6), 1.0)
        unserved = jnp.sum(first * (1.0 - fill)[..., None], axis=-2)
        left = jnp.maximum(stock - served_first, 0.0)
        per_unit = weight / (left + half)[..., None]
        total = jnp.sum(per_unit * left[..., None], axis=-2, keepdims=True)
        again = per_unit / (total + 1e-2) * unserved[..., None, :]  # orders per unit left
        pressure = jnp.sum(again, axis=-1)
        served_second = serve(pressure * left, left)
        share = again / (pressure[..., None] + 1e-6)
        flow = first * fill[..., None] + share * served_second[..., None]
        second = pressure * left
        mixture = jax.nn.softmax(self.mixture[...]).reshape((1,) * lead + (self.heads, 1))
        mean = jnp.sum((wanted + second) * mixture, axis=-2)
        served = served_first + served_second
        far = jnp.sum(flow * haul.reshape((1,) * lead + haul.shape), axis=-1) / (served + 1e-2)
        per = scale[..., None, None]
        features = jnp.stack(
            [
                jnp.log1p(wanted),
                jnp.log1p(served),
                served / per,
                jnp.log((stock + 0.5) / (wanted + 0.5)),
                far,
            ],
            axis=-1,
        )
        features = jnp.moveaxis(features, -3, -2)
        return features.reshape((*features.shape[:-2], -1)), mean

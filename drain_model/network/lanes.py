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

from draingym.drain_model.config import DrainConfig
from draingym.drain_model.network.blocks import MLP, dense


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


# From where on outputs of the pair network grow by their logarithm alone.
_LINEAR = 3.0


def compressed(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return ``c arcsinh(x / c)``, c = 3: about x near 0, and about its logarithm far off.

    Gradients: exact, ``c / sqrt(c^2 + x^2)``, which never vanishes.

    >>> [round(float(compressed(jnp.array(x))), 1) for x in (0.0, -8.0, 1000.0)]
    [0.0, -5.1, 19.5]
    """
    return _LINEAR * jnp.arcsinh(x / _LINEAR)


class PairNetwork(nnx.Module):
    """A function of a node's and a region's place and of their distance, for several uses.

    It learns at a high rate, and a few updates in one direction take it far. What it says is
    compressed, so that such a leap does not leave preferences of 0 and 1 that nothing moves again.
    """

    def __init__(self, config: DrainConfig, outputs: int) -> None:
        """Make the layers."""
        self.octaves = config.frequencies
        self.outputs = outputs
        width, place = config.pair_width, 4 * config.frequencies + 2
        self.node = dense(place, width)
        self.region = dense(place, width)
        self.distance = dense(3, width)
        self.mlp = MLP(config, width, width, outputs, 2)
        self.left = dense(place, width)
        self.right = dense(place, width)
        self.join = dense(width, outputs)

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
        return jnp.moveaxis(compressed(pair), -1, 0)


# Those with which ``found_on_shelf`` is near ``E min(Poisson(wanted), left)``, whatever the stock.
SHARPNESS, SHARPENING = -1.0, 2.15


def found_on_shelf(
    wanted: Float[Array, "*b"],
    left: Float[Array, "*b"],
    sharpness: float | Float[Array, "*b"],
    sharpening: float | Float[Array, "*b"],
) -> Float[Array, "*b"]:
    """Return the units that orders find: a soft minimum of those wanted and those left.

    ``(left^-k + wanted^-k)^(-1/k)``, ``k = 1 + softplus(sharpness + sharpening log(1 + left))``:
    orders that are random find less than the lesser of both, and the more so the fewer there are.

    Gradients: exact; in both of the units they are at most 1, to a thousandth.
    """
    power = 1.0 + jax.nn.softplus(sharpness + sharpening * jnp.log1p(left))
    ratio = jnp.log(left + 1e-6) - jnp.log(wanted + 1e-6)
    found: Array = left * jnp.exp(-jax.nn.softplus(power * ratio) / power)
    return found


class Lanes(nnx.Module):
    """Routes regional demand to nodes with stock: the emulated period, as a fluid, in a few steps.

    Each of ``steps`` steps deals with its part of the period's orders. Region z prefers node n in
    proportion to ``exp(r s_nz - theta exp(-cover_n))``: ``s`` by place and distance, ``r`` by
    product (heavy ones are kept nearer), and ``cover_n`` the stock left over what the node's
    market asks for, so that stock that is scarce is spared. Of the orders that go to node n a
    share ``kappa_nz`` is placed: a promise from far off loses customers. A node from which ``m``
    units are wanted serves the soft minimum ``(B^-k + m^-k)^(-1/k)`` of its stock left and ``m``,
    the harder the more is left; what was not served tries once more, in proportion to the weight
    times ``B / (B + c)``.

    Served units have a slope of at most 1 in the node's own stock, to a thousandth, at empty
    shelves too: one more unit is at most one more unit shipped. Without that bound gradients
    through a rollout explode.
    """

    def __init__(self, config: DrainConfig, num_attributes: int) -> None:
        """Make the projections."""
        self.heads, self.depth = config.lane_heads, config.width // config.heads
        self.steps = config.lane_steps
        size = self.heads * self.depth
        self.node = dense(config.width, size)
        self.region = dense(config.width, size)
        self.modulation = dense(config.width, 1)
        self.sensitivity = dense(num_attributes, self.heads)
        self.log_gate = nnx.Param(jnp.zeros((self.heads,)))
        self.sharpness = nnx.Param(jnp.zeros((self.heads,)))
        self.sharpening = nnx.Param(jnp.zeros((self.heads,)))
        self.scarcity = nnx.Param(jnp.zeros((self.heads,)))
        self.log_cover = nnx.Param(jnp.zeros((self.heads,)))
        self.mixture = nnx.Param(jnp.zeros((self.heads,)))

    @staticmethod
    def features(config: DrainConfig) -> int:
        """How many features a node gets."""
        return 6 * config.lane_heads

    def regions(
        self, tokens: Float[Array, "*b Z W"]
    ) -> tuple[Float[Array, "*b Z B D"], Float[Array, "*b Z"]]:
        """Return queries, and a factor on expected orders within (1/2, 2)."""
        query = self.region(tokens).reshape((*tokens.shape[:-1], self.heads, self.depth))
        return query, jnp.exp2(jnp.tanh(self.modulation(tokens)[..., 0]))

    def ranges(self, attributes: Float[Array, "*b F"]) -> Float[Array, "*b B"]:
        """Return how much a product's preferences depend on lanes, within (1/e, e)."""
        return jnp.exp(jnp.tanh(self.sensitivity(attributes)))

    def __call__(
        self,
        tokens: Float[Array, "*b N W"],
        query: Float[Array, "*b Z B D"],
        ranges: Float[Array, "*b B"],
        demand: Float[Array, "*b Z"],
        usual: Float[Array, "*b Z"],
        scale: Float[Array, "*b"],
        available: Float[Array, "*b N"],
        active: Bool[Array, "*b N"],
        lane: Float[Array, "B N Z"],
        haul: Float[Array, "B N Z"],
        reach: Float[Array, "B N Z"],
    ) -> tuple[
        Float[Array, "*b N G"], Float[Array, "*b N"], Float[Array, "*b N"], Float[Array, "*b N Z"]
    ]:
        """Return nodes' features, units routed to them, those they have stock for, by region too.

        The last is not computed where nothing asks for it.
        """
        lead = available.ndim - 1

        def shaped(values: Array) -> Array:
            return values.reshape((1,) * lead + values.shape)

        def by_head(parameter: Array) -> Array:
            return parameter.reshape((1,) * lead + (self.heads, 1))

        keys = self.node(tokens).reshape((*tokens.shape[:-1], self.heads, self.depth))
        score = jnp.einsum("...nbd,...zbd->...bnz", keys, query) * self.depth**-0.5
        score = score + ranges[..., None, None] * shaped(lane)
        here = active[..., None, :, None]

        def at_nodes(pairs: Array, by_region: Array) -> Array:
            return jnp.einsum("...nz,...z->...n", pairs, by_region)

        def at_regions(pairs: Array, by_node: Array) -> Array:
            return jnp.einsum("...nz,...n->...z", pairs, by_node)

        def serve(wanted: Array, left: Array) -> Array:
            return found_on_shelf(wanted, left, sharpness, sharpening)

        # Preferences are the only exponential of every pair: what else they depend on is a factor
        # of a node or of a region, so that routing is products of matrices with vectors. The
        # greatest score, and the least scarcity below, keep their derivatives: sums are kept off 0
        # by a constant, so that what is subtracted does not cancel.
        score = jnp.where(here, score, -1e9)
        score = score - jnp.max(score, axis=-2, keepdims=True)
        preference = jnp.where(here, jnp.exp(score), 0.0)
        placeable = preference * shaped(reach)
        orders = demand[..., None, :] / self.steps  # every head routes all demand
        stock = jnp.broadcast_to(available[..., None, :], score.shape[:-1])
        sharpness = by_head(self.sharpness[...] + SHARPNESS)
        sharpening = by_head(self.sharpening[...] + SHARPENING)
        half = by_head(jnp.exp(self.log_gate[...]))
        price = by_head(3.0 * jax.nn.sigmoid(self.scarcity[...] - 1.0))
        cover = by_head(1.0 + jax.nn.softplus(self.log_cover[...]))
        # Markets by preference alone: what is usual, and this step's part if that is more.
        whole = jnp.sum(preference, axis=-2) + 1e-6
        market = at_nodes(preference, (usual[..., None, :] + orders) / whole)

        left, none = stock, jnp.zeros_like(stock)
        wanted, routed, served = none, none, none
        flow = jnp.zeros_like(score)
        for _ in range(self.steps):
            scarce = price * jnp.exp(-left / (cover * market + 1.0))
            least = jnp.min(jnp.where(active[..., None, :], scarce, 9.0), axis=-1, keepdims=True)
            spared = jnp.exp(least - scarce)  # [*b, B, N]
            first = orders / (at_regions(preference, spared) + 1e-6)  # [*b, B, Z]
            asked = spared * at_nodes(placeable, first)
            now = serve(asked, left)
            fill = jnp.minimum(now / (asked + 1e-6), 1.0)
            unserved = first * at_regions(preference, spared * (1.0 - fill))
            left = jnp.maximum(left - now, 0.0)
            # Orders per unit left, so that an empty shelf gets none.
            per_unit = spared / (left + half)
            again = unserved / (at_regions(preference, per_unit * left) + 1e-2)
            pressure = per_unit * at_nodes(placeable, again)
            more = serve(pressure * left, left)
            tried = (spared * fill)[..., None] * first[..., None, :]
            tried = tried + (per_unit * more / (pressure + 1e-6))[..., None] * again[..., None, :]
            flow = flow + placeable * tried
            wanted, routed = wanted + asked, routed + asked + pressure * left
            served = served + now + more
            left = jnp.maximum(left - more, 0.0)

        mixture = by_head(jax.nn.softmax(self.mixture[...]))
        mean = jnp.sum(routed * mixture, axis=-2)
        far = jnp.sum(flow * shaped(haul), axis=-1) / (served + 1e-2)
        features = jnp.stack(
            [
                jnp.log1p(wanted),
                jnp.log1p(served),
                served / scale[..., None, None],
                jnp.log((stock + 0.5) / (wanted + 0.5)),
                jnp.log((routed + 0.5) / (wanted + 0.5)),
                far,
            ],
            axis=-1,
        )
        features = jnp.moveaxis(features, -3, -2)
        features = features.reshape((*features.shape[:-2], -1))
        by_region = jnp.sum(flow * mixture[..., None], axis=-3)
        return features, mean, jnp.sum(served * mixture, axis=-2), by_region


def usual(demand: Float[Array, "*b T Z"], decay: float) -> Float[Array, "*b T Z"]:
    """Return the exponentially weighted mean of the periods up to each, the first ones unbiased.

    Args:
        demand: [*b, T, Z].
        decay: Of a period's weight per period, in (0, 1).
    """

    def combine(a: tuple[Array, Array], b: tuple[Array, Array]) -> tuple[Array, Array]:
        return a[0] * b[0], a[1] * b[0] + b[1]

    axis = demand.ndim - 2
    rate = jnp.full_like(demand, decay)
    _, total = jax.lax.associative_scan(combine, (rate, (1.0 - decay) * demand), axis=axis)
    periods = jnp.arange(1, demand.shape[axis] + 1, dtype=demand.dtype)
    weight = (1.0 - decay**periods).reshape((1,) * axis + (-1, 1))
    mean: Array = total / weight
    return mean

"""The network: causal encoders, attention within and across streams, lanes, heads.

Every method takes any leading axes ``*b`` (products, periods), so the window that is trained on
and the single step of a rollout run the same code; only the convolutions differ, and they agree.

Order of a forward pass: ``locations`` (regions; knows no stock), ``encode`` (nodes' past),
``embed`` (nodes meet nodes and regions), ``outbound``, then ``cost`` given the outbound units.

Source: Outbound, section 4.4 and Appendix A.4. Additions: pair biases, lanes, attributes.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from draingym.drain_model.config import DrainConfig
from draingym.drain_model.data.dataset import Geography, Inputs, Statistics
from draingym.drain_model.distributions.hybrid import (
    NUM_LEVELS,
    Hybrid,
    cost_knots,
    count_base,
    hybrid,
)
from draingym.drain_model.distributions.joints import Coherent, Copula, Independent
from draingym.drain_model.network.blocks import MLP, Attention, CausalStack, mixing_blocks
from draingym.drain_model.network.lanes import Lanes, PairNetwork, fourier, usual

_CLIP = 5.0  # normalised features are clipped here, so that no outlier leads far off


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Static:
    """What a geography alone determines, computed once, and the data's statistics."""

    statistics: Statistics
    node: Float[Array, "N W"]  # embedding of the place
    coordinates: Float[Array, "N 2"]  # of the nodes, normalised
    region: Float[Array, "Z 2"]  # coordinates of the regions, normalised
    bias_outbound: Float[Array, "A N Z"] | None  # attention bias by head
    bias_cost: Float[Array, "A N Z"] | None
    lane: Float[Array, "B N Z"]  # log preference by lane head
    haul: Float[Array, "B N Z"]  # log cost feature of a lane
    reach: Float[Array, "B N Z"]  # share of orders that are placed under the lane's promise


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Exogenous:
    """What no action can change: the whole location stream, by period."""

    active: Bool[Array, "*b N"]
    scale: Float[Array, "*b"]  # units: 1 + expected orders per active node
    context: Float[Array, "*b W"]
    keys_outbound: Float[Array, "*b Z A D"]
    values_outbound: Float[Array, "*b Z A D"]
    keys_cost: Float[Array, "*b Z A D"]
    values_cost: Float[Array, "*b Z A D"]
    lane_query: Float[Array, "*b Z B D"]
    lane_range: Float[Array, "*b B"]
    demand: Float[Array, "*b Z"]  # units expected to be ordered
    usual: Float[Array, "*b Z"]  # units a period, of late


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Nodes:
    """The nodes of a period, once they have met each other and the regions."""

    tokens: Float[Array, "*b N W"]
    routed: Float[Array, "*b N G"]  # features of the lanes
    mean: Float[Array, "*b N"]  # units routed to the node, were its stock no limit
    served: Float[Array, "*b N"]  # units routed to it that it has stock for


class DrainNetwork(nnx.Module):
    """The network in the variant that the config names; with ``lane_heads`` 0, the paper's."""

    def __init__(
        self,
        config: DrainConfig,
        num_calendar: int,
        num_attributes: int,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        """Initialise parameters.

        Args:
            config: Variant and sizes.
            num_calendar: Calendar features, ``E``.
            num_attributes: Product attributes, ``F``.
            rngs: Initialises the parameters.

        Raises:
            ValueError: If the config's conversion column is not an attribute.
        """
        if config.conversion_column >= num_attributes:
            raise ValueError(
                f"config.conversion_column is {config.conversion_column}, must be below the "
                f"number of attributes = {num_attributes}"
            )
        width, shared = config.width, num_attributes + num_calendar * config.calendar
        self.config = config
        self.node_encoder = CausalStack(config, 6, rngs=rngs)
        self.location_encoder = CausalStack(config, shared + 6 + 2 * config.sales, rngs=rngs)
        self.place = MLP(config, 4 * config.frequencies + 2, width, width, 2, rngs=rngs)
        self.context = nnx.Linear(shared + 1, width, rngs=rngs)
        self.now = nnx.Linear(3, width, rngs=rngs)
        self.node_blocks = mixing_blocks(config, config.node_blocks, rngs=rngs)
        self.location_blocks = mixing_blocks(config, config.location_blocks, rngs=rngs)
        outputs = 2 * config.heads * config.pair_bias + 3 * config.lane_heads
        self.pairs = PairNetwork(config, outputs, rngs=rngs) if outputs else None
        self.cross_outbound = Attention(config, rngs=rngs)
        self.lanes = Lanes(config, num_attributes, rngs=rngs) if config.lane_heads else None
        known = width + Lanes.features(config)
        channels = config.num_atoms + NUM_LEVELS + 2
        if config.joint == "coherent":
            self.total_mlp = MLP(config, width + 3, width, channels + 1, 3, rngs=rngs)
            self.share_mlp = MLP(config, known, width, 1, 3, rngs=rngs)
        else:
            self.outbound_mlp = MLP(config, known, width, channels, 3, rngs=rngs)
        if config.joint == "copula":
            self.factors = nnx.Linear(width, config.copula_rank + 1, rngs=rngs)
        self.cost_query = nnx.Linear(known + 3, width, rngs=rngs)
        self.cross_cost = Attention(config, rngs=rngs)
        self.cost_mlp = MLP(config, known, width, NUM_LEVELS, 3, rngs=rngs)

    def static(self, statistics: Statistics, geography: Geography) -> Static:
        """Return what the geography alone determines."""
        config = self.config
        mean = statistics.coordinates_mean[None, :]
        nodes = (geography.node_coordinates - mean) / statistics.coordinates_scale
        regions = (geography.region_coordinates - mean) / statistics.coordinates_scale
        distance = geography.distance_km / statistics.distance_scale
        pairs = jnp.zeros((0, *distance.shape))
        if self.pairs is not None:
            pairs = self.pairs(nodes, regions, distance)
        biases = 2 * config.heads * config.pair_bias
        lane, haul, reach = pairs[biases:].reshape((3, config.lane_heads, *distance.shape))
        return Static(
            statistics=statistics,
            node=self.place(fourier(nodes, config.frequencies)),
            coordinates=nodes,
            region=regions,
            bias_outbound=pairs[: config.heads] if config.pair_bias else None,
            bias_cost=pairs[config.heads : biases] if config.pair_bias else None,
            lane=lane - 2.0 * distance[None],
            haul=haul + distance[None],
            reach=jax.nn.sigmoid(reach + 2.0 - distance[None]),
        )

    def locations(
        self,
        static: Static,
        glance_views: Float[Array, "*b T Z"],
        calendar: Float[Array, "*b T E"],
        attributes: Float[Array, "*b T F"],
        active: Bool[Array, "*b T N"],
        sales: Float[Array, "*b T Z"] | None = None,
    ) -> Exogenous:
        """Encode the location stream: views, places, attributes; dates and sales by config.

        Args:
            static: Of the geography.
            glance_views: [*b, T, Z] page views.
            calendar: [*b, T, E].
            attributes: [*b, T, F].
            active: [*b, T, N] nodes that are open and serve customers.
            sales: [*b, T, Z] units ordered, for the variant that sees them.

        Returns:
            Leaves [*b, T, ...]. Period t depends on periods up to t.

        Raises:
            ValueError: If sales are given to a variant that does not see them, or missing.
        """
        if (sales is not None) != self.config.sales:
            raise ValueError(
                f"sales given is {sales is not None}, must be config.sales = {self.config.sales}"
            )
        stats, regions = static.statistics, glance_views.shape[-1]
        conversion = jnp.exp(attributes[..., self.config.conversion_column])
        orders = glance_views * conversion[..., None]
        total = jnp.sum(orders, axis=-1)
        scale = 1.0 + total / jnp.maximum(jnp.sum(active, axis=-1), 1)
        share = orders / (total[..., None] + 1e-6) * regions
        columns = [0.5 * jnp.log1p(glance_views), jnp.log1p(orders), jnp.log1p(share)]
        if sales is not None:
            columns += [jnp.log1p(sales), jnp.log((sales + 0.5) / (orders + 0.5))]
        own = jnp.stack(columns, axis=-1)
        place = static.region.reshape((1,) * (own.ndim - 2) + static.region.shape)
        product = _normalise(attributes, stats.attributes_mean, stats.attributes_scale)
        known = [product, jnp.log(scale)[..., None]]
        if self.config.calendar:
            known.append(_normalise(calendar, stats.calendar_mean, stats.calendar_scale))
        shared = jnp.concatenate(known, axis=-1)
        spread = [
            jnp.broadcast_to(place, (*own.shape[:-1], 2)),
            jnp.broadcast_to(shared[..., None, :], (*own.shape[:-1], shared.shape[-1])),
        ]
        tokens = self.location_encoder.window(jnp.concatenate([own, *spread], axis=-1))
        for block in self.location_blocks:
            tokens = block(tokens, None)
        keys_outbound, values_outbound = self.cross_outbound.memory(tokens)
        keys_cost, values_cost = self.cross_cost.memory(tokens)
        query, modulation = jnp.zeros((*tokens.shape[:-1], 0, 0)), jnp.ones(tokens.shape[:-1])
        ranges = jnp.zeros((*scale.shape, 0))
        if self.lanes is not None:
            query, modulation = self.lanes.regions(tokens)
            ranges = self.lanes.ranges(product)
        return Exogenous(
            active=active,
            scale=scale,
            context=self.context(shared),
            keys_outbound=keys_outbound,
            values_outbound=values_outbound,
            keys_cost=keys_cost,
            values_cost=values_cost,
            lane_query=query,
            lane_range=ranges,
            demand=orders * modulation,
            usual=usual(orders, self.config.usual_decay),
        )

    def exogenous(self, static: Static, inputs: Inputs) -> Exogenous:
        """Encode the location stream of a window; see ``locations``."""
        return self.locations(
            static,
            inputs.glance_views,
            inputs.calendar,
            inputs.attributes,
            inputs.active,
            inputs.sales if self.config.sales else None,
        )

    def node_features(
        self, static: Static, outbound: Array, ship_cost: Array, available: Array
    ) -> Float[Array, "*b N 6"]:
        """Return the node stream's inputs: last period's drain and this period's stock.

        Args:
            static: Of the geography.
            outbound: [*b, N] units of the period before.
            ship_cost: [*b, N] currency of the period before.
            available: [*b, N] units of this period.

        Returns:
            [*b, N, 6].
        """
        lead = available.ndim - 1
        columns = [
            0.5 * jnp.log1p(outbound),
            0.25 * jnp.log1p(ship_cost),
            0.5 * jnp.log1p(available),
            jnp.minimum(available, 1.0),
        ]
        place = jnp.broadcast_to(
            static.coordinates.reshape((1,) * lead + static.coordinates.shape),
            (*available.shape, 2),
        )
        return jnp.concatenate([jnp.stack(columns, axis=-1), place], axis=-1)

    def encode(self, static: Static, inputs: Inputs) -> Float[Array, "*b T N W"]:
        """Encode the nodes' past by causal convolutions over a window of teacher-forced drain."""
        before = [(0, 0)] * (inputs.outbound.ndim - 2) + [(1, 0), (0, 0)]
        outbound = jnp.pad(inputs.outbound, before)[..., :-1, :]
        ship_cost = jnp.pad(inputs.ship_cost, before)[..., :-1, :]
        features = self.node_features(static, outbound, ship_cost, inputs.available)
        return self.node_encoder.window(features)

    def embed(self, static: Static, exogenous: Exogenous, past: Array, available: Array) -> Nodes:
        """Let nodes meet each other and the regions.

        Args:
            static: Of the geography.
            exogenous: Leaves [*b, ...].
            past: [*b, N, W] encoded past and present of the nodes.
            available: [*b, N] units.

        Returns:
            What the heads need of the nodes.
        """
        lead = available.ndim - 1
        active = exogenous.active
        available = jnp.where(active, available, 0.0)
        relative = available / exogenous.scale[..., None]
        now = jnp.stack(
            [jnp.log1p(available), jnp.log1p(relative), relative / (1.0 + relative)], axis=-1
        )
        place = static.node.reshape((1,) * lead + static.node.shape)
        tokens = past + place + exogenous.context[..., None, :] + self.now(now)
        for block in self.node_blocks:
            tokens = block(tokens, active)
        tokens = tokens + self.cross_outbound.attend(
            tokens, exogenous.keys_outbound, exogenous.values_outbound, static.bias_outbound
        )
        routed, mean = jnp.zeros((*available.shape, 0)), jnp.zeros_like(available)
        served = mean
        if self.lanes is not None:
            routed, mean, served = self.lanes(
                tokens,
                exogenous.lane_query,
                exogenous.lane_range,
                exogenous.demand,
                exogenous.usual,
                exogenous.scale,
                available,
                active,
                static.lane,
                static.haul,
                static.reach,
            )
        return Nodes(tokens=tokens, routed=routed, mean=mean, served=served)

    def joint(
        self, exogenous: Exogenous, nodes: Nodes, available: Float[Array, "*b N"]
    ) -> Independent | Copula | Coherent:
        """Return the distribution of all nodes' outbound units.

        Plain head: logits, and softplus gaps between the tail's quantiles, in units of
        ``exogenous.scale``. With lanes a head corrects a count distribution around the mean that
        they route to the node, or, for the network's total, around what they have stock for.
        """
        known = jnp.concatenate([nodes.tokens, nodes.routed], axis=-1)
        if self.config.joint == "coherent":
            return self._coherent(exogenous, nodes, known, available)
        dist = self._hybrid(self.outbound_mlp(known), nodes.mean, exogenous.scale[..., None])
        if self.config.joint == "independent":
            return Independent(dist=dist, cap=self.config.cap)
        # Dependence is read off the tokens; they are what the nodes' own losses make them.
        raw = self.factors(jax.lax.stop_gradient(nodes.tokens))
        own = jax.nn.softplus(raw[..., -1] + 0.5) + 1e-2
        return Copula(dist=dist, factors=raw[..., :-1], own=own, cap=self.config.cap)

    def _hybrid(self, raw: Array, mean: Array, scale: Array) -> Hybrid:
        atoms = self.config.num_atoms
        values, dispersion, factor = raw[..., : atoms + NUM_LEVELS], raw[..., -2], raw[..., -1]
        if self.lanes is None:
            gaps = jax.nn.softplus(values[..., atoms:] - 1.0) * scale[..., None]
            return hybrid(values[..., :atoms], gaps)
        mean = (mean + 1e-2) * jnp.exp(2.0 * jnp.tanh(0.5 * factor))
        dispersion = jax.nn.softplus(dispersion - 3.0) + 1e-3
        logits, gaps = count_base(mean, dispersion, atoms)
        stretch = jnp.exp(2.0 * jnp.tanh(0.5 * values[..., atoms:]))
        return hybrid(logits + values[..., :atoms], gaps * stretch)

    def _coherent(
        self, exogenous: Exogenous, nodes: Nodes, known: Array, available: Array
    ) -> Coherent:
        active = exogenous.active
        stock = jnp.where(active, available, 0.0)
        open_nodes = jnp.maximum(jnp.sum(active, axis=-1), 1)
        pooled = jnp.sum(jnp.where(active[..., None], nodes.tokens, 0.0), axis=-2)
        orders, served = jnp.sum(exogenous.demand, axis=-1), jnp.sum(nodes.served, axis=-1)
        total_stock = jnp.sum(stock, axis=-1)
        facts = [
            jnp.log1p(orders),
            jnp.log((total_stock + 1.0) / (orders + 1.0)),
            jnp.log((served + 1.0) / (orders + 1.0)),
        ]
        pooled = pooled / open_nodes[..., None]
        raw = self.total_mlp(jnp.concatenate([pooled, jnp.stack(facts, axis=-1)], axis=-1))
        total = self._hybrid(raw[..., :-1], served, exogenous.scale * open_nodes)
        lean = self.share_mlp(known)[..., 0]
        if self.lanes is not None:
            lean = 2.0 * jnp.tanh(0.5 * lean) + jnp.log(nodes.served + 1e-2)
        return Coherent(total=total, log_share=lean, log_concentration=raw[..., -1] + 3.0)

    def cost(
        self, static: Static, exogenous: Exogenous, nodes: Nodes, units: Array
    ) -> Float[Array, "*b N 9"]:
        """Return quantiles of the log cost of a unit, given the units shipped.

        Args:
            static: Of the geography.
            exogenous: Leaves [*b, ...].
            nodes: Of ``embed``.
            units: [*b, N] shipped: actual ones in training, sampled ones in a rollout.

        Returns:
            [*b, N, 9] at ``heads.LEVELS``.
        """
        given = jnp.stack(
            [jnp.log1p(units), units / exogenous.scale[..., None], 1.0 / (1.0 + units)], axis=-1
        )
        query = self.cost_query(jnp.concatenate([nodes.tokens, nodes.routed, given], axis=-1))
        query = query + self.cross_cost.attend(
            query, exogenous.keys_cost, exogenous.values_cost, static.bias_cost
        )
        raw = self.cost_mlp(jnp.concatenate([query, nodes.routed], axis=-1))
        stats = static.statistics
        return cost_knots(raw, stats.log_cost_mean, stats.log_cost_scale)

    def __call__(
        self, static: Static, inputs: Inputs
    ) -> tuple[Independent | Copula | Coherent, Float[Array, "*b T N 9"]]:
        """Run a teacher-forced window.

        Args:
            static: Of the geography.
            inputs: Leaves [*b, T, ...].

        Returns:
            The nodes' joint [*b, T], and the cost's log quantiles given the actual outbound.
            Period t depends on drain before t, and on stock and views up to t.
        """
        exogenous = self.exogenous(static, inputs)
        past = self.encode(static, inputs)
        nodes = self.embed(static, exogenous, past, inputs.available)
        joint = self.joint(exogenous, nodes, inputs.available)
        return joint, self.cost(static, exogenous, nodes, inputs.outbound)


def _normalise(values: Array, mean: Array, scale: Array) -> Array:
    lead = (1,) * (values.ndim - 1)
    z = (values - mean.reshape(lead + mean.shape)) / scale.reshape(lead + scale.shape)
    return jnp.clip(z, -_CLIP, _CLIP)

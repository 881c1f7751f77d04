"""The network: causal encoders, attention within and across streams, lanes, heads.

Every method takes any leading axes ``*b`` (products, periods), so the window that is trained on
and the single step of a rollout run the same code; only the convolutions differ, and they agree.

Order of a forward pass: ``locations`` (regions; knows no stock), ``encode`` (nodes' past),
``embed`` (nodes meet nodes and regions), ``joint``, then ``cost`` given the outbound units. What
goes in is computed in ``features.py``, and what comes out becomes a distribution in ``heads.py``.

Source: Outbound, section 4.4 and Appendix A.4. Additions: pair biases, lanes, attributes.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from draingym.drain_model.config import DrainConfig
from draingym.drain_model.data.dataset import Geography, Inputs
from draingym.drain_model.data.statistics import Statistics
from draingym.drain_model.distributions.coherent import Coherent
from draingym.drain_model.distributions.copula import Copula
from draingym.drain_model.distributions.cost_quantiles import cost_knots
from draingym.drain_model.distributions.hybrid import Hybrid
from draingym.drain_model.distributions.independent import Independent
from draingym.drain_model.distributions.levels import NUM_LEVELS
from draingym.drain_model.network import features, heads
from draingym.drain_model.network.blocks import MLP, Attention, CausalStack, dense, mixing_blocks
from draingym.drain_model.network.lanes import Lanes, PairNetwork, fourier, usual
from draingym.drain_model.network.types import Exogenous, Nodes, Static


class DrainNetwork(nnx.Module):
    """The network in the variant that the config names; with ``lane_heads`` 0, the paper's."""

    def __init__(self, config: DrainConfig, num_calendar: int, num_attributes: int) -> None:
        """Make the modules; their kernels are zero.

        Args:
            config: Variant and sizes.
            num_calendar: Calendar features, ``E``.
            num_attributes: Product attributes, ``F``.

        Raises:
            ValueError: If the config's conversion column is not an attribute.
        """
        if config.conversion_column >= num_attributes:
            raise ValueError(
                f"config.conversion_column is {config.conversion_column}, must be below the "
                f"number of attributes = {num_attributes}"
            )
        width, sizes = config.width, (config, num_calendar, num_attributes)
        self.config = config
        self.node_encoder = CausalStack(config, features.NUM_NODE)
        self.location_encoder = CausalStack(config, features.num_location(*sizes))
        self.place = MLP(config, 4 * config.frequencies + 2, width, width, 2)
        self.context = dense(features.num_shared(*sizes), width)
        self.now = dense(features.NUM_NOW, width)
        self.node_blocks = mixing_blocks(config, config.node_blocks)
        self.location_blocks = mixing_blocks(config, config.location_blocks)
        outputs = 2 * config.heads * config.pair_bias + 3 * config.lane_heads
        self.pairs = PairNetwork(config, outputs) if outputs else None
        self.cross_outbound = Attention(config)
        self.lanes = Lanes(config, num_attributes) if config.lane_heads else None
        known = width + Lanes.features(config)
        channels = heads.count_channels(config.num_atoms)
        if config.joint == "coherent":
            pooled = width + features.NUM_TOTAL
            self.total_mlp = MLP(config, pooled, width, channels, 3)
            self.share_mlp = MLP(config, known, width, 2, 3)
        else:
            self.outbound_mlp = MLP(config, known, width, channels, 3)
        if config.joint == "copula":
            self.factors = dense(width, config.copula_rank + 1)
        self.cost_query = dense(known + features.NUM_COST, width)
        self.cross_cost = Attention(config)
        self.cost_mlp = MLP(config, known, width, NUM_LEVELS, 3)

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
        known = features.locations_of(
            self.config, static, glance_views, calendar, attributes, active, sales
        )
        tokens = self.location_encoder.window(known.tokens)
        for block in self.location_blocks:
            tokens = block(tokens, None)
        keys_outbound, values_outbound = self.cross_outbound.memory(tokens)
        keys_cost, values_cost = self.cross_cost.memory(tokens)
        query, modulation = jnp.zeros((*tokens.shape[:-1], 0, 0)), jnp.ones(tokens.shape[:-1])
        ranges = jnp.zeros((*known.scale.shape, 0))
        if self.lanes is not None:
            query, modulation = self.lanes.regions(tokens)
            ranges = self.lanes.ranges(known.attributes)
        return Exogenous(
            active=active,
            scale=known.scale,
            context=self.context(known.shared),
            keys_outbound=keys_outbound,
            values_outbound=values_outbound,
            keys_cost=keys_cost,
            values_cost=values_cost,
            lane_query=query,
            lane_range=ranges,
            demand=known.orders * modulation,
            usual=usual(known.orders, self.config.usual_decay),
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

    def encode(self, static: Static, inputs: Inputs) -> Float[Array, "*b T N W"]:
        """Encode the nodes' past by causal convolutions over a window of teacher-forced drain."""
        before = [(0, 0)] * (inputs.outbound.ndim - 2) + [(1, 0), (0, 0)]
        outbound = jnp.pad(inputs.outbound, before)[..., :-1, :]
        ship_cost = jnp.pad(inputs.ship_cost, before)[..., :-1, :]
        known = features.node_features(static, outbound, ship_cost, inputs.available)
        return self.node_encoder.window(known)

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
        place = static.node.reshape((1,) * lead + static.node.shape)
        now = self.now(features.now_features(available, exogenous.scale))
        tokens = past + place + exogenous.context[..., None, :] + now
        for block in self.node_blocks:
            tokens = block(tokens, active)
        tokens = tokens + self.cross_outbound.attend(
            tokens, exogenous.keys_outbound, exogenous.values_outbound, static.bias_outbound
        )
        routed, mean = jnp.zeros((*available.shape, 0)), jnp.zeros_like(available)
        served, flow = mean, None
        if self.lanes is not None:
            routed, mean, served, flow = self.lanes(
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
        return Nodes(tokens=tokens, routed=routed, mean=mean, served=served, flow=flow)

    def joint(
        self, exogenous: Exogenous, nodes: Nodes, available: Float[Array, "*b N"]
    ) -> Independent | Copula | Coherent:
        """Return the distribution of all nodes' outbound units."""
        known = jnp.concatenate([nodes.tokens, nodes.routed], axis=-1)
        if self.config.joint == "coherent":
            return self._coherent(exogenous, nodes, known, available)
        dist = self._count(self.outbound_mlp(known), nodes.mean, exogenous.scale[..., None])
        if self.config.joint == "independent":
            return Independent(dist=dist, cap=self.config.cap)
        # Dependence is read off the tokens; they are what the nodes' own losses make them.
        raw = self.factors(jax.lax.stop_gradient(nodes.tokens))
        return heads.copula(raw, dist, self.config.cap)

    def _count(self, raw: Array, mean: Array, scale: Array) -> Hybrid:
        if self.lanes is None:
            return heads.plain_count(raw, scale, self.config.num_atoms)
        return heads.routed_count(raw, mean, self.config.num_atoms)

    def _coherent(
        self, exogenous: Exogenous, nodes: Nodes, known: Array, available: Array
    ) -> Coherent:
        active = exogenous.active
        open_nodes = jnp.maximum(jnp.sum(active, axis=-1), 1)
        pooled = jnp.sum(jnp.where(active[..., None], nodes.tokens, 0.0), axis=-2)
        orders, served = jnp.sum(exogenous.demand, axis=-1), jnp.sum(nodes.served, axis=-1)
        stock = jnp.sum(jnp.where(active, available, 0.0), axis=-1)
        facts = features.total_features(orders, served, stock)
        raw = self.total_mlp(jnp.concatenate([pooled / open_nodes[..., None], facts], axis=-1))
        total = self._count(raw, served, exogenous.scale * open_nodes)
        log_share, log_concentration = jnp.moveaxis(self.share_mlp(known), -1, 0)
        if self.lanes is not None:
            log_share = heads.routed_share(log_share, nodes.served)
        return Coherent(total=total, log_share=log_share, log_concentration=log_concentration + 3.0)

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
            [*b, N, 9] at ``distributions.levels.LEVELS``.
        """
        given = features.cost_features(units, exogenous.scale)
        query = self.cost_query(jnp.concatenate([nodes.tokens, nodes.routed, given], axis=-1))
        query = query + self.cross_cost.attend(
            query, exogenous.keys_cost, exogenous.values_cost, static.bias_cost
        )
        raw = self.cost_mlp(jnp.concatenate([query, nodes.routed], axis=-1))
        stats = static.statistics
        return cost_knots(raw, stats.log_cost_mean, stats.log_cost_scale)

    def window(
        self, static: Static, inputs: Inputs
    ) -> tuple[Independent | Copula | Coherent, Float[Array, "*b T N 9"], Nodes]:
        """Run a teacher-forced window.

        Args:
            static: Of the geography.
            inputs: Leaves [*b, T, ...].

        Returns:
            The nodes' joint [*b, T], the cost's log quantiles given the actual outbound, and what
            the heads were given of the nodes. Period t depends on drain before t, and on stock and
            views up to t.
        """
        exogenous = self.exogenous(static, inputs)
        past = self.encode(static, inputs)
        nodes = self.embed(static, exogenous, past, inputs.available)
        joint = self.joint(exogenous, nodes, inputs.available)
        return joint, self.cost(static, exogenous, nodes, inputs.outbound), nodes

    def __call__(
        self, static: Static, inputs: Inputs
    ) -> tuple[Independent | Copula | Coherent, Float[Array, "*b T N 9"]]:
        """Return the distributions of a teacher-forced window; see ``window``."""
        return self.window(static, inputs)[:2]

"""The learned drain as the simulator's transition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from draingym.drain_model.checkpoint import Checkpoint, Weights, graph_definition
from draingym.drain_model.config import DrainConfig
from draingym.drain_model.data.dataset import Geography
from draingym.drain_model.distributions.cost_quantiles import cost_ppf
from draingym.drain_model.distributions.joints import JOINTS, Joint
from draingym.drain_model.network.drain_network import DrainNetwork
from draingym.drain_model.network.features import node_features
from draingym.drain_model.network.types import Exogenous, Static
from draingym.simulator import Drain, History, Series, straight_through


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class LearnedParams:
    """What ``LearnedDrain`` is run with: the model, and the nodes it is run on."""

    weights: Weights
    static: Static
    serves: Bool[Array, " N"]  # whether customers are served from the node
    active_from: Int[Array, " N"]  # first period in which the node exists


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """What a step needs of the past."""

    outbound: Float[Array, " N"]  # units of the last period
    ship_cost: Float[Array, " N"]  # currency of the last period
    caches: tuple[Float[Array, "R N C"], ...]  # last inputs of every convolution


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnedDrain:
    """The drain model as a ``DrainKernel``: location stream once a scenario, cached steps.

    Uniforms: those of the joint of all nodes' units
    (``draingym.drain_model.distributions.joints``), then N for the cost of a unit. Demand is not
    modelled apart from drain, so ``lost`` and ``waiting`` are 0.

    Stock that is not in whole units is drained up to its whole part.

    Source: Outbound, section 4; METHODS sections 2 and 4.
    """

    config: DrainConfig
    num_calendar: int
    num_attributes: int
    num_nodes: int

    @classmethod
    def bind(
        cls,
        checkpoint: Checkpoint,
        geography: Geography,
        serves: Bool[Array, " N"],
        active_from: Int[Array, " N"],
    ) -> tuple[LearnedDrain, LearnedParams]:
        """Return the kernel and its parameters for a network of nodes.

        Args:
            checkpoint: A trained model.
            geography: Of the nodes and regions to run on.
            serves: [N] whether customers are served from the node.
            active_from: [N] first period in which the node exists.

        Returns:
            The kernel, and what goes into ``Params.kernel``.

        Raises:
            ValueError: If the sizes disagree.
        """
        nodes = int(jnp.shape(geography.node_coordinates)[0])
        for name, found in (("serves", serves), ("active_from", active_from)):
            if jnp.shape(found) != (nodes,):
                raise ValueError(f"{name} has shape {jnp.shape(found)}, must be {(nodes,)}")
        weights = jax.device_put(checkpoint.weights)
        static = checkpoint.static(geography)
        kernel = cls(
            config=checkpoint.config,
            num_calendar=checkpoint.num_calendar,
            num_attributes=checkpoint.num_attributes,
            num_nodes=nodes,
        )
        params = LearnedParams(
            weights=weights,
            static=static,
            serves=jax.device_put(np.asarray(serves, bool)),
            active_from=jax.device_put(np.asarray(active_from, np.int32)),
        )
        return kernel, params

    @property
    def num_uniforms(self) -> int:
        """How many uniforms a period's draw uses."""
        joint = JOINTS[self.config.joint]
        return joint.num_uniforms(self.num_nodes, self.config.copula_rank) + self.num_nodes

    @property
    def backlog(self) -> bool:
        """No: demand is not modelled apart from drain."""
        return False

    def _network(self, params: LearnedParams) -> DrainNetwork:
        definition = graph_definition(self.config, self.num_calendar, self.num_attributes)
        network: DrainNetwork = nnx.merge(definition, params.weights)
        return network

    def prepare(self, params: LearnedParams, series: Series) -> Exogenous:
        """Encode the location stream of all periods: it knows no stock.

        Raises:
            ValueError: If calendar or attributes are not those of the checkpoint.
        """
        for name, bound in (("calendar", self.num_calendar), ("attributes", self.num_attributes)):
            found = getattr(series, name).shape[-1]
            if found != bound:
                raise ValueError(f"series.{name} has {found} features, must be {bound}")
        active = params.serves[None, :] & (series.period[:, None] >= params.active_from[None, :])
        return self._network(params).locations(
            params.static, series.glance_views, series.calendar, series.attributes, active
        )

    def init(self, params: LearnedParams, history: History) -> Memory:
        """Fill the caches from the drain before the trajectory, oldest period first.

        Exact from ``config.receptive_field + 1`` periods of history on; before the history
        everything counts as zero, as before the first period in training.
        """
        network = self._network(params)
        nodes = params.serves.shape[0]
        zero = jnp.zeros((nodes,))
        memory = Memory(outbound=zero, ship_cost=zero, caches=network.node_encoder.initial(nodes))

        def body(memory: Memory, past: History) -> tuple[Memory, None]:
            caches, _ = self._encode(network, params, memory, past.available)
            kept = Memory(outbound=past.outbound, ship_cost=past.ship_cost, caches=caches)
            return kept, None

        memory, _ = jax.lax.scan(body, memory, history)
        return memory

    def _encode(
        self, network: DrainNetwork, params: LearnedParams, memory: Memory, available: Array
    ) -> tuple[tuple[Array, ...], Array]:
        features = node_features(params.static, memory.outbound, memory.ship_cost, available)
        return network.node_encoder.step(memory.caches, features)

    def drain(
        self,
        params: LearnedParams,
        memory: Memory,
        available: Float[Array, " N"],
        exogenous: Exogenous,
        uniforms: Float[Array, " K"],
    ) -> tuple[Memory, Drain]:
        """Draw one period: units of all nodes, at most their stock; then their cost.

        Gradients: of the units, see ``draingym.drain_model.distributions.joints``; the cost is
        differentiated as it is. Both also flow through what the network makes of stock and of past
        drain.
        """

        def draw(joint: Joint, whole: Array) -> Array:
            return joint.sample(whole, exogenous.active, uniforms[: -self.num_nodes])

        cost_uniforms = uniforms[-self.num_nodes :]
        return self.drain_by(draw, params, memory, available, exogenous, cost_uniforms)

    def drain_by(
        self,
        draw: Callable[[Joint, Float[Array, " N"]], Float[Array, " N"]],
        params: LearnedParams,
        memory: Memory,
        available: Float[Array, " N"],
        exogenous: Exogenous,
        cost_uniforms: Float[Array, " N"],
    ) -> tuple[Memory, Drain]:
        """Draw one period with units drawn by ``draw(joint, whole stock)``; see ``drain``."""
        network = self._network(params)
        caches, past = self._encode(network, params, memory, available)
        nodes = network.embed(params.static, exogenous, past, available)
        whole = straight_through(jnp.floor(available), available)
        units = draw(network.joint(exogenous, nodes, whole), whole)
        knots = network.cost(params.static, exogenous, nodes, units)
        cost = units * cost_ppf(knots, cost_uniforms)
        kept = Memory(outbound=units, ship_cost=cost, caches=caches)
        none = jnp.zeros_like(units)
        return kept, Drain(outbound=units, ship_cost=cost, lost=none, waiting=none)

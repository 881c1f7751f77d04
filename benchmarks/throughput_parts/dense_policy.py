"""A fully connected network from all stock to all requests, made for fast training on a processor.

Work is saved in the backward pass: the derivative of ``elu`` is computed from its value, and values
are kept (``simulator.KEPT``), so that neither exponentials nor products are computed twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from draingym.simulator import KEPT, Observation

Layers = list[tuple[Float[Array, "O I"], Float[Array, " O"]]]


@jax.custom_jvp
def elu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return ``z`` where it is positive, else ``exp(z) - 1``.

    Gradients: exact; at 0 it is 1 from both sides.
    """
    return jnp.where(z > 0, z, jnp.exp(jnp.minimum(z, 0.0)) - 1.0)


@elu.defjvp
def _elu_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    value = checkpoint_name(elu(primals[0]), KEPT)
    return value, (jnp.minimum(value, 0.0) + 1.0) * tangents[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class DensePolicy:
    """A network of ELU layers that sees every node's stock and transit, and requests for all.

    Inputs are the net stock when customers come (on hand, due, less waiting) and what is due later,
    outputs are softplus; both in multiples of ``scale``.

    Attributes:
        num_nodes: Nodes of the network, ``N``.
        lead_time: Rows of the pipeline, ``L``.
        scale: Units, such as a period's mean demand.
        width: Of the hidden layers.
        depth: How many hidden layers.

    Gradients:
        Exact.
    """

    num_nodes: int
    lead_time: int
    scale: float = 1.0
    width: int = 32
    depth: int = 3

    def __post_init__(self) -> None:
        """Check the bounds."""
        for name, bound in (("num_nodes", 1), ("lead_time", 0), ("width", 1), ("depth", 1)):
            if getattr(self, name) < bound:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least {bound}")
        if not self.scale > 0:
            raise ValueError(f"scale is {self.scale}, must be above 0 units")

    def init(self, key: Array) -> Layers:
        """Return weights with a variance of one over their inputs, and biases of zero."""
        inputs = self.num_nodes * max(self.lead_time, 1)
        sizes = [inputs, *[self.width] * self.depth, self.num_nodes]
        keys = jax.random.split(key, self.depth + 1)
        return [
            (jax.random.normal(key, (out, into)) * into**-0.5, jnp.zeros(out))
            for key, (into, out) in zip(keys, pairwise(sizes), strict=True)
        ]

    def apply(self, params: Layers, observation: Observation, key: Array) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        due, later = observation.pipeline[:1], observation.pipeline[1:]
        stock = observation.on_hand - observation.waiting + jnp.sum(due, axis=0)
        x = jnp.concatenate([stock, jnp.ravel(later)]) * (1.0 / self.scale)
        for weight, bias in params[:-1]:
            x = elu(weight @ x + bias)
        weight, bias = params[-1]
        return self.scale * jax.nn.softplus(weight @ x + bias)

"""A plain network: a policy for the classic problems, and the value function of the trainers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.policies.networks.orthogonal import dense
from draingym.policies.task import Task, seen
from draingym.policies.tree import require_fit
from draingym.simulator import Observation, PyTree

# softplus of this is 1.
_ONE = log(2.718281828459045 - 1.0)


def features(observation: Observation) -> Float[Array, " F"]:
    """Return a flat view of what is seen: units in periods of forecast demand, then the rest.

    >>> from draingym.policies.task import SampledTask, seen
    >>> from draingym.simulator import single_store
    >>> simulator, params, sample = single_store(lead_time=2)
    >>> jax.eval_shape(features, seen(SampledTask(params=params, simulator=simulator,
    ...     sample=sample))).shape
    (7,)
    """
    demand = jnp.maximum(jnp.sum(observation.forecast), 1e-3)
    units = [observation.on_hand, observation.pipeline, observation.waiting, observation.owed]
    units += [observation.gate, observation.door, observation.parts]
    units += [observation.ages, observation.queue, observation.demand]
    flat = jnp.concatenate([jnp.ravel(leaf) for leaf in units if leaf is not None]) / demand
    rest = [jnp.stack([jnp.log(demand), observation.price, observation.unit_cost])]
    rest += [jnp.ravel(observation.attributes), jnp.ravel(observation.calendar)]
    return jnp.concatenate([flat, *rest])


def num_features(task: Task) -> int:
    """Return how many entries ``features`` has on a task."""
    return int(jax.eval_shape(features, seen(task)).shape[0])


def _require_inputs(who: str, inputs: int, flat: Float[Array, " F"]) -> None:
    """Raise ``ValueError`` unless ``features`` has as many entries as a network takes."""
    if inputs != flat.shape[0]:
        raise ValueError(
            f"{who} is for {inputs} inputs, must be for {flat.shape[0]}: what it sees of nodes, "
            "periods of lead time, attributes and calendar"
        )


def _init_layers(key: Array, sizes: Sequence[int]) -> list[dict[str, Array]]:
    """Return dense layers with orthogonal weights; the last layer's are a hundredth of those.

    Args:
        key: Random key.
        sizes: Of the input, every hidden layer, and the output.
    """
    layers = []
    for i, key_layer in enumerate(jax.random.split(key, len(sizes) - 1)):
        gain = 0.01 if i == len(sizes) - 2 else 2**0.5
        layers.append(dense(key_layer, sizes[i], sizes[i + 1], gain))
    return layers


def _run_layers(layers: list[dict[str, Array]], x: Float[Array, " F"]) -> Float[Array, " O"]:
    """Return the output of dense layers with SiLU between them."""
    for layer in layers[:-1]:
        x = jax.nn.silu(x @ layer["weight"] + layer["bias"])
    return x @ layers[-1]["weight"] + layers[-1]["bias"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MLPPolicy:
    """Requests as a plain network of everything seen.

    ``request_n = demand * softplus(output_n)`` with the total forecast demand; a new policy
    requests about the demand of a period for every node, or on every arc where a node may have
    several. Nodes share nothing: for trees whose nodes come and go, use ``NeuralPlacement``.

    Gradients: exact; smooth in the state.
    """

    nodes: int
    inputs: int  # of ``features``
    hidden: tuple[int, ...] = (32, 32)
    arcs: int | None = None  # that it requests on; None is one a node

    @classmethod
    def for_task(cls, task: Task, hidden: tuple[int, ...] = (32, 32)) -> MLPPolicy:
        """Return a policy with the sizes of a task."""
        nodes = int(task.params.active_from.shape[0])
        arcs = None if task.params.target is None else int(task.params.source.shape[0])
        return cls(nodes=nodes, inputs=num_features(task), hidden=hidden, arcs=arcs)

    def init(self, key: Array) -> PyTree:
        """Return initial weights."""
        outputs = self.nodes if self.arcs is None else self.arcs
        return _init_layers(key, (self.inputs, *self.hidden, outputs))

    def apply(self, params: PyTree, observation: Observation, key: Array) -> Float[Array, " E"]:
        """Return the units each node requests from its parent, or those requested on each arc."""
        del key
        require_fit(observation, nodes=self.nodes)
        flat = features(observation)
        _require_inputs("policy", self.inputs, flat)
        output = _run_layers(params, flat)
        return jnp.sum(observation.forecast) * jax.nn.softplus(output + _ONE)


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueNetwork:
    """What is still to come, as a plain network of everything seen and the periods left.

    Values are in units of the trainer's scale.
    """

    inputs: int  # of ``features``
    hidden: tuple[int, ...] = (32, 32)

    def init(self, key: Array) -> PyTree:
        """Return initial weights."""
        return _init_layers(key, (self.inputs + 1, *self.hidden, 1))

    def apply(
        self, params: PyTree, observation: Observation, left: Float[Array, ""]
    ) -> Float[Array, ""]:
        """Return the value at an observation.

        Args:
            params: Weights.
            observation: Before the period.
            left: Share of the rollout's periods that are left, in [0, 1]; 0 where it never ends.
        """
        flat = features(observation)
        _require_inputs("value network", self.inputs, flat)
        seen_now = jnp.concatenate([flat, left[None]])
        value: Array = _run_layers(params, seen_now)[0]
        return value

"""A policy in a Gymnasium environment: from observation arrays to bounded actions, checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from draingym.simulator import FunctionalEnv, Observation, Policy, PyTree, check_requests
from draingym.simulator.adapters.functional import View


def require_acts(what: str, policy: Policy, params: PyTree, observation: Observation) -> None:
    """Raise unless a policy acts on what it is shown; nothing is computed but shapes.

    Args:
        what: What the policy is called in errors, such as by its file.
        policy: What acts.
        params: Its parameters.
        observation: What it is shown, or the shapes of it.

    Raises:
        ValueError: If it was made for another network, or for other products, naming it and what
            differs.
    """
    nodes = observation.on_hand.shape[0]
    shown = (params, observation, jax.random.key(0))
    _require_requests(what, "network", nodes, policy.apply, shown)


def _require_requests(
    what: str, where: str, nodes: int, act: Callable[..., Array], shown: tuple[Any, ...]
) -> None:
    """Raise ``ValueError`` unless what a policy returns is a request for every node."""
    try:
        made = jax.eval_shape(act, *shown)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} does not act on the {where}'s {nodes} nodes: {error}") from error
    if made.shape != (nodes,):
        raise ValueError(
            f"{what} requests units for {made.shape} nodes, must be ({nodes},), the {where}'s"
        )


class Agent:
    """Lets a policy act in ``InventoryEnv`` and ``InventoryVectorEnv``, unchanged.

    An observation is turned back into what the simulator shows a policy, and the units that it
    requests into the environment's action. Requests above the environment's ``max_action`` are cut
    to it.

    Args:
        env: The environment, or its ``FunctionalEnv``.
        policy: What acts.
        params: Its parameters.
        seed: For policies that draw at random.

    Raises:
        ValueError: If the policy does not act on the environment's nodes.

    Example:
        >>> import jax, simulator, draingym
        >>> from draingym.policies import Agent, BaseStock
        >>> env = simulator.InventoryEnv(simulator.make("draingym/SingleStore-v0"))
        >>> agent = Agent(env, BaseStock(), jax.numpy.float32(12.0))
        >>> action = agent(env.reset(seed=0)[0])
    """

    def __init__(self, env: Any, policy: Policy, params: PyTree, *, seed: int = 0) -> None:
        """Compile nothing yet; see the class."""
        unwrapped = getattr(env, "unwrapped", env)
        functional: FunctionalEnv = getattr(unwrapped, "functional", unwrapped)
        self._params = params
        self._key = jax.random.key(seed)
        self._period = 0

        def request(params: PyTree, view: View, key: Array) -> Float[Array, " N"]:
            return policy.apply(params, functional.read(view), key)

        def both(params: PyTree, view: View, key: Array) -> tuple[Array, Array]:
            wanted = request(params, view, key)
            return wanted, functional.unscale(wanted).astype(np.float32)

        def many(params: PyTree, view: View, key: Array) -> tuple[Array, Array]:
            keys = jax.random.split(key, len(jax.tree.leaves(view)[0]))
            wanted: tuple[Array, Array] = jax.vmap(both, in_axes=(None, 0, 0))(params, view, keys)
            return wanted

        self._one, self._many = jax.jit(both), jax.jit(many)
        shape = functional.observation_shape
        sizes = shape.items() if isinstance(shape, dict) else [("", shape)]
        view = {name: jax.ShapeDtypeStruct(size, np.float32) for name, size in sizes}
        _require_requests(
            "policy",
            "environment",
            functional.num_actions,
            request,
            (params, view if isinstance(shape, dict) else view[""], self._key),
        )

    def __call__(self, observation: Any) -> Any:
        """Return the action for an observation, or actions for a vector environment's.

        Args:
            observation: What ``reset`` or ``step`` returned: a vector or a dictionary of them, with
                a leading axis where the environment is one of many trajectories.

        Returns:
            float32 NumPy array; a JAX array where the observation is one.

        Raises:
            ValueError: If the policy requests a number of units that is not finite, or negative,
                naming node, call and value (not looked at where observations are JAX arrays, which
                stay on their device).
        """
        leaf = jax.tree.leaves(observation)[0]
        self._key, key = jax.random.split(self._key)
        act = self._one if leaf.ndim == 1 else self._many
        wanted, action = act(self._params, observation, key)
        period, self._period = self._period, self._period + 1
        if isinstance(leaf, jax.Array):
            return action
        check_requests(np.asarray(wanted)[..., None, :], start=period)
        return np.array(action)

"""A policy in a Gymnasium environment: from observation arrays to bounded actions, checked."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from draingym.common.arrays import require_range, require_seed, require_whole
from draingym.simulator import FunctionalEnv, Observation, Policy, PyTree, check_requests
from draingym.simulator.adapters.functional import View
from draingym.simulator.precision import real
from draingym.simulator.types import MOST_UNITS

# Shares of the requested units that were cut, from above which an agent says so, each once.
_SAID_FROM = (0.0, 0.01, 0.1)


class CutRequestsWarning(UserWarning):
    """The largest action of an environment is below what a policy requests.

    >>> import warnings
    >>> with warnings.catch_warnings():  # an error, where no request may be cut
    ...     warnings.simplefilter("error", CutRequestsWarning)
    """


def functional_of(env: Any) -> FunctionalEnv:
    """Return the pure functions behind an environment: Gymnasium's, ours, or these themselves.

    Raises:
        ValueError: If it is no environment of draingym.
    """
    unwrapped = getattr(env, "unwrapped", env)
    found = getattr(unwrapped, "functional", unwrapped)
    if not isinstance(found, FunctionalEnv):
        raise ValueError(f"env is a {type(env).__name__}, must be an environment of draingym")
    return found


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
    to it: ``cut_share`` is the share of all requested units that was, and a ``CutRequestsWarning``
    says so when the first unit is cut, at a hundredth and at a tenth of them. A policy whose
    requests are cut is another policy, and may rank otherwise: ``room_for`` chooses the bound from
    the policy.

    Args:
        env: The environment, or its ``FunctionalEnv``.
        policy: What acts.
        params: Its parameters.
        seed: For policies that draw at random.

    Raises:
        ValueError: If the policy does not act on the environment's nodes.

    Example:
        >>> import jax
        >>> from draingym import simulator
        >>> from draingym.policies import Agent, BaseStock
        >>> env = simulator.InventoryEnv(simulator.make("draingym/SingleStore-v0"))
        >>> agent = Agent(env, BaseStock(), jax.numpy.float32(12.0))
        >>> action = agent(env.reset(seed=0)[0])
    """

    def __init__(self, env: Any, policy: Policy, params: PyTree, *, seed: int = 0) -> None:
        """Compile nothing yet; see the class."""
        functional = functional_of(env)
        self._functional, self._policy, self._params = functional, policy, params
        self._key = jax.random.key(seed)
        self._period = 0
        self._name = type(policy).__name__
        self._units: Any = np.zeros(2, np.float32)  # requested so far, and cut
        self._said = 0  # shares of ``_SAID_FROM`` that were passed
        self._one, self._many = self._programs()
        shape = functional.observation_shape
        sizes = shape.items() if isinstance(shape, dict) else [("", shape)]
        view = {name: jax.ShapeDtypeStruct(size, np.float32) for name, size in sizes}
        _require_requests(
            "policy",
            "environment",
            functional.num_actions,
            self._request,
            (params, view if isinstance(shape, dict) else view[""], self._key),
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: no program, and the key as numbers."""
        numbers = jax.random.key_data(self._key)
        return {**self.__dict__, "_one": None, "_many": None, "_key": np.asarray(numbers)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Go on as the agent that was pickled."""
        self.__dict__.update(state)
        self._key = jax.random.wrap_key_data(jnp.asarray(state["_key"]))
        self._one, self._many = self._programs()

    def _request(self, params: PyTree, view: View, key: Array) -> Float[Array, " N"]:
        return self._policy.apply(params, self._functional.read(view), key)

    def _programs(self) -> tuple[Any, Any]:
        """Return the jitted actions of one trajectory, and of many."""
        functional, request = self._functional, self._request
        most = functional.max_action

        def both(params: PyTree, view: View, key: Array) -> tuple[Array, Array]:
            wanted = request(params, view, key)
            return wanted, functional.unscale(wanted).astype(np.float32)

        def one(params: PyTree, view: View, key: Array, units: Array) -> tuple[Array, Array, Array]:
            wanted, action = both(params, view, key)
            return wanted, action, units + _counted(wanted, most)

        def many(
            params: PyTree, view: View, key: Array, units: Array
        ) -> tuple[Array, Array, Array]:
            keys = jax.random.split(key, len(jax.tree.leaves(view)[0]))
            wanted, actions = jax.vmap(both, in_axes=(None, 0, 0))(params, view, keys)
            counted = jax.vmap(_counted, in_axes=(0, None))(wanted, most)
            return wanted, actions, units + jnp.sum(counted, axis=0)

        return jax.jit(one), jax.jit(many)

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
        wanted, action, self._units = act(self._params, observation, key, self._units)
        period, self._period = self._period, self._period + 1
        if isinstance(leaf, jax.Array):
            if period & self._period == 0:  # after 1, 2, 4, ... calls: to look waits for the device
                self._warn()
            return action
        check_requests(np.asarray(wanted)[..., None, :], start=period)
        self._warn()
        return np.array(action)

    @property
    def cut_share(self) -> float:
        """Share of the units requested so far that lay above ``max_action``, and were cut."""
        requested, cut = np.asarray(self._units, np.float64)
        return float(cut / requested) if requested > 0 else 0.0

    def _warn(self) -> None:
        """Say what share was cut, where it passed a bound that it had not passed before."""
        share = self.cut_share
        passed = sum(share > bound for bound in _SAID_FROM)
        if passed <= self._said:
            return
        self._said = passed
        warnings.warn(
            f"{self._name} requests more than the environment allows: {share:.2%} of its units "
            "so far were above max_action, and cut. What it earns so is not what it is worth: "
            "policies.room_for(env, policy, params) makes an environment that has room for it",
            CutRequestsWarning,
            stacklevel=3,
        )


def _counted(wanted: Float[Array, " A"], most: Any) -> Float[Array, " 2"]:
    """Return the units requested, and those above the bound."""
    above = jnp.maximum(wanted - real(most), 0.0)
    return jnp.stack([jnp.sum(wanted), jnp.sum(above)]).astype(jnp.float32)


def room_for(
    env: Any,
    policy: Policy,
    params: PyTree,
    *,
    episodes: int = 64,
    slack: float = 1.25,
    seed: int = 0,
) -> FunctionalEnv:
    """Return an environment whose largest action leaves room for what a policy requests.

    The policy is rolled out in the simulator, where nothing bounds it. An entry of ``max_action``
    becomes the largest request of any episode times ``slack``, where that is more than it was;
    entries that are no requests, such as a discount, stay.

    Args:
        env: The environment, or its ``FunctionalEnv``.
        policy: What is to act.
        params: Its parameters.
        episodes: That are played.
        slack: Factor on the largest request that was seen, at least 1.
        seed: Of the episodes.

    Returns:
        The environment with other bounds: for ``InventoryEnv``, ``InventoryVectorEnv`` and
        ``Agent``. An action of 1 is another number of units there: compare policies in one
        environment, made for the one that requests most.

    Raises:
        ValueError: If an argument is out of its bounds, or the policy requests what is negative or
            not finite.

    Example:
        >>> import jax
        >>> from draingym import simulator
        >>> from draingym.policies import BaseStock, room_for
        >>> store = simulator.make("draingym/SingleStore-v0")
        >>> roomy = room_for(store, BaseStock(), jax.numpy.float32(1000.0), episodes=2)
        >>> bool(roomy.max_action[0] > store.max_action[0])
        True
    """
    require_whole("episodes", episodes, low=1, high=100_000)
    require_range("slack", slack, low=1.0, high=1e6)
    require_seed(seed)
    functional = functional_of(env)
    arcs = functional.params.source.shape[0]

    @jax.jit
    def asked(params: PyTree, keys: Array) -> Array:
        def one(key: Array) -> Array:
            key_scenario, key_policy = jax.random.split(key)
            moves = functional.simulator.rollout(
                functional.params, policy, params, functional.sample(key_scenario), key_policy
            ).transitions
            return moves.action[:, :arcs]

        found: Array = jax.lax.map(one, keys)
        return found

    requests = np.asarray(asked(params, jax.random.split(jax.random.key(seed), episodes)))
    check_requests(requests, who=type(policy).__name__)
    bound = np.array(functional.max_action, np.float64)
    bound[:arcs] = np.maximum(bound[:arcs], slack * requests.max(axis=(0, 1)))
    if functional.simulator.dynamics.whole_units:
        bound[:arcs] = np.minimum(bound[:arcs], MOST_UNITS)
    return replace(functional, max_action=bound)

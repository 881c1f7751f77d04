"""The simulator as a regular Gymnasium environment: NumPy at the edge, one jitted call a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from simulator.core import Simulator
from simulator.dynamics import observe
from simulator.types import Observation, Params, Scenario, State, Transition

# Finite bound of every observation entry: Gymnasium warns about infinite boxes.
OBSERVATION_BOUND = 1e9

FloatVector = NDArray[np.float32]


def flatten_observation(observation: Observation) -> jax.Array:
    """Return the observation as one flat float32 vector, fields in their declared order."""
    leaves = jax.tree.leaves(observation)
    return jnp.concatenate([jnp.ravel(leaf).astype(jnp.float32) for leaf in leaves])


def observation_names(observation: Observation) -> tuple[str, ...]:
    """Return a name such as ``on_hand[3]`` for every entry of the flat observation."""
    names: list[str] = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(observation):
        field = jax.tree_util.keystr(path).lstrip(".")
        shape = np.shape(leaf)
        names += [field + "".join(f"[{i}]" for i in index) for index in np.ndindex(*shape)]
    return tuple(names)


class InventoryEnv(gymnasium.Env[FloatVector, FloatVector]):
    """One product in a network; an episode is one scenario.

    Actions are in [0, 1], one entry a node: the share of ``max_request`` to request from the
    node's parent. Rewards are currency. Episodes end by truncation when the scenario ends.

    Args:
        simulator: Dynamics and drain kernel.
        params: Their parameters.
        sample: Draws an episode's scenario from a key; all scenarios have the same shapes.
        max_request: [N] or scalar, units requested by an action entry of 1.
        render_mode: ``None``; kept for Gymnasium's signature.

    Raises:
        ValueError: If ``max_request`` is not positive and finite, or a render mode is asked for.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own signature

    def __init__(
        self,
        simulator: Simulator,
        params: Params,
        sample: Callable[[jax.Array], Scenario],
        max_request: ArrayLike,
        render_mode: str | None = None,
    ) -> None:
        """Compile nothing yet; see the class."""
        if render_mode is not None:
            raise ValueError(f"render_mode is {render_mode!r}, must be None")
        nodes = params.parent.shape[0]
        limit = np.broadcast_to(np.asarray(max_request, dtype=np.float32), (nodes,))
        if not (np.isfinite(limit).all() and (limit > 0).all()):
            raise ValueError(f"max_request is {max_request}, must be finite and above 0 units")
        self.render_mode = render_mode
        self._limit = jnp.asarray(limit)

        def reset(key: jax.Array) -> tuple[State, Scenario, jax.Array]:
            scenario = simulator.prepare(params, sample(key))
            state = simulator.reset(params, scenario)
            first = jax.tree.map(lambda leaf: leaf[0], scenario.series)
            return state, scenario, flatten_observation(observe(params, state, first))

        def step(
            state: State, scenario: Scenario, t: jax.Array, action: jax.Array
        ) -> tuple[State, Transition, jax.Array]:
            now = jax.tree.map(lambda leaf: leaf[t], scenario.series)
            state, transition = simulator.step(params, state, action * self._limit, now)
            horizon = scenario.series.period.shape[0]
            following = jax.tree.map(
                lambda leaf: leaf[jnp.minimum(t + 1, horizon - 1)], scenario.series
            )
            return state, transition, flatten_observation(observe(params, state, following))

        self._reset = jax.jit(reset)
        self._step = jax.jit(step)
        shapes = jax.eval_shape(reset, jax.random.key(0))
        self._horizon = int(shapes[1].series.period.shape[0])
        self.observation_space = gymnasium.spaces.Box(
            -OBSERVATION_BOUND, OBSERVATION_BOUND, shapes[2].shape, np.float32
        )
        self.action_space = gymnasium.spaces.Box(0.0, 1.0, (nodes,), np.float32)
        self._episode: tuple[State, Scenario] | None = None
        self._t = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatVector, dict[str, Any]]:
        """Start an episode on a scenario drawn with Gymnasium's own generator."""
        super().reset(seed=seed)
        del options
        key = jax.random.key(int(self.np_random.integers(2**31)))
        state, scenario, observation = self._reset(key)
        self._episode, self._t = (state, scenario), 0
        return np.array(observation), {}

    def step(self, action: FloatVector) -> tuple[FloatVector, float, bool, bool, dict[str, Any]]:
        """Advance one period.

        Args:
            action: [N] in [0, 1], shares of ``max_request``.

        Returns:
            Observation, reward, terminated, truncated, and an info with the period's flows.

        Raises:
            ValueError: If the action has a wrong shape, is not finite, or leaves [0, 1].
            RuntimeError: If there is no running episode.
        """
        if self._episode is None or self._t >= self._horizon:
            raise RuntimeError("no episode is running: call reset() first")
        request = np.asarray(action, dtype=np.float32)
        if request.shape != self.action_space.shape:
            raise ValueError(f"action has shape {request.shape}, must be {self.action_space.shape}")
        if not ((request >= 0) & (request <= 1)).all():
            worst = request[~((request >= 0) & (request <= 1))][0]
            raise ValueError(f"action has an entry {worst}, must be in [0, 1]")
        state, scenario = self._episode
        state, transition, observation = self._step(state, scenario, self._t, request)
        self._episode, self._t = (state, scenario), self._t + 1
        info = {
            "outbound": np.array(transition.outbound),
            "shipped": np.array(transition.shipped),
            "stowed": np.array(transition.stowed),
            "lost": np.array(transition.lost),
            "ship_cost": np.array(transition.ship_cost),
        }
        return (
            np.array(observation),
            float(transition.reward),
            bool(transition.terminated),
            bool(transition.truncated),
            info,
        )

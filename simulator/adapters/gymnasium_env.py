"""The simulator as a regular Gymnasium environment: NumPy at the edge, one jitted call a step."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from draingym.common.forks import require_no_fork
from draingym.simulator.adapters.edge import Edge
from draingym.simulator.adapters.functional import (
    FunctionalEnv,
    View,
    at,
    check_action,
    episode_key,
    root_of,
)
from draingym.simulator.adapters.scene import Frame, Painter, make_scene
from draingym.simulator.bounds import LARGEST
from draingym.simulator.types import Series, State, Transition

# Finite bound of every observation entry: Gymnasium warns about infinite boxes.
OBSERVATION_BOUND = LARGEST

FloatVector = NDArray[np.float32]
METADATA: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render_fps": 5}


def observation_space(env: FunctionalEnv) -> spaces.Space[Any]:
    """Return the observation space: a finite Box, or a Dict of them.

    Raises:
        ValueError: If an episode of the largest requests could leave it.
    """
    most = float(np.max(env.max_action)) * env.horizon
    if most > OBSERVATION_BOUND:
        raise ValueError(
            f"max_action is {np.max(env.max_action):g} at its largest, must be at most "
            f"{OBSERVATION_BOUND / env.horizon:g}: {env.horizon} periods of it exceed "
            f"{OBSERVATION_BOUND:g} units"
        )

    def box(shape: tuple[int, ...]) -> spaces.Box:
        return spaces.Box(-OBSERVATION_BOUND, OBSERVATION_BOUND, shape, np.float32)

    shape = env.observation_shape
    if isinstance(shape, dict):
        return spaces.Dict({name: box(each) for name, each in shape.items()})
    return box(shape)


def action_space(env: FunctionalEnv) -> spaces.Box:
    """Return the action space, [0, 1] or [-1, 1] in every entry."""
    return spaces.Box(env.action_low, 1.0, (env.num_actions,), np.float32)


def make_painter(env: FunctionalEnv, render_mode: str | None, *more: str) -> Painter | None:
    """Return what renders the environment, if anything shall, in the usual modes or some more.

    Raises:
        ValueError: If the mode is unknown, or the environment has no picture.
    """
    if render_mode is None:
        return None
    known = [*METADATA["render_modes"], *more]
    if render_mode not in known:
        modes = ", ".join(repr(mode) for mode in known)
        raise ValueError(f"render_mode is {render_mode!r}, must be None, {modes}")
    if env.painter is None:
        raise ValueError(f"render_mode is {render_mode!r}, must be None: there is no painter")
    return env.painter()


def with_horizon(spec: EnvSpec | None, env: FunctionalEnv) -> EnvSpec | None:
    """Return a spec that says how many periods an episode has: they depend on its options."""
    return None if spec is None else replace(spec, max_episode_steps=env.horizon)


def to_host(view: View) -> Any:
    """Return a fresh NumPy copy of an observation."""
    return jax.tree.map(np.array, view)


@lru_cache(maxsize=16)
def _programs(env: FunctionalEnv, edge: Edge, keep: bool) -> tuple[Any, Any]:
    """Return the jitted start and step; all environments of a problem share them.

    A step returns what ``edge`` packs, and the transition where it is kept.
    """
    last = env.horizon - 1

    def begin(root: jax.Array, number: jax.Array) -> tuple[State, Series, View]:
        core, series = env.opening(episode_key(root, number))
        return core, series, env.look(env.params, core, at(series, 0))

    def step(
        core: State, series: Series, t: jax.Array, action: jax.Array
    ) -> tuple[State, jax.Array, Transition | None]:
        following = at(series, jnp.minimum(t + 1, last))
        core, transition, view = env.advance(env.params, core, at(series, t), following, action)
        return core, edge.pack(view, transition), transition if keep else None

    return jax.jit(begin), jax.jit(step)


class InventoryEnv(gymnasium.Env[Any, Any]):
    """One trajectory of a ``FunctionalEnv``; an episode is one scenario.

    Actions are in [0, 1] (or [-1, 1]), rewards are currency, episodes end by truncation when the
    scenario ends. Sub-environment i of ``InventoryVectorEnv``, seeded alike, plays the same
    episodes.

    Args:
        functional: The problem.
        render_mode: ``None``, ``"rgb_array"`` or ``"human"``.
        info: Whether infos hold the period's flows by node.

    Attributes:
        functional: The problem, for JAX's own use of it.
        observation_names: A name for every entry of the flat observation.

    Raises:
        ValueError: If the render mode is unknown, or the problem has no picture.
    """

    metadata = METADATA

    def __init__(
        self, functional: FunctionalEnv, *, render_mode: str | None = None, info: bool = True
    ) -> None:
        """Compile nothing yet; see the class."""
        self._spec: EnvSpec | None = None
        self.functional = functional
        self.render_mode = render_mode
        self.observation_space = observation_space(functional)
        self.action_space = action_space(functional)
        self.observation_names = functional.observation_names
        self._painter = make_painter(functional, render_mode)
        self._info = info
        self._edge = Edge.of(functional, info)
        self._root: np.uint32 | None = None
        self._number = 0
        self._episode: tuple[State, Series] | None = None
        self._transition: Transition | None = None
        self._t = 0
        self._over = False
        self._begin, self._step = _programs(functional, self._edge, self._painter is not None)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the problem and where its episode is, no program or window."""
        return {**self.__dict__, "_painter": None, "_begin": None, "_step": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Go on where the environment was that was pickled."""
        self.__dict__.update(state)
        self._painter = make_painter(self.functional, self.render_mode)
        keep = self._painter is not None
        self._begin, self._step = _programs(self.functional, self._edge, keep)

    @property
    def spec(self) -> EnvSpec | None:
        """What Gymnasium registered, with the periods of an episode as ``max_episode_steps``."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = with_horizon(spec, self.functional)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start the next episode; with a seed, that seed's first one.

        Args:
            seed: Of this episode and those that follow.
            options: There are none: None, or an empty dictionary.

        Raises:
            ValueError: If there is an option, or the seed is negative.
            RuntimeError: In a fork of a process that uses JAX.
        """
        if options:
            raise ValueError(f"options is {options}, must be None or empty")
        require_no_fork()
        super().reset(seed=seed)
        if seed is not None:
            self._root, self._number = root_of(seed), 0
        elif self._root is None:
            own = self.np_random_seed
            known = own is not None and own >= 0  # not where a user gave a generator
            drawn = own if known else int(self.np_random.integers(2**32))
            self._root, self._number = root_of(drawn), 0
        else:
            self._number += 1
        core, series, view = self._begin(self._root, np.int32(self._number))
        self._episode, self._transition, self._t, self._over = (core, series), None, 0, False
        self._show()
        return to_host(view), self.functional.no_flows() if self._info else {}

    def step(self, action: FloatVector) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Advance one period.

        Args:
            action: [A] in [0, 1], or [-1, 1] where actions are symmetric.

        Returns:
            Observation, reward, terminated, truncated, and an info with the period's flows.

        Raises:
            ValueError: If the action has a wrong shape or dtype, is not finite, or is out of
                bounds.
            RuntimeError: If there is no running episode.
        """
        if self._episode is None or self._over:
            raise RuntimeError("no episode is running: call reset() first")
        low = self.functional.action_low
        request = check_action(action, (self.functional.num_actions,))
        outside = (request < low) | (request > 1)
        if outside.any():
            raise ValueError(f"action has an entry {request[outside][0]}, must be in [{low:g}, 1]")
        core, series = self._episode
        core, packed, self._transition = self._step(core, series, np.int32(self._t), request)
        self._episode, self._t = (core, series), self._t + 1
        seen, reward, terminated, truncated, info = self._edge.unpack(np.asarray(packed))
        self._over = terminated or truncated
        self._show()
        return seen, reward, terminated, truncated, info

    def _show(self) -> None:
        if self.render_mode == "human":
            self.render()

    def render(self) -> Frame | None:
        """Return the last period's picture, or show it in ``human`` mode.

        Raises:
            RuntimeError: Before the first reset.
        """
        if self._painter is None:
            return None
        if self._episode is None:
            raise RuntimeError("nothing to render yet: call reset() first")
        core, series = self._episode
        scene = make_scene(core, at(series, max(self._t - 1, 0)), self._transition)
        if self.render_mode == "human":
            self._painter.show(scene)
            return None
        return self._painter.paint(scene)

    def close(self) -> None:
        """Close the window or canvas, if there is one."""
        if self._painter is not None:
            self._painter.close()
        super().close()


def make(id: str, **options: Any) -> FunctionalEnv:
    """Return a registered environment as pure functions: ``reset(key)``, ``step(key, s, a)``.

    Args:
        id: What ``gymnasium.make`` takes, such as ``"draingym:draingym/Placement-v0"``; the part
            before the colon is imported first.
        **options: The environment's own.

    Returns:
        The problem behind the Gymnasium environment.

    Raises:
        gymnasium.error.Error: If there is no such environment.
        TypeError: If it is not one of ours.
    """
    env = gymnasium.make(id, disable_env_checker=True, **options).unwrapped
    if not isinstance(env, InventoryEnv):
        raise TypeError(f"id is {id!r}, must name an InventoryEnv, not {type(env).__name__}")
    return env.functional

"""Many trajectories at once as a Gymnasium ``VectorEnv``: one jitted call a step for all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from draingym.common.arrays import require_whole
from draingym.common.devices import cores_mesh, sharing, spread
from draingym.common.forks import require_no_fork
from draingym.common.shared_jit import gathered, unbound
from draingym.simulator.adapters.functional import (
    FLOWS,
    FunctionalEnv,
    View,
    at,
    check_action,
    root_of,
)
from draingym.simulator.adapters.gymnasium_env import (
    METADATA,
    InventoryEnv,
    action_space,
    make_painter,
    observation_space,
    with_horizon,
)
from draingym.simulator.adapters.scene import Frame, Painter, make_scene
from draingym.simulator.adapters.vector_programs import programs_of
from draingym.simulator.types import Series, State, Transition

Mask = NDArray[np.bool_]

# Episodes that a partial reset draws at once: a fixed size compiles once.
CHUNK = 32

LISTED = "rgb_array_list"  # a mode of vectors alone: `gymnasium.make` adds it to single ones


class InventoryVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """``num_envs`` independent trajectories of a ``FunctionalEnv``.

    A step is one jitted call for all trajectories, which the cores (or GPUs) share where that pays.
    Where episodes begin, and only then, a second jitted call draws them: those of the trajectories
    that ended, and of no others. Sub-environment i plays what ``InventoryEnv`` plays after
    ``reset(seed=seeds[i])``, one episode after another.

    Args:
        functional: The problem.
        num_envs: How many trajectories, at least 1.
        autoreset_mode: When a finished trajectory starts anew: at the next step, which ignores its
            action (``NEXT_STEP``); within the step, which keeps what was seen last in
            ``final_obs`` and ``final_info`` (``SAME_STEP``); or by ``reset(options={"reset_mask":
            ...})`` alone (``DISABLED``).
        to_numpy: Return NumPy arrays; JAX arrays, left where they are, otherwise.
        info: Whether infos hold every period's flows by node, as in ``InventoryEnv``.
        render_mode: ``None``, ``"rgb_array"``, ``"rgb_array_list"`` (every period's since the last
            call or start) or ``"human"`` (which shows the first trajectory).

    Actions out of bounds are clipped. A NaN is refused in a NumPy action; in a JAX action, which
    is not looked at on the host, it counts as the lowest entry.

    Raises:
        ValueError: If ``num_envs`` is below 1, or the render mode is unknown.
    """

    # Gymnasium closes what it deletes, also where construction was refused.
    _painter: Painter | None = None

    def __init__(
        self,
        functional: FunctionalEnv,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        to_numpy: bool = True,
        info: bool = False,
        render_mode: str | None = None,
    ) -> None:
        """Compile nothing yet; see the class."""
        require_whole("num_envs", num_envs, low=1)
        self._spec: EnvSpec | None = None
        self.functional = functional
        self.num_envs = num_envs
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.render_mode = render_mode
        modes = [*METADATA["render_modes"], LISTED]
        self.metadata = {
            **METADATA,
            "render_modes": modes,
            "autoreset_mode": self.autoreset_mode,
            "jax": not to_numpy,
        }
        self.single_observation_space = observation_space(functional)
        self.single_action_space = action_space(functional)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_names = functional.observation_names
        self._shape = (num_envs, functional.num_actions)
        self._painter = make_painter(functional, render_mode, LISTED)
        self._frames: list[list[Frame]] = [[] for _ in range(num_envs)]  # of rgb_array_list
        self._own: dict[str, tuple[Any, ...]] = {}  # attributes that a user gave each trajectory
        self._info = info
        self._to_numpy = to_numpy
        self._seeds: list[int | None] = [None] * num_envs
        self._entropy = np.random.default_rng()  # of seeds that nobody chose
        self._roots = np.zeros(num_envs, np.uint32)
        self._numbers = np.full(num_envs, -1, np.int32)  # of the episode; -1 before the first
        self._done: Mask = np.zeros(num_envs, np.bool_)
        self._t = np.zeros(num_envs, np.int32)  # periods stepped
        self._held: tuple[State, Series, View] | None = None
        self._transition: Transition | None = None
        keep = info or self._painter is not None
        self._mesh = cores_mesh(num_envs, num_envs * functional.entries)
        self._draw, self._advance, self._renew = programs_of(functional, keep, self._mesh)

    def __len__(self) -> int:
        """Return how many trajectories there are."""
        return self.num_envs

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the problem and where its episodes are, no program or window."""
        gone = ("_painter", "_mesh", "_draw", "_advance", "_renew")
        state = {name: value for name, value in self.__dict__.items() if name != "_one"}
        return state | dict.fromkeys(gone)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Go on where the environment was that was pickled."""
        self.__dict__.update(state)
        functional = self.functional
        self._painter = make_painter(functional, self.render_mode, LISTED)
        keep = self._info or self._painter is not None
        self._mesh = cores_mesh(self.num_envs, self.num_envs * functional.entries)
        self._draw, self._advance, self._renew = programs_of(functional, keep, self._mesh)
        if self._held is not None:
            with sharing(self._mesh):  # a program that is given what lies elsewhere is made again
                self._held = jax.jit(partial(spread, axes=(0, 1, 0)))(self._held)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each trajectory, which plays its episodes again."""
        return tuple(self._seed_of(i) for i in range(self.num_envs))

    @property  # type: ignore[misc]  # there is nothing to set
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """A generator of each trajectory's seed; the environment itself draws from none of them."""
        return tuple(np_random(seed)[0] for seed in self.np_random_seed)

    def _seed_of(self, i: int) -> int:
        seed = self._seeds[i]
        if seed is None:
            seed = self._seeds[i] = int(self._entropy.integers(2**32))
        return seed

    @cached_property
    def _one(self) -> InventoryEnv:
        """Whose attributes are those of every trajectory."""
        one = InventoryEnv(self.functional, info=self._info)
        one.render_mode, one.spec = self.render_mode, self._spec
        return one

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return an attribute, or what a method returns, of each trajectory.

        They are those of ``InventoryEnv``, and what ``set_attr`` has set.

        Raises:
            AttributeError: If there is none of the name, or it would move one trajectory alone.
        """
        if name in ("reset", "step"):
            raise AttributeError(
                f"name is {name!r}, must be another: trajectories move together, by the vector "
                f"environment's own {name}()"
            )
        if name == "render":
            return self.render() or (None,) * self.num_envs
        if name in self._own:
            return self._own[name]
        if name in ("np_random", "np_random_seed"):
            values: tuple[Any, ...] = getattr(self, name)
            return values
        value = getattr(self._one, name)
        return tuple(
            value(*args, **kwargs) if callable(value) else value for _ in range(self.num_envs)
        )

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of each trajectory; see ``call``."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Give each trajectory an attribute, for ``get_attr``.

        Args:
            name: Of an attribute that the environment does not have by itself.
            values: A list or tuple with one each, or one for all.

        Raises:
            ValueError: If there are not as many as trajectories.
            AttributeError: If all trajectories share the attribute.
        """
        if name not in self._own and hasattr(self._one, name):
            raise AttributeError(
                f"name is {name!r}, must be an attribute of your own: the trajectories share what "
                "the environment was made with; make another one with other options"
            )
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise ValueError(
                f"values has {len(each)} entries, must have {self.num_envs}: a list or tuple holds "
                "one for each trajectory"
            )
        self._own[name] = tuple(each)

    @property
    def spec(self) -> EnvSpec | None:
        """What Gymnasium registered, with the periods of an episode as ``max_episode_steps``."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = with_horizon(spec, self.functional)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start episodes in all sub-environments, or in those of a mask.

        Args:
            seed: One seed, from which sub-environment i gets ``seed + i``; or one each; a
                sub-environment with ``None`` goes on to its next episode.
            options: ``{"reset_mask": [num_envs] bool array}``, NumPy's or JAX's, resets where the
                mask is true.

        Returns:
            Observations of all sub-environments, and an info as of ``step``, in which nothing has
            flowed yet.

        Raises:
            ValueError: If there are not as many seeds as sub-environments, the mask has a wrong
                shape or is false everywhere, or there is another option.
            TypeError: If the mask is not an array of booleans.
            RuntimeError: In a fork of a process that uses JAX.
        """
        require_no_fork()
        if isinstance(seed, int | np.integer):
            root_of(seed)
            seeds: Sequence[int | None] = [int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = [None] * self.num_envs if seed is None else list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed has {len(seeds)} entries, must have {self.num_envs}")
        mask = self._reset_mask(options)
        self._roots, self._numbers = self._roots.copy(), self._numbers.copy()
        for i in np.flatnonzero(mask).tolist():
            each = seeds[i]
            if each is not None:
                self._roots[i], self._numbers[i], self._seeds[i] = root_of(each), -1, int(each)
            elif self._numbers[i] < 0:
                self._roots[i] = root_of(self._seed_of(i))
        self._start(mask)
        self._transition = None
        self._show(mask, mask)
        none = self.functional.no_flows(self.num_envs) if self._info else {}
        return self._edge(self._running()[2]), self._masked(self._edge(none), mask)

    def _reset_mask(self, options: dict[str, Any] | None) -> Mask:
        unknown = (options or {}).keys() - {"reset_mask"}
        if unknown:
            raise ValueError(f"options has {sorted(unknown)}, must have reset_mask alone")
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        if not isinstance(mask, np.ndarray | jax.Array) or mask.dtype != np.bool_:
            raise TypeError(f"reset_mask is {mask!r}, must be a NumPy or JAX array of bool")
        mask = np.array(mask)
        if mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"reset_mask has shape {mask.shape} and {int(mask.sum())} true entries, must have "
                f"shape ({self.num_envs},) and at least 1"
            )
        if self._held is None and not mask.all():
            raise ValueError("reset_mask is false somewhere, must be true everywhere at first")
        return mask

    def _start(self, mask: Mask) -> None:
        """Draw the next episode of every trajectory of the mask."""
        self._numbers = self._numbers + mask
        self._t = np.where(mask, np.int32(0), self._t)
        self._done = self._done & ~mask
        if mask.all():
            self._held = self._draw(self._roots, self._numbers)
            return
        which = np.flatnonzero(mask)
        size = min(CHUNK, self.num_envs)
        for start in range(0, len(which), size):
            # Padding draws a trajectory's episode twice, which is the same episode.
            part = np.resize(which[start : start + size], size)
            core, series, view = self._running()  # the user may hold the view: it is not donated
            self._held = self._renew(
                (core, series), view, part, self._roots[part], self._numbers[part]
            )

    def _running(self) -> tuple[State, Series, View]:
        if self._held is None:
            raise RuntimeError("no episode is running: call reset() first")
        return self._held

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Advance every trajectory by one period, and start those anew that have ended.

        Args:
            actions: [num_envs, A] in [0, 1], or [-1, 1] where actions are symmetric; clipped.

        Returns:
            Observations, rewards [num_envs] in currency, terminations, truncations, and infos.

        Raises:
            ValueError: If the actions have a wrong shape or dtype, or a NumPy action holds a NaN.
            RuntimeError: Before the first reset; or if autoreset is disabled and a finished
                trajectory has not been reset.
        """
        core, series, _ = self._running()
        if isinstance(actions, jax.Array):
            if actions.shape != self._shape or not jnp.issubdtype(actions.dtype, jnp.floating):
                raise ValueError(
                    f"action has shape {actions.shape} and dtype {actions.dtype}, must be "
                    f"{self._shape} and floating"
                )
        else:
            actions = check_action(actions, self._shape)
        waited = self._done
        if waited.any() and self.autoreset_mode is AutoresetMode.DISABLED:
            raise RuntimeError(
                f"sub-environment {int(np.flatnonzero(waited)[0])} has ended: reset it with "
                "reset(options={'reset_mask': ...}) first"
            )
        together = (self._t == self._t[0]).all()
        if self._mesh is not None:
            actions = unbound(actions)
        core, view, reward, terminated, truncated, self._transition = self._advance(
            core, series, self._t[0] if together else self._t, actions
        )
        self._held = (core, series, view)
        self._t = self._t + 1  # a new array: the jitted call may still read the old one
        self._done = np.asarray(terminated) | np.asarray(truncated)
        if waited.any():  # NEXT_STEP: what they did in this step does not count
            self._start(waited)
            reward, terminated, truncated = (
                jnp.where(waited, jnp.zeros_like(leaf), leaf)
                for leaf in (reward, terminated, truncated)
            )
        infos: dict[str, Any] = {}
        flows, renewed = self._flows(), waited
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._done.any():
            renewed = self._done
            infos = self._final(renewed, flows)
            self._start(renewed)
        if renewed.any():  # nothing has flowed yet in an episode that starts
            flows = {name: values * ~renewed[:, None] for name, values in flows.items()}
        infos |= self._masked(flows, np.ones(self.num_envs, np.bool_))
        self._show(renewed, np.ones(self.num_envs, np.bool_))
        view = self._running()[2]
        if not self._to_numpy:
            return *gathered((view, reward, terminated, truncated)), infos
        return (
            self._edge(view),
            np.array(reward, np.float64),
            np.array(terminated),
            np.array(truncated),
            infos,
        )

    def _flows(self) -> dict[str, Any]:
        if not self._info or self._transition is None:
            return {}
        return {name: self._edge(getattr(self._transition, name)) for name in FLOWS}

    def _masked(self, flows: dict[str, Any], mask: Mask) -> dict[str, Any]:
        """Return an info of the masked trajectories, zero in the others, as Gymnasium has it."""
        every = bool(mask.all())
        infos: dict[str, Any] = {}
        for name, values in flows.items():
            infos[name] = values if every else values * mask[:, None]
            infos[f"_{name}"] = self._edge(mask)
        return infos

    def _final(self, over: Mask, flows: dict[str, Any]) -> dict[str, Any]:
        """Return what was seen last: by trajectory, as Gymnasium has it, or JAX's arrays as one."""
        seen = self._edge(self._running()[2])
        final = seen
        if self._to_numpy:
            final = np.full(self.num_envs, None, dtype=object)
            for i in np.flatnonzero(over):
                final[i] = jax.tree.map(lambda leaf, i=i: leaf[i].copy(), seen)
        return {
            "final_obs": final,
            "_final_obs": self._edge(over),
            "final_info": self._masked(flows, over),
            "_final_info": self._edge(over),
        }

    def _edge(self, tree: Any) -> Any:
        if self._to_numpy:
            return jax.tree.map(np.array, tree)
        return jax.tree.map(
            lambda leaf: leaf if isinstance(leaf, jax.Array) else jnp.array(leaf), gathered(tree)
        )

    def _scenes(self, count: int) -> list[Any]:
        core, series, _ = self._running()
        held = jax.device_get((core, self._transition))
        scenes = []
        for i in range(count):
            one, moves = jax.tree.map(lambda leaf, i=i: leaf[i], held)
            now = at(series, (max(int(self._t[i]) - 1, 0), i))
            scenes.append(make_scene(one, now, moves if self._t[i] > 0 else None))
        return scenes

    def _show(self, started: Mask, moved: Mask) -> None:
        if self._painter is None:
            return
        if self.render_mode == "human":
            self._painter.show(self._scenes(1)[0])
        elif self.render_mode == LISTED:
            for i, scene in enumerate(self._scenes(self.num_envs)):
                if started[i]:
                    self._frames[i] = []
                if moved[i]:
                    self._frames[i].append(self._painter.paint(scene))

    def render(self) -> tuple[Any, ...] | None:
        """Return a picture of every trajectory; ``None`` without a render mode or in a window.

        In ``rgb_array_list`` mode, a list of those since the last call, or since it started.
        """
        if self._painter is None:
            return None
        if self.render_mode == "human":
            self._painter.show(self._scenes(1)[0])
            return None
        if self.render_mode == LISTED:
            frames, self._frames = tuple(self._frames), [[] for _ in range(self.num_envs)]
            return frames
        return tuple(self._painter.paint(scene) for scene in self._scenes(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Close the window or canvas, if there is one."""
        if self._painter is not None:
            self._painter.close()

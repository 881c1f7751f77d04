"""An environment as pure functions: what every adapter (Gymnasium, vector, gymnax) shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal
from uuid import uuid4
from weakref import WeakValueDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from draingym.common.forks import require_no_fork
from draingym.simulator.adapters.origin import Origin
from draingym.simulator.adapters.scales import Scales, scales_of
from draingym.simulator.adapters.scene import Painter
from draingym.simulator.bounds import LARGEST, require_numbers
from draingym.simulator.core import Simulator
from draingym.simulator.dynamics import observe
from draingym.simulator.precision import real
from draingym.simulator.types import (
    MOST_UNITS,
    Observation,
    Params,
    Scenario,
    Series,
    State,
    Transition,
)

# The flat vector, or a vector for each field of ``Observation`` that holds anything.
View = Array | dict[str, Array]

# What an info holds, in currency or units by node; the first two by arc, which in a tree is a node.
FLOWS = ("ordered", "shipped", "stowed", "outbound", "lost", "ship_cost")
_BY_ARC = FLOWS[:2]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class EnvState:
    """An episode in progress: everything that ``FunctionalEnv.step`` needs."""

    core: State  # what actions change
    series: Series  # the episode's exogenous series, prepared, leaves [T, ...]
    t: Int[Array, ""]  # periods already stepped


@dataclass(frozen=True, kw_only=True, eq=False)
class FunctionalEnv:
    """An inventory problem with bounded actions and array observations, without any state.

    Per step: the action is scaled to the simulator's own, the period is stepped, and the next
    period is observed. An episode is one scenario; it is truncated when the scenario ends.

    Attributes:
        simulator: Dynamics and drain kernel.
        params: Their parameters.
        sample: Draws an episode's scenario from a key; all scenarios have the same shapes.
        max_action: [A] the simulator's action (units to request) at an entry of 1.
        symmetric_actions: Actions lie in [-1, 1] instead of [0, 1].
        observation: ``"box"`` for one flat vector, ``"dict"`` for a vector a field.
        scaled: Observations and rewards are near one: units by the mean demand of a period,
            rewards by its mean revenue (or cost); ``scales`` says what one is.
        painter: Makes what renders the environment; not rendered when not given.
        origin: The id and options that it was made by, which files of policies are compared with.

    Raises:
        ValueError: If ``max_action`` is not a vector of numbers above 0 (in [1 / LARGEST, LARGEST],
            and at most ``MOST_UNITS`` where units are whole), or ``observation`` is neither
            ``"box"`` nor ``"dict"``.
        RuntimeError: In a fork of a process that uses JAX.
    """

    simulator: Simulator
    params: Params
    sample: Callable[[Array], Scenario]
    max_action: NDArray[np.floating[Any]]
    symmetric_actions: bool = False
    observation: Literal["box", "dict"] = "box"
    scaled: bool = False
    painter: Callable[[], Painter] | None = None
    origin: Origin | None = None
    # One object for each in a process: pickled and back, it is the same, with what is compiled.
    identity: str = field(default_factory=lambda: uuid4().hex, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_no_fork()
        if np.ndim(self.max_action) != 1 or not np.size(self.max_action):
            raise ValueError(f"max_action is {self.max_action}, must be a vector, not empty")
        require_numbers("max_action", self.max_action, low=1.0 / LARGEST)
        largest = np.max(self.max_action)
        if self.simulator.dynamics.whole_units and largest > MOST_UNITS:
            raise ValueError(
                f"max_action is {largest:.0f}, must be at most {MOST_UNITS} where units are "
                "whole: larger requests are cut to it"
            )
        if self.observation not in ("box", "dict"):
            raise ValueError(f"observation is {self.observation!r}, must be 'box' or 'dict'")
        _known[self.identity] = self

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how it is made again: the one that this process has, or one of the same values."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.init}
        return _again, (type(self), self.identity, values)

    @cached_property
    def scales(self) -> Scales:
        """What one is: units in an observation, currency in a reward; both 1 unless ``scaled``."""
        if not self.scaled:
            return Scales()
        with jax.ensure_compile_time_eval():  # they are kept: nothing in them is traced
            return scales_of(self.sample, self.params)

    @property
    def num_actions(self) -> int:
        """How many entries an action has, ``A``."""
        return len(self.max_action)

    @property
    def action_low(self) -> float:
        """The lowest entry of an action: 0, or -1 where actions are symmetric."""
        return -1.0 if self.symmetric_actions else 0.0

    @cached_property
    def _shapes(self) -> tuple[Observation, Series]:
        def first() -> tuple[Observation, Series]:
            core, series = self.opening(jax.random.key(0))
            return observe(self.params, core, at(series, 0)), series

        shapes: tuple[Observation, Series] = jax.eval_shape(first)
        return shapes

    @property
    def horizon(self) -> int:
        """How many periods an episode has, ``T``."""
        return int(self._shapes[1].period.shape[0])

    @property
    def entries(self) -> int:
        """How many numbers a step works on: the observation's, and the prepared period's."""
        observation, series = self._shapes
        periods, once = (
            sum(int(leaf.size) for leaf in jax.tree.leaves(tree)) for tree in (series, observation)
        )
        return periods // self.horizon + once

    def no_flows(self, *batch: int) -> dict[str, NDArray[np.floating[Any]]]:
        """Return an info in which nothing has flowed yet: zeros, of the shapes that a step has."""
        dtype = self._shapes[0].on_hand.dtype
        return {name: np.zeros((*batch, *shape), dtype) for name, shape in self.holding.items()}

    @property
    def holding(self) -> dict[str, tuple[int, ...]]:
        """The shape of every flow that an info holds."""
        seen = self._shapes[0]
        nodes, arcs = tuple(seen.on_hand.shape), tuple(seen.pipeline.shape[-1:])
        return {name: arcs if name in _BY_ARC else nodes for name in FLOWS}

    @property
    def observation_names(self) -> tuple[str, ...]:
        """A name such as ``on_hand[3]`` for every entry of the flat observation."""
        return observation_names(self._shapes[0])

    @property
    def observation_shape(self) -> tuple[int, ...] | dict[str, tuple[int, ...]]:
        """The shape of the flat observation, or of every field."""
        view = jax.eval_shape(self.view, self._shapes[0])
        if isinstance(view, dict):
            return {name: leaf.shape for name, leaf in view.items()}
        return tuple(view.shape)

    @cached_property
    def opening(self) -> Callable[[Array], tuple[State, Series]]:
        """``begin`` with the environment's own parameters, traced once wherever it is called."""
        return jax.jit(lambda key: self.begin(key))

    def begin(self, key: Array, params: Params | None = None) -> tuple[State, Series]:
        """Draw an episode: the state it starts in, and its prepared series, leaves [T, ...]."""
        params = self.params if params is None else params
        scenario = self.simulator.prepare(params, self.sample(key))
        return self.simulator.reset(params, scenario), scenario.series

    def view(self, observation: Observation) -> View:
        """Return the observation as the flat vector, or as a dictionary of vectors; scaled."""
        observation = self.scales.scaled(observation)
        if self.observation == "box":
            return flatten_observation(observation)
        fields = {
            jax.tree_util.keystr(path).lstrip("."): jnp.ravel(leaf).astype(jnp.float32)
            for path, leaf in jax.tree_util.tree_leaves_with_path(observation)
        }
        return {name: leaf for name, leaf in fields.items() if leaf.size}

    def read(self, view: View) -> Observation:
        """Return the observation that a view was made of: the inverse of ``view``."""
        paths, structure = jax.tree_util.tree_flatten_with_path(self._shapes[0])
        leaves, start = [], 0
        for path, leaf in paths:
            if isinstance(view, dict):
                flat = view.get(jax.tree_util.keystr(path).lstrip("."), jnp.zeros(leaf.size))
            else:
                flat = view[start : start + leaf.size]
                start += leaf.size
            leaves.append(jnp.reshape(flat, leaf.shape).astype(leaf.dtype))
        observation: Observation = jax.tree.unflatten(structure, leaves)
        return self.scales.unscaled(observation)

    def unscale(self, request: Float[Array, " A"]) -> Float[Array, " A"]:
        """Return the action that stands for a request in units: the inverse of ``scale``.

        Requests above ``max_action`` are cut to it.
        """
        low = self.action_low
        share = jnp.clip(request / real(self.max_action), 0.0, 1.0)
        return low + share * (1.0 - low)

    def look(self, params: Params, core: State, now: Series) -> View:
        """Return what is seen before acting in the period of ``now`` (no time axis)."""
        return self.view(observe(params, core, now))

    def scale(self, action: Float[Array, " A"]) -> Float[Array, " A"]:
        """Return the simulator's action: entries out of bounds are clipped, NaN is the lowest.

        Gradients: exact within the bounds, both ends included; zero outside.
        """
        low = self.action_low
        # Comparisons with NaN are false: it never gets any further than this line.
        bounded = jnp.where(action >= low, jnp.where(action <= 1.0, action, 1.0), low)
        return (bounded - low) / (1.0 - low) * real(self.max_action)

    def advance(
        self,
        params: Params,
        core: State,
        now: Series,
        following: Series,
        action: Float[Array, " A"],
    ) -> tuple[State, Transition, View]:
        """Step one period and look into the next.

        Args:
            params: The simulator's parameters.
            core: The state before the period.
            now: The period's slice of the series.
            following: The next period's slice; the same one at the end.
            action: [A] in [0, 1] or [-1, 1]; see ``scale``.

        Returns:
            The next state, the transition (its reward scaled, where the environment is), and what
            is seen before the next period.
        """
        core, transition = self.simulator.step(params, core, self.scale(action), now)
        if self.scaled:
            transition = replace(transition, reward=transition.reward / self.scales.money)
        return core, transition, self.look(params, core, following)

    def reset(self, key: Array) -> tuple[View, EnvState]:
        """Start an episode."""
        core, series = self.begin(key)
        state = EnvState(core=core, series=series, t=jnp.zeros((), jnp.int32))
        return self.look(self.params, core, at(series, 0)), state

    def step(
        self, key: Array, state: EnvState, action: Float[Array, " A"]
    ) -> tuple[View, EnvState, Float[Array, ""], Array, dict[str, Any]]:
        """Advance an episode by one period; differentiable, and without auto-reset.

        Args:
            key: Not used: every random draw of an episode is made when it starts.
            state: What ``reset`` or ``step`` returned.
            action: [A] in [0, 1] or [-1, 1]; see ``scale``.

        Returns:
            Observation, state, reward in currency, whether the episode is over, and an info with
            the ``transition``. Stepping on repeats the last period.

        >>> import jax, draingym, simulator
        >>> env = simulator.make("draingym/SingleStore-v0", horizon=5)
        >>> observation, state = env.reset(jax.random.key(0))
        >>> _, state, reward, done, _ = env.step(jax.random.key(1), state, jax.numpy.ones(1))
        """
        del key
        last = state.series.period.shape[0] - 1
        core, transition, view = self.advance(
            self.params,
            state.core,
            at(state.series, jnp.minimum(state.t, last)),
            at(state.series, jnp.minimum(state.t + 1, last)),
            action,
        )
        done = transition.terminated | transition.truncated
        state = EnvState(core=core, series=state.series, t=state.t + 1)
        return view, state, transition.reward, done, {"transition": transition}


_known: WeakValueDictionary[str, FunctionalEnv] = WeakValueDictionary()


def _again(kind: type[FunctionalEnv], identity: str, values: dict[str, Any]) -> FunctionalEnv:
    """Return the environment of an identity: this process's own, or a new one."""
    found = _known.get(identity)
    if found is None:
        found = kind(**values)
        object.__setattr__(found, "identity", identity)
        _known[identity] = found
    return found


def at(series: Series, index: Any) -> Series:
    """Return one period of a series (or of a batch's, by a tuple of indices)."""

    def cut(leaf: Array) -> Array:
        if isinstance(index, tuple):
            return leaf[index]
        one: Array = jax.lax.dynamic_index_in_dim(leaf, index, keepdims=False)  # quick to trace
        return one

    period: Series = jax.tree.map(cut, series)
    return period


def flatten_observation(observation: Observation) -> Array:
    """Return the observation as one flat float32 vector, fields in their declared order."""
    leaves = jax.tree.leaves(observation)
    return jnp.concatenate([jnp.ravel(leaf).astype(jnp.float32) for leaf in leaves])


def observation_names(observation: Observation) -> tuple[str, ...]:
    """Return a name such as ``on_hand[3]`` for every entry of the flat observation."""
    names: list[str] = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(observation):
        field = jax.tree_util.keystr(path).lstrip(".")
        names += [field + "".join(f"[{i}]" for i in index) for index in np.ndindex(*leaf.shape)]
    return tuple(names)


def episode_key(root: Any, episode: Any) -> Array:
    """Return the key of an environment's n-th episode; the same in every adapter.

    Args:
        root: uint32, the environment's seed.
        episode: int32, 0 for the first after seeding.
    """
    return jax.random.fold_in(jax.random.key(root), episode)


def root_of(seed: int) -> np.uint32:
    """Return a seed as an environment keeps it.

    Raises:
        ValueError: If the seed is negative or not a whole number.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is {seed!r}, must be a whole number of at least 0")
    return np.uint32(int(seed) % 2**32)


def check_action(action: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return an action on the host as float32.

    Raises:
        ValueError: If it does not hold real numbers, has another shape, or holds a NaN.
    """
    given = np.asarray(action)
    if given.dtype.kind not in "fiu":
        raise ValueError(f"action has dtype {given.dtype}, must be a real number type")
    if given.shape != shape:
        raise ValueError(f"action has shape {given.shape}, must be {shape}")
    values = given.astype(np.float32, copy=False)
    if np.isnan(values.sum()) and np.isnan(values).any():
        where = tuple(int(i) for i in np.argwhere(np.isnan(values))[0])
        raise ValueError(f"action has an entry nan at {where}, must be a number")
    return values

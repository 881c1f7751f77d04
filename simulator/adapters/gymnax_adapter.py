"""The signatures of gymnax, for the JAX training loops written for it; it is not imported here."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from draingym.common.arrays import require_whole
from draingym.simulator.adapters.functional import FunctionalEnv, View, at
from draingym.simulator.adapters.gymnasium_env import OBSERVATION_BOUND, make
from draingym.simulator.types import Params, Series, State


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class GymnaxParams:
    """What an environment's functions take: costs, and the episodes that a reset chooses from."""

    params: Params
    start: State  # leaves [M, ...]
    series: Series  # leaves [M, T, ...], prepared
    max_steps_in_episode: Int[Array, ""]  # at most T; shorter episodes end earlier

    def replace(self, **changes: Any) -> GymnaxParams:
        """Return the same with some fields changed, as gymnax's own parameters do."""
        return replace(self, **changes)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class GymnaxState:
    """An episode in progress."""

    core: State
    episode: Int[Array, ""]  # which of the M episodes
    time: Int[Array, ""]  # periods stepped
    terminated: Bool[Array, ""]  # whether it ended by itself, before its time


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A box with the same bounds in every entry, as ``gymnax.environments.spaces.Box``."""

    low: float
    high: float
    shape: tuple[int, ...]
    dtype: Any = jnp.float32

    def sample(self, key: Array) -> Array:
        """Draw uniformly."""
        return jax.random.uniform(key, self.shape, self.dtype, self.low, self.high)

    def contains(self, x: Array) -> Bool[Array, ""]:
        """Return whether every entry is within the bounds."""
        return jnp.all((x >= self.low) & (x <= self.high))


@dataclass(frozen=True, kw_only=True, slots=True)
class Dict:
    """A dictionary of boxes."""

    spaces: dict[str, Box]

    def sample(self, key: Array) -> dict[str, Array]:
        """Draw uniformly."""
        keys = jax.random.split(key, len(self.spaces))
        return {
            name: box.sample(each)
            for each, (name, box) in zip(keys, self.spaces.items(), strict=True)
        }

    def contains(self, x: dict[str, Array]) -> Bool[Array, ""]:
        """Return whether every entry is within the bounds."""
        return jnp.all(jnp.stack([box.contains(x[name]) for name, box in self.spaces.items()]))


def _spaces() -> tuple[Any, Any]:
    """Return the classes of spaces: those of gymnax, where it is imported."""
    theirs = sys.modules.get("gymnax.environments.spaces")
    return (Box, Dict) if theirs is None else (theirs.Box, theirs.Dict)


@lru_cache(maxsize=16)
def _episodes(env: FunctionalEnv) -> Any:
    """Return the program that draws episodes, instead of many small ones."""
    return jax.jit(jax.vmap(env.begin, in_axes=(0, None)))


@dataclass(eq=False)
class GymnaxEnv:
    """A ``FunctionalEnv`` with auto-reset and the signatures of gymnax; all of it jits and vmaps.

    gymnax 1.0 takes the end of an episode apart. With ``step_values=6`` ``step`` returns
    ``observation, state, reward, terminated, truncated, info``, ``step_env`` and ``is_terminal``
    tell of termination alone, and what was seen last is ``info["final_observation"]``. With 5, the
    default, ``step`` returns ``observation, state, reward, done, info``, which rejax and PureJaxRL
    take as gymnax did before 1.0, and what was seen last is ``info["final_obs"]``.

    Under ``vmap`` both branches of a reset run in every step, so a reset must cost nothing: it
    chooses one of ``episodes`` episodes that were drawn beforehand and travel in the parameters.
    ``draw_params`` draws other ones, as many as wanted, also inside ``jit``.

    Args:
        functional: The problem.
        episodes: How many episodes ``default_params`` holds.
        step_values: How many values ``step`` returns: 6 for gymnax 1.0, 5 for what came before it.

    Raises:
        ValueError: If ``episodes`` is below 1, or ``step_values`` neither 5 nor 6.
    """

    functional: FunctionalEnv
    episodes: int = 256
    step_values: int = 5
    _drawn: GymnaxParams | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the bounds; see the class."""
        require_whole("episodes", self.episodes, low=1)
        require_whole("step_values", self.step_values, low=5, high=6)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the default episodes are drawn again."""
        return {**self.__dict__, "_drawn": None}

    @property
    def name(self) -> str:
        """The environment's name."""
        return type(self.functional.simulator.kernel).__name__

    @property
    def num_actions(self) -> int:
        """How many entries an action has."""
        return self.functional.num_actions

    @property
    def default_params(self) -> GymnaxParams:
        """The problem's own costs, and episodes drawn from a fixed key, once."""
        if self._drawn is None:
            with jax.ensure_compile_time_eval():  # they are kept: nothing in them is traced
                self._drawn = self.draw_params(jax.random.key(0))
        return self._drawn

    def draw_params(
        self, key: Array, episodes: int | None = None, params: Params | None = None
    ) -> GymnaxParams:
        """Draw the episodes that resets will choose from.

        Args:
            key: Random key.
            episodes: How many; ``self.episodes`` when not given.
            params: Costs and limits; the problem's own when not given.
        """
        params = self.functional.params if params is None else params
        keys = jax.random.split(key, self.episodes if episodes is None else episodes)
        start, series = _episodes(self.functional)(keys, params)
        return GymnaxParams(
            params=params,
            start=start,
            series=series,
            max_steps_in_episode=jnp.asarray(self.functional.horizon, jnp.int32),
        )

    def reset(self, key: Array, params: GymnaxParams | None = None) -> tuple[View, GymnaxState]:
        """Start one of the episodes, each as likely as any other."""
        return self.reset_env(key, params)

    def reset_env(self, key: Array, params: GymnaxParams | None = None) -> tuple[View, GymnaxState]:
        """Do what ``reset`` does."""
        params = self.default_params if params is None else params
        episode = jax.random.randint(key, (), 0, params.series.period.shape[0], jnp.int32)
        state = GymnaxState(
            core=jax.tree.map(lambda leaf: leaf[episode], params.start),
            episode=episode,
            time=jnp.zeros((), jnp.int32),
            terminated=jnp.zeros((), bool),
        )
        return self.get_obs(state, params), state

    def step_env(
        self, key: Array, state: GymnaxState, action: Float[Array, " A"], params: GymnaxParams
    ) -> tuple[View, GymnaxState, Float[Array, ""], Bool[Array, ""], dict[str, Any]]:
        """Step without auto-reset; the fourth value is ``done``, or with six ``terminated``."""
        del key
        core, transition, view = self.functional.advance(
            params.params,
            state.core,
            self._period(state, params, 0),
            self._period(state, params, 1),
            action,
        )
        terminated = transition.terminated
        state = GymnaxState(
            core=core, episode=state.episode, time=state.time + 1, terminated=terminated
        )
        over = transition.truncated | self.is_truncated(state, params)
        info = {
            "discount": jnp.where(terminated, 0.0, params.params.discount),
            "terminated": terminated,
            "truncated": over,
            self._last: view,
        }
        ended = terminated if self.step_values == 6 else terminated | over
        return view, state, transition.reward, ended, info

    @property
    def _last(self) -> str:
        """Name, in an info, of what was seen last."""
        return "final_observation" if self.step_values == 6 else "final_obs"

    def step(
        self,
        key: Array,
        state: GymnaxState,
        action: Float[Array, " A"],
        params: GymnaxParams | None = None,
    ) -> Any:
        """Step, and where the episode is over return the first observation of another one.

        Args:
            key: Chooses the next episode.
            state: Of an episode in progress.
            action: [A] in [0, 1] or [-1, 1]; clipped, NaN is the lowest entry.
            params: Costs and episodes; ``default_params`` when not given.

        Returns:
            Observation, state, reward in currency, whether the episode was over (with six values:
            whether it was terminated, and whether truncated), and an info with ``discount``,
            ``terminated``, ``truncated``, and ``final_obs`` (with six: ``final_observation``): what
            was seen last, from which a truncated episode's value is bootstrapped.

        Gradients:
            As the simulator's, within an episode; none is stopped.
        """
        params = self.default_params if params is None else params
        seen, stepped, reward, _, info = self.step_env(key, state, action, params)
        terminated, truncated = info["terminated"], info["truncated"]
        done = terminated | truncated
        first, fresh = self.reset_env(key, params)

        def either(new: Array, old: Array) -> Array:
            return jnp.where(done, new, old)

        state = jax.tree.map(either, fresh, stepped)
        ends = (terminated, truncated) if self.step_values == 6 else (done,)
        return jax.tree.map(either, first, seen), state, reward, *ends, info

    def observe(
        self, key: Array, state: GymnaxState, action: Array | None, params: GymnaxParams
    ) -> View:
        """Return what is seen before the state's next period; nothing of it is random."""
        del key, action
        return self.get_obs(state, params)

    def get_obs(
        self, state: GymnaxState, params: GymnaxParams | None = None, key: Array | None = None
    ) -> View:
        """Return what is seen before the state's next period."""
        del key
        params = self.default_params if params is None else params
        return self.functional.look(params.params, state.core, self._period(state, params, 0))

    def is_terminal(self, state: GymnaxState, params: GymnaxParams) -> Bool[Array, ""]:
        """Return whether the episode is over; with six values, whether it was terminated."""
        if self.step_values == 6:
            return state.terminated
        return state.terminated | self.is_truncated(state, params)

    def is_terminated(self, state: GymnaxState, params: GymnaxParams) -> Bool[Array, ""]:
        """Return whether the episode ended by itself."""
        del params
        return state.terminated

    def is_truncated(self, state: GymnaxState, params: GymnaxParams) -> Bool[Array, ""]:
        """Return whether the episode's time is over."""
        return state.time >= params.max_steps_in_episode

    def discount(self, state: GymnaxState, params: GymnaxParams) -> Float[Array, ""]:
        """Return 0 where ``is_terminal``, else the discount of a period."""
        return jnp.where(self.is_terminal(state, params), 0.0, params.params.discount)

    def observation_space(self, params: GymnaxParams | None = None) -> Any:
        """Return the observation space, with ``sample`` and ``shape``: gymnax's own, where it is.

        Whoever asks for the kind of a space has imported gymnax.
        """
        del params
        box, dictionary = _spaces()
        shape = self.functional.observation_shape
        bound = OBSERVATION_BOUND
        if isinstance(shape, dict):
            boxes = {k: box(low=-bound, high=bound, shape=each) for k, each in shape.items()}
            return dictionary(spaces=boxes)
        return box(low=-bound, high=bound, shape=shape)

    def action_space(self, params: GymnaxParams | None = None) -> Any:
        """Return the action space, with ``sample`` and ``shape``; see ``observation_space``."""
        del params
        box, _ = _spaces()
        return box(low=self.functional.action_low, high=1.0, shape=(self.num_actions,))

    @staticmethod
    def _period(state: GymnaxState, params: GymnaxParams, ahead: int) -> Series:
        last = params.series.period.shape[1] - 1
        return at(params.series, (state.episode, jnp.minimum(state.time + ahead, last)))


def make_gymnax(
    id: str, *, episodes: int = 256, step_values: int = 5, **options: Any
) -> tuple[GymnaxEnv, GymnaxParams]:
    """Return a registered environment and its parameters, as ``gymnax.make`` does.

    Args:
        id: What ``gymnasium.make`` takes, such as ``"draingym:draingym/SingleStore-v0"``.
        episodes: How many episodes resets choose from.
        step_values: How many values ``step`` returns: 5, as rejax and PureJaxRL take them, or the 6
            of gymnax 1.0; see ``GymnaxEnv``.
        **options: The environment's own.

    Returns:
        The environment and its default parameters.

    >>> import jax, draingym, simulator
    >>> env, params = simulator.make_gymnax("draingym/SingleStore-v0", episodes=2, horizon=5)
    >>> observation, state = env.reset(jax.random.key(0), params)
    >>> action = env.action_space(params).sample(jax.random.key(1))
    >>> _, state, reward, done, _ = env.step(jax.random.key(2), state, action, params)
    """
    env = GymnaxEnv(make(id, **options), episodes, step_values)
    return env, env.default_params

"""The signatures of gymnax, for the JAX training loops written for it. Nothing is imported."""

from __future__ import annotations

from dataclasses import dataclass
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


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class GymnaxState:
    """An episode in progress."""

    core: State
    episode: Int[Array, ""]  # which of the M episodes
    time: Int[Array, ""]  # periods stepped


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


@lru_cache(maxsize=16)
def _episodes(env: FunctionalEnv) -> Any:
    """Return the program that draws episodes, instead of many small ones."""
    return jax.jit(jax.vmap(env.begin, in_axes=(0, None)))


@dataclass(frozen=True, eq=False)
class GymnaxEnv:
    """A ``FunctionalEnv`` with auto-reset and the signatures of gymnax; all of it jits and vmaps.

    Under ``vmap`` both branches of a reset run in every step, so a reset must cost nothing: it
    chooses one of ``episodes`` episodes that were drawn beforehand and travel in the parameters.
    ``draw_params`` draws other ones, as many as wanted, also inside ``jit``.

    Args:
        functional: The problem.
        episodes: How many episodes ``default_params`` holds.

    Raises:
        ValueError: If ``episodes`` is below 1.
    """

    functional: FunctionalEnv
    episodes: int = 256

    def __post_init__(self) -> None:
        """Check the bound; see the class."""
        require_whole("episodes", self.episodes, low=1)

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
        """The problem's own costs, and episodes drawn from a fixed key."""
        return self.draw_params(jax.random.key(0))

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
        params = self.default_params if params is None else params
        episode = jax.random.randint(key, (), 0, params.series.period.shape[0], jnp.int32)
        state = GymnaxState(
            core=jax.tree.map(lambda leaf: leaf[episode], params.start),
            episode=episode,
            time=jnp.zeros((), jnp.int32),
        )
        return self.get_obs(state, params), state

    def reset_env(self, key: Array, params: GymnaxParams | None = None) -> tuple[View, GymnaxState]:
        """Do what ``reset`` does."""
        return self.reset(key, params)

    def step_env(
        self, key: Array, state: GymnaxState, action: Float[Array, " A"], params: GymnaxParams
    ) -> tuple[View, GymnaxState, Float[Array, ""], Bool[Array, ""], dict[str, Any]]:
        """Step without auto-reset; see ``step``."""
        del key
        core, transition, view = self.functional.advance(
            params.params,
            state.core,
            self._period(state, params, 0),
            self._period(state, params, 1),
            action,
        )
        state = GymnaxState(core=core, episode=state.episode, time=state.time + 1)
        over = transition.truncated | (state.time >= params.max_steps_in_episode)
        done = transition.terminated | over
        info = {
            "discount": jnp.where(transition.terminated, 0.0, params.params.discount),
            "terminated": transition.terminated,
            "truncated": over,
            "final_obs": view,
        }
        return view, state, transition.reward, done, info

    def step(
        self,
        key: Array,
        state: GymnaxState,
        action: Float[Array, " A"],
        params: GymnaxParams | None = None,
    ) -> tuple[View, GymnaxState, Float[Array, ""], Bool[Array, ""], dict[str, Any]]:
        """Step, and where the episode is over return the first observation of another one.

        Args:
            key: Chooses the next episode.
            state: Of an episode in progress.
            action: [A] in [0, 1] or [-1, 1]; clipped, NaN is the lowest entry.
            params: Costs and episodes; ``default_params`` when not given.

        Returns:
            Observation, state, reward in currency, whether the episode was over, and an info with
            ``discount``, ``terminated``, ``truncated``, and ``final_obs``: what was seen last, from
            which a truncated episode's value is bootstrapped.

        Gradients:
            As the simulator's, within an episode; none is stopped.
        """
        params = self.default_params if params is None else params
        seen, stepped, reward, done, info = self.step_env(key, state, action, params)
        first, fresh = self.reset(key, params)

        def either(new: Array, old: Array) -> Array:
            return jnp.where(done, new, old)

        state = jax.tree.map(either, fresh, stepped)
        return jax.tree.map(either, first, seen), state, reward, done, info

    def get_obs(self, state: GymnaxState, params: GymnaxParams) -> View:
        """Return what is seen before the state's next period."""
        return self.functional.look(params.params, state.core, self._period(state, params, 0))

    def is_terminal(self, state: GymnaxState, params: GymnaxParams) -> Bool[Array, ""]:
        """Return whether the episode is over."""
        return state.time >= params.max_steps_in_episode

    def discount(self, state: GymnaxState, params: GymnaxParams) -> Float[Array, ""]:
        """Return 0 where the episode is over, else the discount of a period."""
        return jnp.where(self.is_terminal(state, params), 0.0, params.params.discount)

    def observation_space(self, params: GymnaxParams | None = None) -> Box | Dict:
        """Return the observation space, with ``sample`` and ``shape``."""
        del params
        shape = self.functional.observation_shape
        bound = OBSERVATION_BOUND
        if isinstance(shape, dict):
            boxes = {k: Box(low=-bound, high=bound, shape=each) for k, each in shape.items()}
            return Dict(spaces=boxes)
        return Box(low=-bound, high=bound, shape=shape)

    def action_space(self, params: GymnaxParams | None = None) -> Box:
        """Return the action space, with ``sample`` and ``shape``."""
        del params
        return Box(low=self.functional.action_low, high=1.0, shape=(self.num_actions,))

    @staticmethod
    def _period(state: GymnaxState, params: GymnaxParams, ahead: int) -> Series:
        last = params.series.period.shape[1] - 1
        return at(params.series, (state.episode, jnp.minimum(state.time + ahead, last)))


def make_gymnax(id: str, *, episodes: int = 256, **options: Any) -> tuple[GymnaxEnv, GymnaxParams]:
    """Return a registered environment and its parameters, as ``gymnax.make`` does.

    Args:
        id: What ``gymnasium.make`` takes, such as ``"draingym:draingym/SingleStore-v0"``.
        episodes: How many episodes resets choose from.
        **options: The environment's own.

    Returns:
        The environment and its default parameters.

    >>> import jax, draingym, simulator
    >>> env, params = simulator.make_gymnax("draingym/SingleStore-v0", episodes=2, horizon=5)
    >>> observation, state = env.reset(jax.random.key(0), params)
    >>> action = env.action_space(params).sample(jax.random.key(1))
    >>> _, state, reward, done, _ = env.step(jax.random.key(2), state, action, params)
    """
    env = GymnaxEnv(make(id, **options), episodes)
    return env, env.default_params

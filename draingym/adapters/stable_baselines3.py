"""A vector environment as Stable-Baselines3 wants it; single environments it takes as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from draingym.adapters.versions import require_tested
from draingym.simulator import InventoryVectorEnv

require_tested("stable-baselines3")

from stable_baselines3.common.vec_env import VecEnv  # noqa: E402


class StableBaselinesVecEnv(VecEnv):  # type: ignore[misc]
    """An ``InventoryVectorEnv`` as a ``VecEnv``: one jitted call a step for all trajectories.

    Args:
        env: In ``SAME_STEP`` mode, and with NumPy arrays: ``gymnasium.make_vec(id, num_envs=n,
            autoreset_mode="SameStep")``.

    Raises:
        ValueError: If it is of another kind, or in another mode.
    """

    def __init__(self, env: Any) -> None:
        """Wrap an environment; see the class."""
        if not isinstance(env, InventoryVectorEnv):
            raise ValueError(
                f"env is {type(env).__name__}, must be what gymnasium.make_vec makes of an id of "
                "draingym; Stable-Baselines3 takes single environments as they are"
            )
        mode = env.autoreset_mode
        if mode is not AutoresetMode.SAME_STEP or env.metadata["jax"]:
            arrays = "JAX's" if env.metadata["jax"] else "NumPy's"
            raise ValueError(
                f"env is in mode {mode.value} with {arrays} arrays, must be in SameStep with "
                "NumPy's: gymnasium.make_vec(id, num_envs=n, autoreset_mode='SameStep')"
            )
        self.env = env
        self.actions: Any = None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Any:
        """Start all trajectories, with the seeds of ``seed`` where it was called before."""
        seeds = self._seeds if any(seed is not None for seed in self._seeds) else None
        observation, _ = self.env.reset(seed=seeds)
        self.reset_infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: Any) -> None:
        """Keep the actions for ``step_wait``."""
        self.actions = actions

    def step_wait(self) -> tuple[Any, Any, Any, list[dict[str, Any]]]:
        """Step; what a trajectory saw last is its info's ``terminal_observation``."""
        observation, reward, terminated, truncated, info = self.env.step(self.actions)
        done = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(done):
            infos[i]["terminal_observation"] = info["final_obs"][i]
            infos[i]["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
        return observation, reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def get_images(self) -> Sequence[Any]:
        """Return a picture of every trajectory."""
        return self.env.render() or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of trajectories."""
        return self._of(self.env.get_attr(attr_name), indices)

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Give trajectories an attribute of your own; see ``InventoryVectorEnv.set_attr``."""
        try:
            values = list(self.env.get_attr(attr_name))
        except AttributeError:
            values = [None] * self.num_envs
        for i in self._get_indices(indices):
            values[i] = value
        self.env.set_attr(attr_name, values)

    def env_method(
        self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
    ) -> list[Any]:
        """Return what a method of trajectories returns."""
        return self._of(self.env.call(method_name, *args, **kwargs), indices)

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return false: trajectories are not wrapped one by one."""
        return self._of([False] * self.num_envs, indices)

    def _of(self, values: Sequence[Any], indices: Any) -> list[Any]:
        chosen: Iterable[int] = self._get_indices(indices)
        return [values[i] for i in chosen]

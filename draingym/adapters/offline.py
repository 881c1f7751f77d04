"""Episodes for offline learners: collected by a vector environment, written for Minari or d3rlpy.

Action spaces are said explicitly there: actions that happen to be whole numbers are otherwise
taken for choices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from draingym.adapters.versions import require_tested
from draingym.common.arrays import require_whole
from draingym.simulator import InventoryVectorEnv


@dataclass(frozen=True, kw_only=True)
class Episode:
    """A trajectory from start to end.

    >>> from draingym.adapters import collect
    >>> from draingym.simulator import InventoryVectorEnv, make
    >>> env = InventoryVectorEnv(make("draingym/SingleStore-v0", horizon=4), 2)
    >>> first, second = collect(env, episodes=2, seed=5)
    >>> first.observations.shape, first.actions.shape, first.rewards.shape
    ((5, 7), (4, 1), (4,))
    >>> first.seed, second.seed, first.truncations.tolist()
    (5, 6, [False, False, False, True])
    """

    seed: int
    observations: Any  # [T+1, ...], what was seen last included; or a dictionary of such
    actions: NDArray[np.float32]  # [T, A]
    rewards: NDArray[np.float64]  # [T]
    terminations: NDArray[np.bool_]  # [T]
    truncations: NDArray[np.bool_]  # [T]
    infos: dict[str, NDArray[Any]]  # [T+1, ...]; empty unless the environment gives infos


def collect(
    env: InventoryVectorEnv,
    act: Callable[[Any], Any] | None = None,
    *,
    episodes: int,
    seed: int = 0,
) -> list[Episode]:
    """Play episodes, as many at once as the environment has trajectories.

    Args:
        env: In ``NEXT_STEP`` mode (the default) and with NumPy arrays.
        act: Returns actions [num_envs, A] for observations, such as ``policies.Agent``; uniform at
            random when not given.
        episodes: How many.
        seed: Of the first one; the next has the next number.

    Raises:
        ValueError: If the environment is in another mode, or ``episodes`` below 1.

    Example:
        >>> from draingym.simulator import make
        >>> env = InventoryVectorEnv(make("draingym/SingleStore-v0", horizon=4), 2)
        >>> episodes = collect(env, lambda seen: np.full((2, 1), 0.2, np.float32), episodes=3)
        >>> [len(episode.rewards) for episode in episodes]
        [4, 4, 4]
    """
    require_whole("episodes", episodes, low=1)
    if env.autoreset_mode is not AutoresetMode.NEXT_STEP or env.metadata["jax"]:
        raise ValueError(
            f"env is in mode {env.autoreset_mode.value}, must be in NextStep, with NumPy's arrays"
        )
    env.action_space.seed(seed)
    found: list[Episode] = []
    while len(found) < episodes:
        found += _batch(env, act, seed + len(found))
    return found[:episodes]


def _batch(env: InventoryVectorEnv, act: Callable[[Any], Any] | None, seed: int) -> list[Episode]:
    seen, info = env.reset(seed=seed)
    observations, infos, rows, over = [seen], [info], [], np.zeros(env.num_envs, np.bool_)
    length = np.zeros(env.num_envs, np.int64)
    while not over.all():
        action = env.action_space.sample() if act is None else np.asarray(act(seen), np.float32)
        action = np.clip(action, env.functional.action_low, 1.0)
        seen, reward, terminated, truncated, info = env.step(action)
        length += ~over
        over = over | terminated | truncated
        observations.append(seen)
        infos.append(info)
        rows.append((action, reward, terminated, truncated))
    actions, rewards, terminations, truncations = (
        np.stack(column) for column in zip(*rows, strict=True)
    )
    flows = {name: [each[name] for each in infos] for name in infos[0] if name[0] != "_"}

    def cut(values: Any, i: int, more: int) -> Any:
        return np.stack(values[: length[i] + more])[:, i]

    return [
        Episode(
            seed=seed + i,
            observations=jax.tree.map(lambda *each, i=i: cut(each, i, 1), *observations),
            actions=cut(actions, i, 0),
            rewards=cut(rewards, i, 0),
            terminations=cut(terminations, i, 0),
            truncations=cut(truncations, i, 0),
            infos={name: cut(each, i, 1) for name, each in flows.items()},
        )
        for i in range(env.num_envs)
    ]


def to_minari(
    dataset_id: str, episodes: Sequence[Episode], env: InventoryVectorEnv, **options: Any
) -> Any:
    """Write episodes as a Minari dataset, and return it.

    Args:
        dataset_id: Minari's, such as ``"draingym/serial/random-v0"``.
        episodes: Of ``collect``.
        env: What they were collected in.
        **options: Of ``minari.create_dataset_from_buffers``, such as ``author``.

    Raises:
        ImportError: If Minari is not there, or of a version that is not tested.
    """
    require_tested("minari")
    import minari
    from minari.data_collector import EpisodeBuffer

    buffers = [
        EpisodeBuffer(
            id=i,
            seed=each.seed,
            observations=each.observations,
            actions=each.actions,
            rewards=each.rewards,
            terminations=each.terminations,
            truncations=each.truncations,
            infos=each.infos or None,
        )
        for i, each in enumerate(episodes)
    ]
    return minari.create_dataset_from_buffers(
        dataset_id,
        buffers,
        observation_space=env.single_observation_space,
        action_space=env.single_action_space,
        **options,
    )


def to_d3rlpy(episodes: Sequence[Episode]) -> Any:
    """Return episodes with flat observations as a d3rlpy dataset, with continuous actions.

    Raises:
        ImportError: If d3rlpy is not there, or of a version that is not tested.
    """
    require_tested("d3rlpy")
    from d3rlpy.constants import ActionSpace
    from d3rlpy.dataset import MDPDataset

    def joined(values: list[Any]) -> Any:
        return np.concatenate(values)

    return MDPDataset(
        observations=joined([each.observations[:-1] for each in episodes]),
        actions=joined([each.actions for each in episodes]),
        rewards=joined([each.rewards for each in episodes]).astype(np.float32),
        terminals=joined([each.terminations for each in episodes]),
        timeouts=joined([each.truncations for each in episodes]),
        action_space=ActionSpace.CONTINUOUS,
    )

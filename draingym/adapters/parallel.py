"""One agent a node: a PettingZoo parallel environment."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from draingym.adapters.versions import require_tested
from draingym.simulator import InventoryEnv

require_tested("pettingzoo")

from pettingzoo import ParallelEnv  # noqa: E402

# Fields of an observation that belong to nodes, and to arcs, by their last index; all see the rest.
_BY_NODE = {"on_hand", "waiting", "active", "storage_price", "ages", "demand"}
_BY_ARC = {"pipeline", "owed", "gate", "door", "parts", "queue"}


class NodeAgents(ParallelEnv):  # type: ignore[misc]
    """An environment whose nodes are agents that share its reward.

    Agent ``node_3`` requests what node 3 is replenished with: an entry of the action for each arc
    that leads there, one in a tree. Entries that are no requests (a discount) are the agent
    ``price``'s. All start and end together, and each is given the whole reward of the period.

    Args:
        env: A single environment of draingym with a flat observation, such as
            ``gymnasium.make("draingym/Serial-v0")``.
        observation: ``"own"``: a node sees what is its own, of its arcs, and what belongs to nobody
            (forecasts, prices, dates); ``"all"``: everything. ``price`` sees everything.

    Raises:
        ValueError: If it is no such environment, or ``observation`` is another word.
    """

    def __init__(self, env: Any, *, observation: Literal["own", "all"] = "own") -> None:
        """Wrap an environment; see the class."""
        inner = getattr(env, "unwrapped", env)
        if not isinstance(inner, InventoryEnv) or not isinstance(
            inner.observation_space, spaces.Box
        ):
            raise ValueError(
                f"env is {env}, must be a single environment of draingym with observation='box'"
            )
        if observation not in ("own", "all"):
            raise ValueError(f"observation is {observation!r}, must be 'own' or 'all'")
        self.env = inner
        self.metadata = {**inner.metadata, "name": type(inner.functional.simulator.kernel).__name__}
        self.render_mode = inner.render_mode
        params, entries = inner.functional.params, inner.functional.num_actions
        arcs = params.source.shape[0]
        target = np.arange(arcs) if params.target is None else np.asarray(params.target)
        self._acts = {f"node_{n}": np.flatnonzero(target == n) for n in np.unique(target)}
        every = np.arange(len(inner.observation_names))
        self._sees = {
            name: every if observation == "all" else _own(inner.observation_names, n, arcs_of)
            for (name, arcs_of), n in zip(self._acts.items(), np.unique(target), strict=True)
        }
        if entries > arcs:
            self._acts["price"], self._sees["price"] = np.arange(arcs, entries), every
        self.possible_agents = list(self._acts)
        self.agents: list[str] = []
        low = inner.functional.action_low
        seen = inner.observation_space
        self.action_spaces = {
            name: spaces.Box(low, 1.0, each.shape, np.float32) for name, each in self._acts.items()
        }
        self.observation_spaces = {
            name: spaces.Box(seen.low[each], seen.high[each], dtype=np.float32)
            for name, each in self._sees.items()
        }

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Return what an agent sees."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Return what an agent does."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start the next episode, or the first one of a seed; there are no options to heed."""
        del options
        self._seen, info = self.env.reset(seed=seed)
        self.agents = list(self.possible_agents)
        return self._views(), {name: dict(info) for name in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Any]]:
        """Advance one period.

        Raises:
            ValueError: If an agent is missing, or there is one that is none.
        """
        if not self.agents:
            return {}, {}, {}, {}, {}
        if actions.keys() != self._acts.keys():
            raise ValueError(
                f"actions has {sorted(actions)}, must have one for each of {self.possible_agents}"
            )
        whole = np.zeros(self.env.functional.num_actions, np.float32)
        for name, entries in self._acts.items():
            whole[entries] = actions[name]
        self._seen, reward, terminated, truncated, info = self.env.step(whole)
        names = list(self.agents)
        if terminated or truncated:
            self.agents = []
        return (
            self._views(),
            dict.fromkeys(names, reward),
            dict.fromkeys(names, terminated),
            dict.fromkeys(names, truncated),
            {name: dict(info) for name in names},
        )

    def state(self) -> NDArray[np.float32]:
        """Return the whole observation."""
        return np.array(self._seen)

    def render(self) -> Any:
        """Return a picture of the period."""
        return self.env.render()

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def _views(self) -> dict[str, Any]:
        return {name: self._seen[entries] for name, entries in self._sees.items()}


def _own(names: tuple[str, ...], node: int, arcs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the entries of an observation that a node sees."""
    kept = []
    for i, name in enumerate(names):
        field, *indices = re.findall(r"\w+", name)
        if field in _BY_NODE:
            seen = int(indices[-1]) == node
        else:
            seen = field not in _BY_ARC or int(indices[-1]) in arcs
        if seen:
            kept.append(i)
    return np.array(kept, np.int64)

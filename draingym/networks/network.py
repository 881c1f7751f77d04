"""A supply network, described in plain values, and what it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector import AutoresetMode
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from draingym.common.arrays import require_whole, short
from draingym.envs.classic import MOST_PERIODS
from draingym.networks.build import Built, build
from draingym.networks.files import load, save
from draingym.networks.plan import Plan
from draingym.simulator import (
    FunctionalEnv,
    InventoryEnv,
    InventoryVectorEnv,
    NonFinite,
    Params,
    Policy,
    PyTree,
    Scenario,
    Series,
    Simulator,
    State,
    Transition,
    find_non_finite,
)
from draingym.simulator.precision import real


@dataclass(frozen=True)
class Network(Plan):
    """A supply network, and the environments, file and picture that it becomes.

    Its fields are those of ``Plan``.

    Example:
        >>> from draingym import Arc, Network, Node, Poisson
        >>> network = Network(
        ...     nodes=[Node("plant", on_hand=40), Node("shop", on_hand=8, price=9.0)],
        ...     arcs=[Arc(None, "plant", lead_time=2, request_cost=3.0), Arc("plant", "shop")],
        ...     demand={"shop": Poisson(rate=5.0)},
        ... )
        >>> network.environment(horizon=20).num_actions
        2
    """

    @cached_property
    def built(self) -> Built:
        """The simulator's arrays; see ``draingym.networks.build``."""
        with jax.ensure_compile_time_eval():  # it is kept: nothing in it may belong to a trace
            return build(self)

    def environment(self, *, horizon: int, **options: Any) -> FunctionalEnv:
        """Return the network as pure functions, for JAX: ``reset``, ``step`` and their gradients.

        Args:
            horizon: Periods of an episode.
            **options: Of ``FunctionalEnv``: ``observation``, ``symmetric_actions``, ``scaled``.

        Raises:
            ValueError: If the horizon is no whole number in [1, 100000].
        """
        require_whole("horizon", horizon, low=1, high=MOST_PERIODS)
        built = self.built
        return FunctionalEnv(
            simulator=built.simulator,
            params=built.params,
            sample=partial(built.sample, periods=horizon),
            max_action=built.most,
            painter=partial(_painter, self),
            **options,
        )

    def gymnasium(
        self, *, horizon: int, render_mode: str | None = None, info: bool = True, **options: Any
    ) -> InventoryEnv:
        """Return a Gymnasium environment of one trajectory; see ``InventoryEnv``."""
        return InventoryEnv(
            self.environment(horizon=horizon, **options), render_mode=render_mode, info=info
        )

    def vector(
        self,
        num_envs: int = 1,
        *,
        horizon: int,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        to_numpy: bool = True,
        info: bool = False,
        render_mode: str | None = None,
        **options: Any,
    ) -> InventoryVectorEnv:
        """Return a Gymnasium environment of many trajectories; see ``InventoryVectorEnv``."""
        return InventoryVectorEnv(
            self.environment(horizon=horizon, **options),
            num_envs,
            autoreset_mode=autoreset_mode,
            to_numpy=to_numpy,
            info=info,
            render_mode=render_mode,
        )

    def simulate(self, requests: ArrayLike, key: Array | None = None) -> tuple[State, Transition]:
        """Play requests through a trajectory, as many periods as there are requests.

        Args:
            requests: [T, E] units.
            key: Draws demand and lead times that are random; fixed when not given.

        Returns:
            The state after each period and what happened in it, leaves [T, ...].

        Raises:
            ValueError: If the requests are no matrix of a column an arc, or the key is none.
        """
        try:
            if np.iscomplexobj(requests):
                raise TypeError
            units = real(requests)
        except (TypeError, ValueError):
            raise ValueError(
                f"requests is {short(requests)}, must be numbers, (T, {len(self.arcs)})"
            ) from None
        shape = units.shape
        if len(shape) != 2 or shape[1] != len(self.arcs) or not shape[0]:
            raise ValueError(
                f"requests has shape {shape}, must be (T, {len(self.arcs)}): an entry an arc"
            )
        simulator, params = self.built.simulator, self.built.params
        key = jax.random.key(0) if key is None else key
        if not jnp.issubdtype(getattr(key, "dtype", object), jax.dtypes.prng_key):
            raise ValueError(f"key is {short(key)}, must be a key, such as jax.random.key(0)")
        scenario = simulator.prepare(params, self.built.sample(key, shape[0]))
        played: tuple[State, Transition] = _play(
            simulator, params, simulator.reset(params, scenario), units, scenario.series
        )
        return played

    def find_non_finite(
        self, policy: Policy, policy_params: PyTree, scenario: Scenario, key: Array | None = None
    ) -> NonFinite | None:
        """Say where a return that is not finite, or its derivative, comes from, by name.

        See ``draingym.simulator.find_non_finite``.
        """
        names = {
            "node": [node.name for node in self.nodes],
            "arc": [arc.name for arc in self.arcs],
        }
        simulator, params = self.built.simulator, self.built.params
        return find_non_finite(simulator, params, policy, policy_params, scenario, key, names=names)

    def picture(self, path: str | Path | None = None) -> Any:
        """Return the network as an image, [440, 720, 3]; write it, where a path is given."""
        from draingym.networks.picture import picture

        return picture(self, path)

    def save(self, path: str | Path) -> None:
        """Write the network to a file, JSON or (``.yaml``) YAML; ``Network.load`` reads it."""
        save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """Read a network from a file that ``save`` wrote, or a person.

        Raises:
            ValueError: Naming the file, and what is wrong in it.
        """
        return load(Path(path), cls)


def _painter(network: Network) -> Any:
    from draingym.networks.picture import NetworkPicture

    return NetworkPicture(network)


@partial(jax.jit, static_argnames="simulator")
def _play(
    simulator: Simulator,
    params: Params,
    start: State,
    requests: Float[Array, "T E"],
    series: Series,
) -> tuple[State, Transition]:
    """Return the state after each period and what happened in it, leaves [T, ...]."""

    def period(state: State, now: tuple[Array, Series]) -> tuple[State, tuple[State, Transition]]:
        state, transition = simulator.step(params, state, *now)
        return state, (state, transition)

    played: tuple[State, Transition] = jax.lax.scan(period, start, (requests, series))[1]
    return played

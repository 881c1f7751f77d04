"""The jitted programs of a vector environment: many trajectories in one call."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from draingym.common.devices import over_devices, sharing, spread
from draingym.simulator.adapters.functional import FunctionalEnv, View, at, episode_key
from draingym.simulator.types import Series, State, Transition


@lru_cache(maxsize=16)
def programs_of(env: FunctionalEnv, keep: bool, mesh: Mesh | None) -> tuple[Any, Any, Any]:
    """Return the jitted start, step and partial restart; ``keep`` returns the transition too.

    The devices of a mesh share the trajectories out.
    """
    params, horizon = env.params, env.horizon

    # Time comes first: the slice of a period is contiguous, where all are in the same period.
    def begin(root: jax.Array, number: jax.Array) -> tuple[State, Series, View]:
        core, series = env.begin(episode_key(root, number))
        return core, series, env.look(params, core, at(series, 0))

    def draw(roots: jax.Array, numbers: jax.Array) -> tuple[State, Series, View]:
        each = jax.vmap(begin, out_axes=(0, 1, 0))
        with sharing(mesh):
            drawn: tuple[State, Series, View] = spread(
                over_devices(each, (0, 0), (0, 1, 0))(roots, numbers), (0, 1, 0)
            )
        return drawn

    def advance(
        core: State, series: Series, t: jax.Array, action: jax.Array
    ) -> tuple[State, View, jax.Array, jax.Array, jax.Array, Transition | None]:
        def part(
            core: State, series: Series, t: jax.Array, action: jax.Array
        ) -> tuple[State, Transition, View]:
            def period(t: jax.Array) -> Series:
                # A finished trajectory that waits for its reset repeats the last period.
                t = jnp.minimum(t, horizon - 1)
                return at(series, t if t.ndim == 0 else (t, jnp.arange(t.shape[0])))

            moved: tuple[State, Transition, View] = jax.vmap(
                env.advance, in_axes=(None, 0, 0, 0, 0)
            )(params, core, period(t), period(t + 1), action)
            return moved

        with sharing(mesh):
            share = over_devices(part, (0, 1, None if t.ndim == 0 else 0, 0))
            core, transition, view = spread(share(core, series, t, action))
        ends = (transition.terminated, transition.truncated)
        return core, view, transition.reward, *ends, transition if keep else None

    def renew(
        held: tuple[State, Series],
        seen: View,
        which: jax.Array,
        roots: jax.Array,
        numbers: jax.Array,
    ) -> tuple[State, Series, View]:
        core, series, view = draw(roots, numbers)

        def put(old: jax.Array, new: jax.Array) -> jax.Array:
            return old.at[which].set(new)

        def put_late(old: jax.Array, new: jax.Array) -> jax.Array:
            return old.at[:, which].set(new)

        renewed = (
            jax.tree.map(put, held[0], core),
            jax.tree.map(put_late, held[1], series),
            jax.tree.map(put, seen, view),
        )
        with sharing(mesh):
            return spread(renewed, (0, 1, 0))

    return (
        jax.jit(draw),
        jax.jit(advance, donate_argnums=0),
        jax.jit(renew, donate_argnums=0),
    )

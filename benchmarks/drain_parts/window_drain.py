"""A learned drain without a cache: every step encodes a whole window of periods again.

The same network, weights and draws as ``LearnedDrain``; what the cached kernel is timed against.
"""

from __future__ import annotations

from dataclasses import fields

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from draingym.drain_model import LearnedDrain
from draingym.drain_model.data.dataset import Inputs
from draingym.drain_model.kernel import LearnedParams, Memory
from draingym.drain_model.network.drain_network import DrainNetwork
from draingym.simulator import Drain, History, Series

WINDOW = 32  # periods encoded at every step, the current one included


class WindowDrain(LearnedDrain):
    """A kernel whose memory is the last periods themselves, and not what was made of them.

    ``Memory.caches`` holds outbound and cost up to the period before the last, and stock up to
    the last one, ``WINDOW - 1`` rows each.
    """

    __slots__ = ()

    @classmethod
    def of(cls, kernel: LearnedDrain) -> WindowDrain:
        """Return the kernel without a cache for one with."""
        return cls(**{field.name: getattr(kernel, field.name) for field in fields(kernel)})

    def prepare(self, params: LearnedParams, series: Series) -> Series:  # type: ignore[override]
        """Return the window that ends in every period, from the first whole one on."""
        ends = jnp.arange(WINDOW - 1, series.period.shape[0])
        rows = ends[:, None] + jnp.arange(1 - WINDOW, 1)[None, :]
        windows: Series = jax.tree.map(lambda x: x[rows], series)
        return windows

    def init(self, params: LearnedParams, history: History) -> Memory:
        """Keep the history, which must be ``WINDOW`` periods long."""
        past = (history.outbound[:-1], history.ship_cost[:-1], history.available[1:])
        return Memory(outbound=history.outbound[-1], ship_cost=history.ship_cost[-1], caches=past)

    def _encode(
        self, network: DrainNetwork, params: LearnedParams, memory: Memory, available: Array
    ) -> tuple[tuple[Array, ...], Array]:
        outbound, ship_cost, stock = memory.caches
        outbound = jnp.concatenate([outbound[1:], memory.outbound[None]])
        ship_cost = jnp.concatenate([ship_cost[1:], memory.ship_cost[None]])
        stock = jnp.concatenate([stock, available[None]])
        none = jnp.zeros_like(available)[None]  # of the period itself, which is not looked at
        window = Inputs(
            outbound=jnp.concatenate([outbound, none]),
            ship_cost=jnp.concatenate([ship_cost, none]),
            available=stock,
            active=jnp.ones(stock.shape, bool),
            glance_views=jnp.zeros((WINDOW, 0)),
            calendar=jnp.zeros((WINDOW, 0)),
            attributes=jnp.zeros((WINDOW, 0)),
        )
        return (outbound, ship_cost, stock[1:]), network.encode(params.static, window)[-1]

    def drain(
        self,
        params: LearnedParams,
        memory: Memory,
        available: Float[Array, " N"],
        exogenous: Series,  # type: ignore[override]
        uniforms: Float[Array, " K"],
    ) -> tuple[Memory, Drain]:
        """Encode the window's location stream, take its last period, and draw."""
        whole = super().prepare(params, exogenous)
        now = jax.tree.map(lambda x: x[-1], whole)
        return super().drain(params, memory, available, now, uniforms)

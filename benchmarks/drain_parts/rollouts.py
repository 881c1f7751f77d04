"""Rollouts of the drain model at the paper's sizes, on a panel of random numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from benchmarks.drain_parts.window_drain import WINDOW, WindowDrain
from draingym.drain_model import (
    Checkpoint,
    DrainConfig,
    DrainData,
    Geography,
    LearnedDrain,
    Statistics,
)
from draingym.drain_model.checkpoint import initial_weights
from draingym.drain_model.kernel import LearnedParams
from draingym.simulator import History, Series
from draingym.world.lanes import lane_slots

NODES, REGIONS, CALENDAR, ATTRIBUTES = 20, 100, 2, 3
HOLDING = 0.05  # currency per unit and period
Places = tuple[int, int]  # nodes and regions
Kind = Literal["prepare", "forward", "remat", "stored"]  # what is compiled; two are gradients


def random_data(
    products: int,
    periods: int,
    seed: int,
    places: Places = (NODES, REGIONS),
    *,
    pace: float = 5.0,
    boxes: bool = False,
) -> DrainData:
    """Return a panel of the right magnitudes; what is in it has no bearing on speed.

    Args:
        products: How many.
        periods: How many.
        seed: Of all numbers.
        places: Nodes and regions.
        pace: Units a node ships in a period, where stock does not limit it.
        boxes: Whether it is known which node shipped to which region.
    """
    random = np.random.default_rng(seed)
    shape = (products, periods, places[0])
    nodes, regions = (random.uniform((28, -120), (46, -75), (n, 2)) for n in places)
    gap = (nodes[:, None] - regions[None]) * np.array([111.0, 88.0])
    available = random.poisson(random.gamma(1.5, 1.2 * pace, shape))
    outbound = np.minimum(random.poisson(random.gamma(1.0, pace, shape)), available)
    arrays: dict[str, Any] = {
        "outbound": outbound,
        "ship_cost": outbound * random.gamma(20.0, 0.3, shape),
        "available": available,
        "glance_views": random.poisson(random.gamma(2.0, pace, (products, periods, places[1]))),
        "calendar": random.standard_normal((periods, CALENDAR)),
        "attributes": random.normal((3.0, 1.0, -2.0), 0.4, (products, ATTRIBUTES)),
    }
    single: dict[str, Any] = {name: values.astype(np.float32) for name, values in arrays.items()}
    found = (nodes, regions, np.sqrt((gap**2).sum(axis=-1)))
    if boxes:
        product, period, node = np.repeat(
            np.indices(shape).reshape(3, -1), outbound.ravel(), axis=1
        )
        region, one = random.integers(places[1], size=node.size), np.ones(node.size)
        slots = lane_slots(product, period, node, region, one, (products, periods))
        single["lane"] = (slots["node"] * places[1] + slots["region"]).astype(np.int32)
        single["lane_units"] = slots["units"].astype(np.float32)
    return DrainData(
        active=np.ones((periods, places[0]), bool),
        geography=Geography(
            **dict(
                zip(
                    ("node_coordinates", "region_coordinates", "distance_km"),
                    (jnp.asarray(x, jnp.float32) for x in found),
                    strict=True,
                )
            )
        ),
        **single,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollouts:
    """Rollouts of one kernel over some products, [P, ...] throughout."""

    kernel: LearnedDrain
    params: LearnedParams
    series: Series  # WINDOW - 1 periods before the first one, and then the trajectory's
    history: History
    stock: Float[Array, "P N"]  # units on hand at the start
    arrivals: Float[Array, "P T N"]  # units
    part: int | None = None  # products that are prepared at a time, a divisor; all when not given

    @classmethod
    def of(
        cls,
        config: DrainConfig,
        products: int,
        horizon: int,
        seed: int,
        places: Places = (NODES, REGIONS),
    ) -> Rollouts:
        """Return rollouts of a freshly initialised network on so many nodes and regions."""
        nodes, data = places[0], random_data(products, WINDOW + horizon, seed, places)
        checkpoint = Checkpoint(
            config=config,
            weights=initial_weights(config, CALENDAR, ATTRIBUTES, seed=seed),
            statistics=Statistics.from_data(data),
            node_coordinates=np.asarray(data.geography.node_coordinates),
        )
        everywhere, always = jnp.ones(nodes, bool), jnp.zeros(nodes, jnp.int32)
        kernel, params = LearnedDrain.bind(checkpoint, data.geography, everywhere, always)
        # The first period is history alone: a window has one period of drain less than of views.
        inputs = data.inputs()
        views, periods = inputs.glance_views[:, 1:], WINDOW - 1 + horizon
        lead, key = (products, periods), jax.random.key(seed)
        uniforms = jax.random.uniform(key, (*lead, kernel.num_uniforms), minval=0.01, maxval=0.99)
        series = Series(
            period=jnp.broadcast_to(jnp.arange(periods), lead),
            glance_views=views,
            forecast=jnp.zeros_like(views),
            price=jnp.ones(lead),
            unit_cost=jnp.ones(lead),
            attributes=inputs.attributes[:, 1:],
            calendar=inputs.calendar[:, 1:],
            lead_share=jnp.zeros((*lead, nodes, 2)),
            last=jnp.zeros(lead, bool),
            round_uniform=jnp.zeros((*lead, nodes)),
            drain_uniform=uniforms,
        )
        past = History(
            outbound=inputs.outbound[:, :WINDOW],
            ship_cost=inputs.ship_cost[:, :WINDOW],
            available=inputs.available[:, :WINDOW],
        )
        return cls(
            kernel=kernel,
            params=params,
            series=series,
            history=past,
            stock=inputs.available[:, WINDOW],
            arrivals=jnp.floor(0.25 * inputs.available[:, WINDOW:]),
        )

    def prepare(self, params: LearnedParams) -> Any:
        """Return what no action changes, by period of the trajectory."""

        def one(series: Series) -> Any:
            found = self.kernel.prepare(params, series)
            return jax.tree.map(lambda x: x[-self.arrivals.shape[1] :], found)

        products = self.stock.shape[0]
        if self.part is None:
            return jax.vmap(one)(self.series)
        # Not ``batch_size``: it cannot put leaves without a value together again.
        parts = jax.tree.map(lambda x: x.reshape(-1, self.part, *x.shape[1:]), self.series)
        found = jax.lax.map(jax.vmap(one), parts)
        return jax.tree.map(lambda x: x.reshape(products, *x.shape[2:]), found)

    def run(
        self, params: LearnedParams, exogenous: Any, arrivals: Array, *, remat: bool
    ) -> tuple[Array, tuple[Array, Array]]:
        """Return ship and holding cost, and units and cost of every period [P, T, N]."""

        def one(
            series: Series, exogenous: Any, history: History, stock: Array, arrivals: Array
        ) -> Any:
            def period(carry: tuple[Any, Array], now: tuple[Any, Array, Array]) -> Any:
                memory, stock = carry
                exogenous, uniforms, arrived = now
                available = stock + arrived
                memory, drain = self.kernel.drain(params, memory, available, exogenous, uniforms)
                stock = available - drain.outbound
                return (memory, stock), (drain.outbound, drain.ship_cost, stock)

            body = jax.checkpoint(period, prevent_cse=False) if remat else period
            uniforms = series.drain_uniform[-arrivals.shape[0] :]
            start = (self.kernel.init(params, history), stock)
            _, (units, cost, left) = jax.lax.scan(body, start, (exogenous, uniforms, arrivals))
            return jnp.sum(cost) + HOLDING * jnp.sum(left), (units, cost)

        total, flows = jax.vmap(one)(self.series, exogenous, self.history, self.stock, arrivals)
        return jnp.sum(total), flows

    def compiled(self, kind: Kind) -> Any:
        """Compile one function; it takes the parameters, and but for ``prepare`` the rest too."""
        if kind == "prepare":
            return jax.jit(self.prepare).lower(self.params).compile()
        exogenous = jax.eval_shape(self.prepare, self.params)

        def run(params: LearnedParams, exogenous: Any, arrivals: Array) -> Any:
            return self.run(params, exogenous, arrivals, remat=kind == "remat")

        function = run if kind == "forward" else jax.grad(run, argnums=2, has_aux=True)
        return jax.jit(function).lower(self.params, exogenous, self.arrivals).compile()

    def repeated(self, times: int) -> Rollouts:
        """Return rollouts of every product so many times."""
        names = ("series", "history", "stock", "arrivals")
        kept = {name: getattr(self, name) for name in names}
        many = jax.tree.map(lambda x: jnp.repeat(x, times, axis=0), kept)
        return replace(self, **many)

    def windows(self) -> Rollouts:
        """Return the same rollouts without a cache."""
        return replace(self, kernel=WindowDrain.of(self.kernel))

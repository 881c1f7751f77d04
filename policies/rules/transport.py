"""Placement by linear programs on the forecast: of the next periods at once, or rolled ahead.

The programs are solved on the host by HiGHS. Inside of ``jit`` that is a ``jax.pure_callback``:
the same policies run in the simulator (jitted, vmapped), in the oracle and in Gymnasium
environments. They have no gradient, and JAX says so where one is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray
from scipy import sparse

from draingym.common.arrays import require_shape, require_whole
from draingym.policies.rules.base_stock import positive, raise_to, with_safety
from draingym.policies.rules.linear import Program
from draingym.policies.rules.placement import forecast_demand
from draingym.policies.tree import Tree, net_stock, require_fit
from draingym.simulator import Observation

FloatArray = NDArray[np.float64]


def _on_host(solve: Any, nodes: int, arguments: tuple[Any, ...]) -> Float[Array, " N"]:
    """Call ``solve`` on the host with a leading batch axis, whatever is mapped outside."""

    def call(*arrays: Any) -> NDArray[np.float32]:
        given = [np.asarray(array, np.float64) for array in arrays]
        batch = given[0].shape[:-1]  # the first argument is one vector a policy
        flat = [array.reshape(-1, *array.shape[len(batch) :]) for array in given]
        return np.asarray(solve(*flat), np.float32).reshape(*batch, nodes)

    shape = jax.ShapeDtypeStruct((nodes,), jnp.float32)
    result: Array = jax.pure_callback(call, shape, *arguments, vmap_method="broadcast_all")
    return result


def _not_owed(observation: Observation, placed: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return what is to be placed less what a node is owed already, which is shipped anyhow."""
    return placed if observation.owed is None else positive(placed - observation.owed)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class TransportParams:
    """What ``TransportPlacement`` may change."""

    buy_cover: Float[Array, ""]  # periods of forecast demand to own in the whole echelon
    place_cover: Float[Array, ""]  # periods of forecast demand that the placement serves
    safety: Float[Array, ""]  # standard deviations of Poisson demand on top


@dataclass(frozen=True, kw_only=True, slots=True)
class TransportPlacement:
    """Buy up to a cover; place what serves the next periods' demand best: a transport problem.

    ``max sum_nz (price - ship_nz) x_nz - transfer * sum_n y_n`` subject to ``sum_n x_nz <=
    D_z``, ``sum_z x_nz <= position_n + y_n`` and ``sum of a parent's y <= its stock``: x is who
    serves whom, y is what is placed, ``D_z`` the demand over ``place_cover`` periods plus its
    safety. Myopic: stock that stays upstream has no value, and later periods do not exist. Nodes
    that the vendor feeds, customers' ones too, are bought for up to their echelon cover.

    Gradients: none; see this module.
    """

    tree: Tree
    unit_ship_cost: tuple[tuple[float, ...], ...]  # [N][Z] currency
    transfer_cost: float = 0.25  # currency a unit

    def __post_init__(self) -> None:
        """Refuse costs of another network."""
        _check_costs(self.unit_ship_cost, self.tree)

    def init(self, key: Array) -> TransportParams:
        """Return two weeks' buying cover and one week's placement cover, for daily periods."""
        del key
        return TransportParams(
            buy_cover=jnp.float32(14.0), place_cover=jnp.float32(7.0), safety=jnp.float32(1.0)
        )

    def apply(
        self, params: TransportParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        bought = with_safety(
            params.buy_cover * forecast_demand(self.tree, observation), params.safety
        )
        request = raise_to(self.tree, observation, bought)
        demand = with_safety(params.place_cover * observation.forecast, params.safety)
        position = net_stock(observation)
        placed = _on_host(
            self._place,
            position.shape[0],
            (position, observation.on_hand, observation.active, demand, observation.price[None]),
        )
        return jnp.where(self.tree.parent < 0, request, _not_owed(observation, placed))

    def _place(
        self,
        position: FloatArray,
        on_hand: FloatArray,
        active: FloatArray,
        demand: FloatArray,
        price: FloatArray,
    ) -> FloatArray:
        """Return [B, N] units that every node gets from its parent."""
        parent, serves = np.asarray(self.tree.parent), np.asarray(self.tree.serves)
        nodes, regions = len(parent), demand.shape[1]
        batch = len(position)
        value = price[:, :, None] - np.asarray(self.unit_ship_cost)[None]
        cost = np.concatenate(
            [np.full((batch, nodes), self.transfer_cost), -value.reshape(batch, -1)], axis=1
        )
        high = np.concatenate([demand, np.maximum(position, 0.0), np.maximum(on_hand, 0.0)], axis=1)
        open_now = (active > 0) & serves[None, :]
        most = np.where((active > 0) & (parent >= 0)[None, :], np.inf, 0.0)
        top = np.concatenate(
            [most, np.repeat(np.where(open_now, np.inf, 0.0), regions, axis=1)], axis=1
        )
        low = np.full_like(high, -np.inf)
        found = _transport(tuple(int(p) for p in parent), regions).solve(cost, low, high, top)
        return found[:, :nodes]


@lru_cache(maxsize=8)
def _transport(parent: tuple[int, ...], regions: int) -> Program:
    """Return the program over (y [N], x [N, Z]); rows: regions, nodes' stock, parents' stock."""
    nodes = len(parent)
    ones = np.ones((1, regions))
    flows = sparse.vstack(
        [
            sparse.kron(np.ones((1, nodes)), sparse.eye_array(regions)),
            sparse.kron(sparse.eye_array(nodes), ones),
            sparse.csr_array((nodes, nodes * regions)),
        ]
    )
    feeds = np.zeros((nodes, nodes))
    for child, node in enumerate(parent):
        if node >= 0:
            feeds[node, child] = 1.0
    placed = sparse.vstack(
        [sparse.csr_array((regions, nodes)), -sparse.eye_array(nodes), sparse.csr_array(feeds)]
    )
    return Program(sparse.csr_array(sparse.hstack([placed, flows])))


def _check_costs(unit_ship_cost: Any, tree: Tree) -> None:
    """Raise ``ValueError`` unless there is a cost of every node and region."""
    require_shape("unit_ship_cost", np.asarray(unit_ship_cost), np.shape(tree.distance))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class RollingParams:
    """What ``RollingHorizon`` may change."""

    uplift: Float[Array, ""]  # factor on the forecast, in place of a safety stock
    stock_value: Float[Array, ""]  # share of the unit cost that stock is worth at the end


@dataclass(frozen=True, kw_only=True, slots=True)
class RollingHorizon:
    """Plan the next periods for the forecast as if it were certain; do the plan's first period.

    ``max sum_t [sum (price - ship) served - transfer * placed - unit_cost * bought - holding *
    stock] + stock_value * unit_cost * stock at the end`` over purchases, placements, who serves
    whom, and stock, with the simulator's order of events, expected lead times and lost sales.
    Regions are grouped by their nearest open node. What would arrive after the last period is not
    ordered: periods must be more than the lead times on the way.

    Gradients: none; see this module.
    """

    tree: Tree
    unit_ship_cost: tuple[tuple[float, ...], ...]  # [N][Z] currency
    lead_time: tuple[int, ...]  # periods from the parent
    periods: int = 8  # of the plan
    transfer_cost: float = 0.25  # currency a unit
    holding_cost: float = 0.01  # currency a unit and period
    holding_rate: float = 0.25 / 365  # share of the unit cost a period

    def __post_init__(self) -> None:
        """Refuse costs of another network, and a plan in which nothing arrives or too much."""
        _check_costs(self.unit_ship_cost, self.tree)
        require_whole("periods", self.periods, low=1, high=1000)
        if len(self.lead_time) != len(self.tree.parent):
            raise ValueError(
                f"lead_time has {len(self.lead_time)} entries, must have {len(self.tree.parent)}"
            )
        if self.periods <= max(self.lead_time):
            raise ValueError(
                f"periods is {self.periods}, must be above the longest lead time, "
                f"{max(self.lead_time)}"
            )

    def init(self, key: Array) -> RollingParams:
        """Return a plan for 1.5 times the forecast, with stock worth 0.9 of its cost."""
        del key
        return RollingParams(uplift=jnp.float32(1.5), stock_value=jnp.float32(0.9))

    def apply(
        self, params: RollingParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        nodes, regions = self.tree.distance.shape
        require_fit(observation, nodes=nodes, regions=regions)
        money = jnp.stack(
            [observation.price, observation.unit_cost, params.uplift, params.stock_value]
        )
        planned = _on_host(
            self._plan,
            observation.on_hand.shape[0],
            (money, observation.on_hand, observation.pipeline, observation.active,
             observation.forecast),
        )  # fmt: skip
        return _not_owed(observation, planned)

    def _plan(
        self,
        money: FloatArray,
        on_hand: FloatArray,
        pipeline: FloatArray,
        active: FloatArray,
        forecast: FloatArray,
    ) -> FloatArray:
        """Return [B, N] units of the plan's first period."""
        parent, serves = np.asarray(self.tree.parent), np.asarray(self.tree.serves)
        batch, nodes, periods = len(money), len(parent), self.periods
        price, unit_cost, uplift, stock_value = money.T[:, :, None, None]
        open_now = (active > 0) & serves[None, :]
        distance = np.where(open_now[:, :, None], np.asarray(self.tree.distance)[None], np.inf)
        nearest = np.argmin(distance, axis=1)  # [B, Z]
        group = (nearest[:, None, :] == np.arange(nodes)[None, :, None]) * forecast[:, None, :]
        demand = group.sum(axis=2)  # [B, C]
        ship = np.einsum("nz,bcz->bnc", np.asarray(self.unit_ship_cost), group)
        ship = ship / np.maximum(demand, 1e-9)[:, None, :]

        # Variables: sent [T, N], stock [T, N], served [T, N, C].
        arrives = np.arange(periods)[:, None] + np.asarray(self.lead_time)[None, :] < periods
        root = parent < 0
        sent = np.where(root, unit_cost[:, 0], self.transfer_cost)[:, None, :]
        keep = np.broadcast_to(
            (self.holding_cost + self.holding_rate * unit_cost), (batch, periods, nodes)
        ).copy()
        keep[:, -1] -= (stock_value * unit_cost)[:, 0]
        served = np.broadcast_to((ship - price)[:, None], (batch, periods, nodes, nodes))
        cost = np.concatenate(
            [
                np.broadcast_to(sent, (batch, periods, nodes)).reshape(batch, -1),
                keep.reshape(batch, -1),
                served.reshape(batch, -1),
            ],
            axis=1,
        )
        can_get = np.where(arrives[None] & (active > 0)[:, None, :], np.inf, 0.0)
        can_serve = np.where(open_now[:, None, :, None], np.inf, 0.0)
        top = np.concatenate(
            [
                can_get.reshape(batch, -1),
                np.full((batch, periods * nodes), np.inf),
                np.broadcast_to(can_serve, served.shape).reshape(batch, -1),
            ],
            axis=1,
        )
        # Rows: stock balance [T, N] =, parents' shelves [T, N] <=, demand [T, C] <=.
        due = np.zeros((batch, periods, nodes))
        known = min(periods, pipeline.shape[1])
        due[:, :known] = pipeline[:, :known]
        due[:, 0] += on_hand
        shelf = np.zeros((batch, periods, nodes))
        shelf[:, 0] = on_hand
        wanted = np.broadcast_to((uplift[:, :, 0] * demand)[:, None], (batch, periods, nodes))
        high = np.concatenate(
            [part.reshape(batch, -1) for part in (due, np.maximum(shelf, 0.0), wanted)], axis=1
        )
        low = np.full_like(high, -np.inf)
        low[:, : periods * nodes] = high[:, : periods * nodes]
        key = (tuple(int(p) for p in parent), self.lead_time, periods)
        return _rolling(*key).solve(cost, low, high, top)[:, :nodes]


@lru_cache(maxsize=8)
def _rolling(parent: tuple[int, ...], lead_time: tuple[int, ...], periods: int) -> Program:
    """Return the program of a plan: balance, parents' shelves, demand; see ``RollingHorizon``."""
    nodes = len(parent)
    size = periods * nodes
    feeds = np.zeros((nodes, nodes))
    for child, node in enumerate(parent):
        if node >= 0:
            feeds[node, child] = 1.0
    leaves = sparse.kron(sparse.eye_array(periods), sparse.csr_array(feeds))
    before = sparse.kron(sparse.eye_array(periods, k=-1), sparse.eye_array(nodes))
    arrived = sparse.lil_array((size, size))
    for n, lead in enumerate(lead_time):
        for t in range(lead, periods):
            arrived[t * nodes + n, (t - lead) * nodes + n] = 1.0
    stock = sparse.eye_array(size)
    out = sparse.kron(sparse.eye_array(size), np.ones((1, nodes)))
    into = sparse.kron(
        sparse.eye_array(periods), sparse.kron(np.ones((1, nodes)), sparse.eye_array(nodes))
    )
    # stock_t - stock_(t-1) - arrived + left + served = due; left <= stock_(t-1); served <= demand
    rows = [
        [leaves - arrived, stock - before, out],
        [leaves, -before, None],
        [None, None, into],
    ]
    return Program(sparse.csr_array(sparse.block_array(rows)))

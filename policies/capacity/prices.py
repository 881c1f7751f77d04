"""Storage shared by all products: prices of a node's space, by dual ascent and by a forecast.

A node holds at most ``capacity`` units (or volumes) of all products together. Products are rolled
out one by one, so the limit enters as a price: ``max sum_p value_p - sum_tn price_tn (use_tn -
capacity_n)``, the Lagrangian of the limit. A policy that answers to the price it sees
(``PriceResponsive``) stores less where the price is high.

- ``dual_ascent`` finds prices for periods whose demand is known: they rise where use is above
  capacity, and fall where it is below.
- ``draingym.policies.capacity.price_forecast`` learns those prices from what is known before a
  period, the forecast of demand and the use at the start, so that prices can be had for periods to
  come.

Source: Eisenach et al. (2024), "Neural coordination and capacity control for inventory
management"; Maggiar et al. (2024) for the forecast of prices. Ours: the answer of a policy in
closed form, and the regression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from draingym.common.arrays import require_range, require_whole
from draingym.common.config import require_fields
from draingym.policies.tree import Tree, echelon_position
from draingym.simulator import (
    Observation,
    Params,
    Policy,
    PyTree,
    Scenario,
    Simulator,
    Transition,
    discounted_return,
)

FloatArray = NDArray[np.float64]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class PriceResponsiveParams:
    """What ``PriceResponsive`` may change."""

    base: PyTree  # parameters of the policy inside
    response: Float[Array, ""]  # how fast a target falls with the price over the margin


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceResponsive:
    """A policy in order-up-to form whose targets fall with the price of storage.

    ``target' = target * exp(-response * storage price / (price - unit cost))`` at every node,
    where the target is what the policy inside raises the echelon position to. Without a price, or
    at a price of 0, it is the policy inside.

    Gradients: those of the policy inside, and exact in the response; at a request of 0 its side.
    """

    base: Policy
    tree: Tree

    def init(self, key: Array) -> PriceResponsiveParams:
        """Return the base's parameters, and an answer that halves a target at 0.7 of the margin."""
        return PriceResponsiveParams(base=self.base.init(key), response=jnp.float32(1.0))

    def apply(
        self, params: PriceResponsiveParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        request = self.base.apply(params.base, observation, key)
        if observation.storage_price is None:
            return request
        margin = jnp.maximum(observation.price - observation.unit_cost, 1e-3)
        factor = jnp.exp(-params.response * observation.storage_price / margin)
        target = echelon_position(self.tree, observation) + request
        # A request of 0 has a target at or below the position, and so has what is less.
        less = request - (1.0 - factor) * jnp.maximum(target, 0.0)
        return jnp.where(less >= 0, less, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """How far the use of storage exceeds the capacity.

    >>> found: Violation = violation(np.array([[6.0], [4.0]]), np.array([5.0]))
    >>> found.node_periods, found.worst
    (0.5, 1.2)
    """

    excess: float  # units above capacity over the capacity, mean over limited nodes and periods
    node_periods: float  # share of limited nodes and periods above capacity
    worst: float  # the largest use over its capacity


def violation(use: FloatArray, capacity: FloatArray) -> Violation:
    """Return how far use exceeds capacity.

    Args:
        use: [..., T, N] units of all products on hand at the end of a period.
        capacity: [N] units; inf for none.

    Example:
        >>> violation(np.array([[4.0, 9.0], [6.0, 9.0]]), np.array([5.0, np.inf])).worst
        1.2
    """
    limited = np.isfinite(capacity)
    if not limited.any():
        return Violation(excess=0.0, node_periods=0.0, worst=0.0)
    share = use[..., limited] / capacity[limited]
    return Violation(
        excess=float(np.maximum(share - 1.0, 0.0).mean()),
        node_periods=float((share > 1.0 + 1e-6).mean()),
        worst=float(share.max()),
    )


def with_prices(
    scenario: Scenario,
    charged: Float[Array, "T N"],
    seen: Float[Array, "T N"],
    volume: Float[Array, " P"],
) -> Scenario:
    """Return a batch of scenarios with the price of storage that is charged, and that is seen.

    Args:
        scenario: Leaves [P, ...] and [P, T, ...].
        charged: [T, N] currency a volume and period.
        seen: [T, N] the same, as policies see it before they act.
        volume: [P] volumes a unit; ones where capacity is in units.
    """

    def of_each(prices: Array) -> Array:
        return volume[:, None, None] * prices[None]

    series = replace(
        scenario.series, storage_price=of_each(charged), storage_forecast=of_each(seen)
    )
    return replace(scenario, series=series)


def look_ahead(prices: Float[Array, "T N"], periods: int) -> Float[Array, "T N"]:
    """Return the mean price of a period and those after it, ``periods`` in all; fewer at the end.

    Args:
        prices: [T, N].
        periods: At least 1.
    """
    index = jnp.arange(prices.shape[0])
    ahead = (index[None, :] >= index[:, None]) & (index[None, :] < index[:, None] + periods)
    weight = ahead.astype(prices.dtype)
    mean: Array = (weight @ prices) / jnp.sum(weight, axis=1, keepdims=True)
    return mean


@dataclass(frozen=True, kw_only=True, slots=True)
class CapacityConfig:
    """How prices are found."""

    iterations: int = 60
    step: float = 0.6  # of the first update, in margins for a use of twice the capacity
    periods_seen: int = 4  # whose mean price a policy sees: until what it orders has arrived

    def __post_init__(self) -> None:
        """Refuse an empty search."""
        require_fields(self)
        require_whole("iterations", self.iterations, low=1, high=1_000_000)
        require_whole("periods_seen", self.periods_seen, low=1, high=10_000)
        require_range("step", self.step, low=0.0, high=1e6, open_low=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class CapacityPrices:
    """Prices of storage, and how they were found."""

    prices: FloatArray  # [T, N] currency a volume and period
    excess: FloatArray  # [iterations + 1] ``Violation.excess`` before each update, and at the end
    value: FloatArray  # [iterations + 1] mean return of a product without prices, currency


class CapacityRollouts:
    """Rolls all products out under prices; compiled once for all of its calls.

    Args:
        simulator: Dynamics and drain kernel.
        params: Their parameters.
        policy: Answers to ``Observation.storage_price``; see ``PriceResponsive``.
        policy_params: Its parameters.
        volume: [P] volumes a unit.
    """

    def __init__(
        self,
        simulator: Simulator,
        params: Params,
        policy: Policy,
        policy_params: PyTree,
        volume: NDArray[Any],
    ) -> None:
        """Compile nothing yet."""
        self.policy_params, self.params = policy_params, params
        self.volume = np.asarray(volume, np.float32)
        self._run = partial(_run, simulator, policy)

    def __call__(
        self, scenario: Scenario, charged: Any, seen: Any
    ) -> tuple[FloatArray, FloatArray]:
        """Return [P] returns without the price of storage, and [T, N] the use of it."""
        values, use = self._run(
            self.params,
            self.policy_params,
            scenario,
            np.asarray(charged, np.float32),
            np.asarray(seen, np.float32),
            self.volume,
        )
        return np.asarray(values, np.float64), np.asarray(use, np.float64)

    @staticmethod
    def seen(prices: FloatArray, periods: int) -> FloatArray:
        """Return [T, N] what a policy sees of prices: the mean of the next periods'."""
        ahead = look_ahead(jnp.asarray(prices, jnp.float32), periods)
        return np.asarray(ahead, np.float64)


@partial(jax.jit, static_argnums=(0, 1))
def _run(
    simulator: Simulator,
    policy: Policy,
    params: Params,
    policy_params: PyTree,
    scenario: Scenario,
    charged: Array,
    seen: Array,
    volume: Array,
) -> tuple[Array, Array]:
    """Return [P] returns without the price of storage, and [T, N] the use of it."""

    def one(scenario: Scenario) -> tuple[Array, Array]:
        moves: Transition = simulator.rollout(
            params, policy, policy_params, scenario, remat=False
        ).transitions
        own = replace(moves, reward=moves.reward + moves.capacity_cost)
        return discounted_return(params, own), moves.on_hand

    values, on_hand = jax.vmap(one)(with_prices(scenario, charged, seen, volume))
    return values, jnp.einsum("p,ptn->tn", volume, on_hand)


def dual_ascent(
    rollouts: CapacityRollouts,
    scenarios: list[Scenario],
    capacity: FloatArray,
    config: CapacityConfig | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> CapacityPrices:
    """Find the prices of storage, by node and period, that keep the use within capacity.

    ``price += step_k * margin * (use / capacity - 1)``, at least 0, with ``step_k = step /
    sqrt(k)``; use is the mean over the scenarios. The prices of the iteration with the least
    excess are kept, of several the one of the highest value.

    Args:
        rollouts: Of the policy.
        scenarios: The same products and periods, other draws; leaves [P, ...] and [P, T, ...].
        capacity: [N] volumes; inf for none.
        config: Of the search.
        progress: Called with (updates done, updates).

    Returns:
        Prices, and the excess and value on the way.

    Raises:
        ValueError: If a capacity is not above 0, or there is no scenario.

    Source:
        Subgradient ascent of the dual, as in Shor (1985).
    """
    config = CapacityConfig() if config is None else config
    capacity = checked_capacity(capacity)
    if not scenarios:
        raise ValueError("scenarios is empty, must hold at least 1")
    first = scenarios[0].series
    periods = first.period.shape[1]
    margin = float(jnp.mean(first.price - first.unit_cost) / jnp.mean(rollouts.volume))
    prices = np.zeros((periods, len(capacity)))
    best, found = prices, (np.inf, 0.0)
    excess, value = [], []
    for k in range(config.iterations + 1):
        seen = look_ahead(jnp.asarray(prices, jnp.float32), config.periods_seen)
        ran = [rollouts(scenario, prices, seen) for scenario in scenarios]
        use = np.mean([use for _, use in ran], axis=0)
        excess.append(violation(use, capacity).excess)
        value.append(float(np.mean([values for values, _ in ran])))
        # Excess within a thousandth is no difference: value decides.
        rank = (round(excess[-1], 3), -value[-1])
        if rank < found:
            best, found = prices, rank
        step = config.step * margin / np.sqrt(k + 1.0)
        prices = np.maximum(prices + step * (use / capacity - 1.0), 0.0)
        if progress is not None:
            progress(min(k + 1, config.iterations), config.iterations)
    return CapacityPrices(prices=best, excess=np.asarray(excess), value=np.asarray(value))


def checked_capacity(capacity: FloatArray) -> FloatArray:
    """Return a capacity as it is.

    Raises:
        ValueError: If an entry is not above 0.
    """
    given = np.asarray(capacity, np.float64)
    if not (given > 0).all():
        raise ValueError(f"capacity is {given.min()} at its smallest, must be above 0")
    return given

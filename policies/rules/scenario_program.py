"""A stochastic program over sampled demand, solved anew every period: what to buy, what to place.

Two stages a period: stock is decided before demand is known, customers are served after. Sampled
demand replaces its distribution. The program splits into a quantile for every node and one
multiplier for every parent, so that it is solved exactly, in a jitted rollout, for any number of
products at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from draingym.common.arrays import require_seed, require_shape, require_whole
from draingym.policies.rules.base_stock import raise_to
from draingym.policies.rules.placement import NEAREST, error_cv, gamma_quantile, uncertain_covers
from draingym.policies.tree import Tree, catchment_share, echelon_position, require_fit
from draingym.simulator import Observation

_STEPS = 24  # halvings of a multiplier's interval


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class ScenarioParams:
    """What ``ScenarioProgram`` may change."""

    buy_cover: Float[Array, ""]  # periods that what is bought must last
    place_cover: Float[Array, ""]  # periods that what is placed must last
    cv: Float[Array, ""]  # standard deviation of the forecast's error over it; see ``error_cv``
    stock_value: Float[Array, ""]  # share of the unit cost that stock left over is worth


@dataclass(frozen=True, kw_only=True, slots=True)
class ScenarioProgram:
    """Buy and place what is best on average over sampled demand, with recourse between nodes.

    Demand of node n in scenario k, over a cover, is a gamma's with the mean and variance of
    Poisson customers around ``forecast * exp(cv e_k - cv**2 / 2)``: all nodes share the forecast's
    error ``e_k``. With ``S_n`` a node's echelon position, ``D_n`` its demand, and sums over the
    nodes that one parent feeds, what is placed maximises

        mean_k [sum_n (far_n - near_n) min(S_n, D_n)
                + (price - far - value) min(sum S, sum D)] - transfer * placed

    within the parent's shelf: a unit that its own node ships costs ``near`` and otherwise ``far``,
    as the next open node charges; one that is not sold keeps its ``value``, ``stock_value`` of its
    cost. So ``S_n`` is the quantile of ``D_n`` at ``1 - m / (far_n - near_n)``, and the parent's m
    the least, at least 0, for which a unit more would earn its transfer and the shelf suffices.
    What is bought raises a root to the quantile of its demand at ``under / (under + over)``:
    ``price - near - transfer - cost`` is lost by a unit too few, ``cost - value`` by one too many.

    Gradients: exact almost everywhere through the sampled demand; m counts as a constant.

    Source: sample average approximation, Kleywegt, Shapiro and Homem-de-Mello (2002); the
    two-stage program with transshipment after Herer, Tzur and Yücesan (2006).
    """

    tree: Tree
    unit_ship_cost: tuple[tuple[float, ...], ...]  # [N][Z] currency
    transfer_cost: float = 0.25  # currency a unit
    scenarios: int = 32
    seed: int = 0  # of the scenarios

    def __post_init__(self) -> None:
        """Refuse costs of another network, and no scenario at all."""
        require_shape("unit_ship_cost", np.asarray(self.unit_ship_cost), self.tree.distance.shape)
        require_whole("scenarios", self.scenarios, low=1, high=10_000)
        require_seed(self.seed)

    def init(self, key: Array) -> ScenarioParams:
        """Return ten days' cover to buy and five to place; stock left is worth 0.9 of its cost."""
        del key
        return ScenarioParams(**uncertain_covers(), stock_value=jnp.float32(0.9))

    def apply(
        self, params: ScenarioParams, observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del key
        nodes, regions = self.tree.distance.shape
        require_fit(observation, nodes=nodes, regions=regions)
        share = catchment_share(self.tree, observation.active, jnp.float32(NEAREST))
        below = self.tree.descends.astype(jnp.float32)
        local = share @ observation.forecast
        weight = below * local[None, :] / jnp.maximum(below @ local, 1e-9)[:, None]
        near, far = (weight @ cost for cost in self._ship_costs(share, observation))
        value = params.stock_value * observation.unit_cost

        cv = error_cv(params.cv, observation)

        def demand(cover: Array) -> Array:  # [K, N]
            return self._demand(cover * local, cv) @ below.T

        short = observation.price - near - self.transfer_cost - observation.unit_cost
        over = observation.unit_cost - value
        few = jnp.maximum(short, 0.0)
        ranked = jnp.sort(demand(params.buy_cover), axis=0)
        wanted = _quantile(ranked, few / jnp.maximum(few + over, 1e-9))
        bought = jnp.where(short > 0, wanted, 0.0)  # nothing that loses money when it is sold
        gain = observation.price - value - far
        placed = self._place(demand(params.place_cover), far - near, gain, observation)
        return raise_to(self.tree, observation, jnp.where(self.tree.parent < 0, bought, placed))

    def _demand(self, mean: Float[Array, " N"], cv: Array) -> Float[Array, "K N"]:
        """Return demand by scenario and node, units."""
        normal = jnp.asarray(_normals(self.scenarios, mean.shape[0], self.seed))
        error = jnp.exp(cv * normal[:, :1] - 0.5 * cv**2)
        expected = error * mean[None, :] + 1e-6
        return gamma_quantile(expected, expected, normal[:, 1:])

    def _ship_costs(
        self, share: Float[Array, "N Z"], observation: Observation
    ) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
        """Return what a unit to a node's own customers costs from it, and from the next node."""
        cost = jnp.asarray(self.unit_ship_cost, jnp.float32)
        open_now = self.tree.serves & observation.active
        offered = jnp.where(open_now[:, None], cost, jnp.inf)
        ranked = jnp.sort(offered, axis=0)[:2]
        second = ranked[-1]
        # With nobody else to ship it, a unit that its node lacks is not sold.
        second = jnp.where(jnp.isfinite(second), second, observation.price)
        wanted = share * observation.forecast[None, :]
        total = jnp.maximum(jnp.sum(wanted, axis=1), 1e-9)
        near = jnp.sum(wanted * cost, axis=1) / total
        return near, jnp.maximum(wanted @ second / total, near)

    def _place(
        self,
        demand: Float[Array, "K N"],
        saved: Float[Array, " N"],
        gain: Float[Array, " N"],
        observation: Observation,
    ) -> Float[Array, " N"]:
        """Return the echelon positions that fed nodes are to have, as parents' shelves allow.

        Args:
            demand: Units by scenario and node.
            saved: Currency that a unit from the node itself saves.
            gain: Currency that a unit sold at all earns above what it keeps unsold.
            observation: What the policy sees.
        """
        parent = self.tree.parent
        fed = (parent >= 0) & observation.active
        together = ((parent[:, None] == parent[None, :]) & fed[:, None] & fed[None, :]).astype(
            jnp.float32
        )
        position = echelon_position(self.tree, observation)
        shelf = jnp.where(fed, observation.on_hand[parent], 0.0)
        wanted = demand @ together  # of all that the node's parent feeds
        share = together @ jnp.mean(demand, axis=0)
        earned = together @ (jnp.mean(demand, axis=0) * gain) / jnp.maximum(share, 1e-9)

        ranked = jnp.sort(demand, axis=0)  # once, and not at every multiplier

        def positions(multiplier: Array) -> Array:
            level = 1.0 - multiplier / jnp.maximum(saved, 1e-9)
            target = jnp.where(level >= 0, _quantile(ranked, level), 0.0)
            return jnp.where(target >= position, target, position)

        def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = 0.5 * (low + high)
            held = positions(middle)
            total = together @ held
            sold = jnp.mean(wanted > total[None, :], axis=0)
            worth = middle + sold * earned >= self.transfer_cost
            enough = together @ (held - position) <= shelf
            good = worth & enough
            return jnp.where(good, low, middle), jnp.where(good, middle, high)

        most = jnp.max(jnp.where(together > 0, saved[None, :], 0.0), axis=1)
        start = (jnp.full_like(most, -1e-3), most + 1e-3)
        _, multiplier = jax.lax.fori_loop(0, _STEPS, halve, jax.lax.stop_gradient(start))
        return positions(jax.lax.stop_gradient(jnp.maximum(multiplier, 0.0)))


def _quantile(ranked: Float[Array, "K N"], level: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return each node's quantile of its scenarios, in rising order, linear between mid-points."""
    count = ranked.shape[0]
    at = jnp.clip(level * count - 0.5, 0.0, count - 1.0)
    low = jnp.floor(at).astype(jnp.int32)

    def pick(index: Array) -> Array:
        return jnp.take_along_axis(ranked, index[None, :], axis=0)[0]

    below, above = pick(low), pick(jnp.minimum(low + 1, count - 1))
    part = at - low
    return (1.0 - part) * below + part * above


@lru_cache(maxsize=8)
def _normals(scenarios: int, nodes: int, seed: int) -> NDArray[np.float32]:
    """Return [K, 1 + N] standard normals, every column spread evenly over its distribution."""
    drawn = qmc.LatinHypercube(1 + nodes, rng=np.random.default_rng(seed)).random(scenarios)
    found: NDArray[np.float32] = ndtri(np.clip(drawn, 1e-6, 1 - 1e-6)).astype(np.float32)
    return found

"""A rollout of two nodes with every joint, hard and relaxed: what gradients are checked on.

Each period: real orders are rounded at random and stowed; both nodes' units are drawn from a joint
that depends on parameters, stock and the last drain; margins less holding cost are earned.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from benchmarks.comparators.reference_gradient import Episode
from draingym.drain_model.distributions.coherent import Coherent
from draingym.drain_model.distributions.copula import Copula
from draingym.drain_model.distributions.hybrid import Hybrid, count_base
from draingym.drain_model.distributions.independent import Independent
from draingym.drain_model.distributions.marginals import capped_interval, capped_log_prob
from draingym.simulator import hard_draw, straight_through

KINDS = ("independent", "truncated", "copula", "coherent")
MARGIN = jnp.array([5.0, 3.0])
HOLDING = jnp.array([0.6, 0.4])
# log demand, attraction of the first node, orders of either node.
THETA = jnp.array([0.9, 0.3, 2.7, 1.6])
NUM_UNIFORMS = 6  # two of the rounding, up to four of the joint
PLENTY = jnp.full(2, 1e6)
ACTIVE = jnp.ones(2, bool)


def negative_binomial(mean: jax.Array) -> Hybrid:
    return Hybrid.from_logits(*count_base(mean, jnp.full_like(mean, 0.2), 6))


def joint_at(kind: str, theta: jax.Array, stock: jax.Array, past: jax.Array):
    pull = jnp.stack([theta[1], -theta[1]]) + 0.15 * jnp.log1p(stock) + 0.1 * jnp.log1p(past)
    if kind == "coherent":
        mean = 2.0 * jnp.exp(theta[0] + 0.05 * jnp.sum(jnp.log1p(past)))
        return Coherent(
            total=negative_binomial(mean), log_share=pull, log_concentration=jnp.asarray(1.5)
        )
    dist = negative_binomial(jnp.exp(theta[0] + pull))
    if kind == "copula":
        return Copula(
            dist=dist,
            factors=jnp.array([[0.8, 0.1], [-0.6, 0.3]]),
            idiosyncratic=jnp.array([0.4, 0.6]),
        )
    return Independent(dist=dist, cap="truncated" if kind == "truncated" else "censored")


def inside(dist: Hybrid, k: jax.Array, level: jax.Array) -> jax.Array:
    """Where in [0, 1] of its atom the level lies."""
    below, at = dist.cdf(k - 1.0), dist.cdf(k)
    return jax.lax.stop_gradient(jnp.clip((level - below) / (at - below), 0.0, 1.0))


def real_draw(dist: Hybrid, uniform: jax.Array, top: jax.Array):
    """A draw below quantile ``top``, spread evenly over +-1/2 around every whole number.

    Its derivative is exact, in the distribution and in ``top``.
    """
    k = dist.ppf(uniform * top)
    v = inside(dist, k, uniform * top)
    below, at = dist.cdf(k - 1.0) / top, dist.cdf(k) / top
    return straight_through(k - 0.5 + v, hard_draw(k, v, below, at)), k, v


def relaxed_units(kind: str, joint, stock: jax.Array, uniforms: jax.Array, frozen: bool):
    hold = jax.lax.stop_gradient if frozen else lambda x: x
    if kind == "coherent":
        y, k, _ = real_draw(joint.total, uniforms[0], jnp.ones(()))
        total = jnp.clip(hold(y), 0.0, jnp.sum(stock))
        concentration = jnp.exp(joint.log_concentration)
        a, b = jax.nn.softmax(joint.log_share) * concentration
        middle, spread = jnp.log(a / b), jnp.sqrt(1.0 / a + 1.0 / b + 0.3)
        z = hold(middle + spread * jax.scipy.special.ndtri(uniforms[1] * 0.9999 + 5e-5))
        first = total * jax.nn.sigmoid(z)
        first = jnp.minimum(jnp.maximum(first, total - stock[1]), jnp.minimum(total, stock[0]))
        normal = jax.scipy.stats.norm.logpdf(z, middle, spread)
        return jnp.stack([first, total - first]), joint.total.log_prob(k) + normal
    level = jax.lax.stop_gradient(joint.levels(uniforms)) if kind == "copula" else uniforms[:2]
    if kind == "truncated":
        whole = jax.lax.stop_gradient(jnp.floor(stock))
        low, high = joint.dist.cdf(whole), joint.dist.cdf(whole + 1.0)
        top = low + (stock - whole) * (high - low)
        y, k, _ = real_draw(joint.dist, level, top)
        log_prob = jnp.sum(joint.dist.log_prob(k) - jnp.log(top))
    else:
        y, k, v = real_draw(joint.dist, level, jnp.ones(2))
        log_prob = joint.log_prob(k, PLENTY, ACTIVE, v)
    return jnp.clip(hold(y), 0.0, stock), log_prob


def hard_units(
    kind: str, joint, stock: jax.Array, uniforms: jax.Array, frozen: bool, unlimited: bool
):
    used = uniforms[: joint.num_uniforms(2, 2)]
    units = joint.sample(stock, ACTIVE, used)
    if not frozen:
        return units, jnp.zeros(())
    units = jax.lax.stop_gradient(units)
    if kind == "truncated":
        return units, joint.log_prob(units, stock, ACTIVE)
    if kind == "coherent":
        log_prob = joint.log_prob(units, stock, ACTIVE)
        if unlimited:
            total, limit = jnp.sum(units), jnp.sum(stock)
            log_prob -= capped_log_prob(joint.total, total, limit, "censored")
            log_prob += joint.total.log_prob(joint.total.ppf(used[0]))
        return units, log_prob
    level = jax.lax.stop_gradient(joint.levels(used)) if kind == "copula" else used
    if unlimited:
        k = joint.dist.ppf(level)
        return units, joint.log_prob(k, PLENTY, ACTIVE, inside(joint.dist, k, level))
    below, at = capped_interval(joint.dist, units, stock, joint.cap)
    v = jax.lax.stop_gradient(jnp.clip((level - below) / (at - below), 0, 1))
    return units, joint.log_prob(units, stock, ACTIVE, v)


@dataclass(frozen=True)
class TwoNodes:
    """A ``Rollout`` in log demand, attraction and, for the pathwise gradient alone, orders.

    Uniforms are [T, 6]. Rounded orders have no log probability: a score function must not be
    asked for the orders' gradient.
    """

    kind: str
    # The probability is that of the draws before stock censors them. It varies more, but cancels
    # against that of the relaxed draws, which is of the same kind: for the reference estimator.
    unlimited: bool = False

    def __call__(self, parameters, uniforms, *, relaxed: bool, frozen: bool) -> Episode:
        theta, orders = parameters[:2], jnp.concatenate([parameters[2:], THETA[2:]])[:2]

        def period(state, uniform):
            left, past = state
            stowed = straight_through(jnp.floor(orders + uniform[:2]), orders)
            stock = left + stowed
            joint = joint_at(self.kind, theta, stock, past)
            drawn = self.kind, joint, stock, uniform[2:], frozen
            units, log_prob = (
                relaxed_units(*drawn) if relaxed else hard_units(*drawn, self.unlimited)
            )
            left = stock - units
            reward = jnp.sum(MARGIN * units - HOLDING * left - 2.0 * stowed)
            return (left, units), (reward, log_prob)

        start = (jnp.array([1.0, 1.0]), jnp.array([2.0, 2.0]))
        _, (rewards, log_probs) = jax.lax.scan(period, start, uniforms)
        return Episode(rewards=rewards, log_probs=log_probs)

"""The censored draw and its derivative, against enumeration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draingym.drain_model import censored_draw
from draingym.drain_model.distributions.hybrid import Hybrid

NUMBER = 40_000


def dist_at(theta: jax.Array) -> Hybrid:
    logits = jnp.array([0.5, 1.0, 0.2, -0.3, 0.1, 0.4]) + theta * jnp.arange(6.0)
    return Hybrid.from_logits(logits, jnp.exp(theta) * jnp.linspace(0.5, 2.0, 9))


def spread(dist: Hybrid, number: int) -> Hybrid:
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (number, *x.shape)), dist)


def exact_mean(theta: jax.Array, stock: int) -> jax.Array:
    """E min(Y, A) = sum of P(Y > k) over k < A."""
    k = jnp.arange(float(stock))
    return jnp.sum(1.0 - spread(dist_at(theta), stock).cdf(k))


# Stratified, so that the Monte Carlo error is far below that of independent draws.
UNIFORM = (jnp.arange(NUMBER) + jax.random.uniform(jax.random.key(0), (NUMBER,))) / NUMBER


@jax.jit
def sampled(theta: jax.Array, stock: jax.Array) -> jax.Array:
    available = jnp.broadcast_to(stock, (NUMBER,))
    return jnp.mean(censored_draw(spread(dist_at(theta), NUMBER), available, UNIFORM))


SLOPES = jax.jit(jax.value_and_grad(sampled, argnums=(0, 1)))


SLOW = [pytest.param(stock, marks=pytest.mark.slow) for stock in (1, 3, 9, 400)]


@pytest.mark.parametrize("stock", [6, *SLOW])
def test_derivative_in_the_distribution_is_unbiased_for_the_mean(stock: int) -> None:
    theta = jnp.asarray(0.2)
    value, (slope, _) = SLOPES(theta, jnp.asarray(float(stock)))
    np.testing.assert_allclose(value, exact_mean(theta, stock), rtol=2e-3)
    enumerated = jax.grad(exact_mean)(theta, stock)
    np.testing.assert_allclose(slope, enumerated, rtol=5e-3, atol=2e-3)


@pytest.mark.parametrize("stock", [1, 4, 6, 8])
def test_derivative_in_the_stock_lies_halfway_between_last_and_next_unit(stock: int) -> None:
    theta = jnp.asarray(-0.4)
    _, (_, found) = SLOPES(theta, jnp.asarray(float(stock)))
    last = 1.0 - dist_at(theta).cdf(jnp.asarray(stock - 1.0))
    following = 1.0 - dist_at(theta).cdf(jnp.asarray(float(stock)))
    assert last - following > 0.015
    np.testing.assert_allclose(found, 0.5 * (last + following), atol=2e-3)


def test_at_zero_stock_only_the_next_unit_counts() -> None:
    theta = jnp.asarray(0.2)
    value, (_, slope) = SLOPES(theta, jnp.asarray(0.0))
    assert value == 0.0
    np.testing.assert_allclose(slope, 1.0 - dist_at(theta).cdf(jnp.asarray(0.0)), atol=2e-3)


@jax.jit
def draw_with_tangent(theta: jax.Array, stock: jax.Array, u: jax.Array) -> tuple:
    one = jnp.ones(())
    found = jax.jvp(lambda t, a: censored_draw(dist_at(t), a, u), (theta, stock), (one, one))
    return *found, dist_at(theta).ppf(u)


@given(
    u=st.floats(0.0, 1.0, exclude_max=True, width=32),
    stock=st.integers(0, 60),
    theta=st.floats(-2.0, 2.0, width=32),
)
def test_a_draw_is_whole_feasible_and_the_plain_inverse(u: float, stock: int, theta: float) -> None:
    found, tangent, drawn = draw_with_tangent(
        jnp.asarray(theta), jnp.asarray(float(stock)), jnp.asarray(u)
    )
    assert found == min(float(drawn), stock)
    assert found == jnp.floor(found)
    assert bool(jnp.isfinite(tangent))

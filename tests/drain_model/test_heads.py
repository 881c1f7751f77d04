import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

from draingym.drain_model.distributions.cost_quantiles import (
    cost_cdf,
    cost_knots,
    cost_log_mass,
    cost_ppf,
)
from draingym.drain_model.distributions.hybrid import Hybrid, count_base


def make(seed: int, shape: tuple[int, ...] = (), atoms: int = 6) -> Hybrid:
    a, b = jax.random.split(jax.random.key(seed))
    logits = 2.0 * jax.random.normal(a, (*shape, atoms))
    return Hybrid.from_logits(logits, 3.0 * jax.random.uniform(b, (*shape, 9)))


def spread(dist: Hybrid, number: int) -> Hybrid:
    """Repeat one distribution ``number`` times."""
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (number, *x.shape)), dist)


def test_a_hybrid_by_hand() -> None:
    # Atoms 0.2 and 0.3, tail 0.5 with quantiles 2.5, 3.5, ..., 10.5 from K - 1/2 = 1.5 on.
    logits = jnp.log(jnp.array([0.2, 0.3]) / 0.5)
    dist = spread(Hybrid.from_logits(logits, jnp.full(9, 1.0 - 1e-2)), 5)
    found = dist.cdf(jnp.array([-1.0, 0.0, 1.0, 2.0, 6.0]))
    np.testing.assert_allclose(found, [0.0, 0.2, 0.5, 0.55, 0.75], atol=1e-6)
    found = jnp.exp(dist.log_prob(jnp.array([0.0, 1.0, 2.0, 9.0, 11.0])))
    # Beyond the last knot 10.5 the tail halves every gap: half of its last tenth lies in one.
    np.testing.assert_allclose(found, [0.2, 0.3, 0.05, 0.05, 0.5 * 0.1 * 0.5], rtol=1e-4)
    found = dist.ppf(jnp.array([0.1, 0.2001, 0.5, 0.52, 0.951]))
    np.testing.assert_array_equal(found, [0.0, 1.0, 1.0, 2.0, 11.0])


def test_the_first_piece_rises_as_a_power_by_hand() -> None:
    # All mass in the tail: 0.1 ((y - 1/2) / 3)^3 up to the knot 3.5, since the next gap is 1.
    gaps = jnp.full(9, 1.0 - 1e-2).at[0].set(3.0 - 1e-2)
    dist = spread(Hybrid.from_logits(jnp.array([-40.0]), gaps), 3)
    found = dist.cdf(jnp.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(found, [0.1 / 27, 0.1 * 8 / 27, 0.1], rtol=1e-4)
    found = dist.ppf(jnp.array([0.1 / 28, 0.1 * 8 / 28, 0.1 * 8 / 26]))
    np.testing.assert_array_equal(found, [1.0, 2.0, 3.0])


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_ppf_inverts_the_cdf_and_mass_is_its_difference(seed: int) -> None:
    dist = spread(make(seed), 60)
    k = jnp.arange(60.0)
    upto, below = dist.cdf(k), dist.cdf(k - 1.0)
    assert bool(jnp.all(jnp.diff(upto) >= -1e-6))
    mass = jnp.exp(dist.log_prob(k))
    np.testing.assert_allclose(upto - below, mass, atol=2e-6)
    survival = 1.0 - float(upto[-1])
    np.testing.assert_allclose(float(jnp.sum(mass)) + survival, 1.0, atol=1e-5)
    wide = np.asarray(mass) > 1e-4
    found = dist.ppf(0.5 * (upto + below))
    np.testing.assert_array_equal(np.asarray(found)[wide], np.asarray(k)[wide])


@pytest.mark.parametrize("k", [0, 2, 5, 6, 9, 30])
def test_at_least_is_what_the_cdf_leaves(k: int) -> None:
    dist = make(3)
    units = jnp.asarray(float(k))
    tail = dist.log_tail_at_least(units) if k >= 6 else 0.0
    found = jnp.exp(dist.log_atoms_at_least(units) + tail)
    np.testing.assert_allclose(found, 1.0 - dist.cdf(units - 1.0), rtol=1e-3, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.05, 2.0, 8.0, 60.0])
@pytest.mark.parametrize("dispersion", [1e-3, 0.2])
def test_the_base_is_about_a_negative_binomial(mean: float, dispersion: float) -> None:
    dist = spread(
        Hybrid.from_logits(*count_base(jnp.asarray(mean), jnp.asarray(dispersion), 6)), 300
    )
    exact = nbinom(1.0 / dispersion, 1.0 / (1.0 + dispersion * mean)).cdf(np.arange(300))
    found = np.asarray(dist.cdf(jnp.arange(300.0)))
    # Atoms nearly exact. The tail is straight from K - 1/2 to its first quantile (a tenth of its
    # mass), and its normal quantiles are not skewed.
    assert np.abs(found - exact)[:6].max() < 2e-3
    assert np.abs(found - exact).max() < 0.08


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_cost_quantiles_increase_and_invert(seed: int) -> None:
    raw = jax.random.normal(jax.random.key(seed), (9,))
    knots = cost_knots(raw, jnp.asarray(1.5), jnp.asarray(0.4))
    assert bool(jnp.all(jnp.diff(knots) > 0))
    level = jnp.linspace(0.005, 0.995, 67)
    every = jnp.broadcast_to(knots, (67, 9))
    cost = cost_ppf(every, level)
    assert bool(jnp.all(cost > 0))
    np.testing.assert_allclose(cost_cdf(every, cost), level, atol=2e-4)
    np.testing.assert_allclose(jnp.log(cost[33]), knots[4], atol=1e-4)


def test_cost_mass_is_the_difference_of_the_cdf() -> None:
    knots = cost_knots(jnp.linspace(-1, 1, 9), jnp.asarray(1.0), jnp.asarray(0.5))
    x = jnp.linspace(-1.0, 3.0, 50)
    every = jnp.broadcast_to(knots, (x.size, 9))
    upto, below = (cost_cdf(every, jnp.exp(x + h)) for h in (0.1, -0.1))
    found = 0.2 * jnp.exp(cost_log_mass(every, jnp.exp(x), 0.1))
    np.testing.assert_allclose(found, upto - below, atol=2e-6)


def fit(loss: object, start: jax.Array, steps: int = 400) -> jax.Array:
    optimizer = optax.adam(0.05)

    def body(carry: tuple, _: None) -> tuple:
        x, state = carry
        change, state = optimizer.update(jax.grad(loss)(x), state)
        return (optax.apply_updates(x, change), state), None

    (x, _), _ = jax.jit(lambda c: jax.lax.scan(body, c, None, length=steps))(
        (start, optimizer.init(start))
    )
    return x


@pytest.mark.slow
def test_likelihood_recovers_known_outbound_parameters() -> None:
    truth = Hybrid.from_logits(
        jnp.log(jnp.array([0.3, 0.1, 0.05, 0.1, 0.05, 0.1]) / 0.3), jnp.full(9, 1.5)
    )
    u = jax.random.uniform(jax.random.key(0), (20_000,))
    drawn = spread(truth, u.size).ppf(u)

    def of(x: jax.Array) -> Hybrid:
        return Hybrid.from_logits(x[:6], jax.nn.softplus(x[6:]))

    found = of(fit(lambda x: -jnp.mean(spread(of(x), u.size).log_prob(drawn)), jnp.zeros(15)))
    np.testing.assert_allclose(
        jnp.exp(found.log_atoms), [0.3, 0.1, 0.05, 0.1, 0.05, 0.1], atol=0.01
    )
    np.testing.assert_allclose(found.tail.knots, truth.tail.knots, rtol=0.1)


@pytest.mark.slow
def test_likelihood_recovers_known_cost_quantiles() -> None:
    log_cost = 1.2 + 0.3 * jax.random.normal(jax.random.key(1), (20_000,))
    mean, scale = jnp.asarray(1.0), jnp.asarray(0.5)

    def loss(x: jax.Array) -> jax.Array:
        knots = cost_knots(x, mean, scale)
        every = jnp.broadcast_to(knots, (log_cost.size, 9))
        return -jnp.mean(cost_log_mass(every, jnp.exp(log_cost), 0.05))

    found = cost_knots(fit(loss, jnp.zeros(9)), mean, scale)
    exact = 1.2 + 0.3 * jax.scipy.special.ndtri(jnp.arange(1, 10) / 10)
    np.testing.assert_allclose(found, exact, atol=0.025)

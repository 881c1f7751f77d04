import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

from draingym.drain_model.distributions import hybrid as heads
from draingym.drain_model.distributions.hybrid import Hybrid


def make(seed: int, shape: tuple[int, ...] = (), atoms: int = 6) -> Hybrid:
    a, b = jax.random.split(jax.random.key(seed))
    logits = 2.0 * jax.random.normal(a, (*shape, atoms))
    return heads.hybrid(logits, 3.0 * jax.random.uniform(b, (*shape, 9)))


def spread(dist: Hybrid, number: int) -> Hybrid:
    """Repeat one distribution ``number`` times."""
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (number, *x.shape)), dist)


def test_a_hybrid_by_hand() -> None:
    # Atoms 0.2 and 0.3, tail 0.5 with quantiles 2.5, 3.5, ..., 10.5 from K - 1/2 = 1.5 on.
    logits = jnp.log(jnp.array([0.2, 0.3]) / 0.5)
    dist = spread(heads.hybrid(logits, jnp.full(9, 1.0 - 1e-2)), 5)
    found = heads.cdf(dist, jnp.array([-1.0, 0.0, 1.0, 2.0, 6.0]))
    np.testing.assert_allclose(found, [0.0, 0.2, 0.5, 0.55, 0.75], atol=1e-6)
    found = jnp.exp(heads.log_prob(dist, jnp.array([0.0, 1.0, 2.0, 9.0, 11.0])))
    # Beyond the last knot 10.5 the tail halves every gap: half of its last tenth lies in one.
    np.testing.assert_allclose(found, [0.2, 0.3, 0.05, 0.05, 0.5 * 0.1 * 0.5], rtol=1e-4)
    found = heads.ppf(dist, jnp.array([0.1, 0.2001, 0.5, 0.52, 0.951]))
    np.testing.assert_array_equal(found, [0.0, 1.0, 1.0, 2.0, 11.0])


def test_the_first_piece_rises_as_a_power_by_hand() -> None:
    # All mass in the tail: 0.1 ((y - 1/2) / 3)^3 up to the knot 3.5, since the next gap is 1.
    gaps = jnp.full(9, 1.0 - 1e-2).at[0].set(3.0 - 1e-2)
    dist = spread(heads.hybrid(jnp.array([-40.0]), gaps), 3)
    found = heads.cdf(dist, jnp.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(found, [0.1 / 27, 0.1 * 8 / 27, 0.1], rtol=1e-4)
    found = heads.ppf(dist, jnp.array([0.1 / 28, 0.1 * 8 / 28, 0.1 * 8 / 26]))
    np.testing.assert_array_equal(found, [1.0, 2.0, 3.0])


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_ppf_inverts_the_cdf_and_mass_is_its_difference(seed: int) -> None:
    dist = spread(make(seed), 60)
    k = jnp.arange(60.0)
    upto, below = heads.cdf(dist, k), heads.cdf(dist, k - 1.0)
    assert bool(jnp.all(jnp.diff(upto) >= -1e-6))
    mass = jnp.exp(heads.log_prob(dist, k))
    np.testing.assert_allclose(upto - below, mass, atol=2e-6)
    survival = 1.0 - float(upto[-1])
    np.testing.assert_allclose(float(jnp.sum(mass)) + survival, 1.0, atol=1e-5)
    wide = np.asarray(mass) > 1e-4
    found = heads.ppf(dist, 0.5 * (upto + below))
    np.testing.assert_array_equal(np.asarray(found)[wide], np.asarray(k)[wide])


@pytest.mark.parametrize("k", [0, 2, 5, 6, 9, 30])
def test_at_least_is_what_the_cdf_leaves(k: int) -> None:
    dist = make(3)
    units = jnp.asarray(float(k))
    tail = heads.log_tail_at_least(dist, units) if k >= 6 else 0.0
    found = jnp.exp(heads.log_atoms_at_least(dist, units) + tail)
    np.testing.assert_allclose(found, 1.0 - heads.cdf(dist, units - 1.0), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("mean", [0.05, 2.0, 8.0, 60.0])
@pytest.mark.parametrize("dispersion", [1e-3, 0.2])
def test_the_base_is_about_a_negative_binomial(mean: float, dispersion: float) -> None:
    dist = spread(
        heads.hybrid(*heads.count_base(jnp.asarray(mean), jnp.asarray(dispersion), 6)), 300
    )
    exact = nbinom(1.0 / dispersion, 1.0 / (1.0 + dispersion * mean)).cdf(np.arange(300))
    found = np.asarray(heads.cdf(dist, jnp.arange(300.0)))
    # Atoms nearly exact. The tail is straight from K - 1/2 to its first quantile (a tenth of its
    # mass), and its normal quantiles are not skewed.
    assert np.abs(found - exact)[:6].max() < 2e-3
    assert np.abs(found - exact).max() < 0.08


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_cost_quantiles_increase_and_invert(seed: int) -> None:
    raw = jax.random.normal(jax.random.key(seed), (9,))
    knots = heads.cost_knots(raw, jnp.asarray(1.5), jnp.asarray(0.4))
    assert bool(jnp.all(jnp.diff(knots) > 0))
    level = jnp.linspace(0.005, 0.995, 67)
    every = jnp.broadcast_to(knots, (67, 9))
    cost = heads.cost_ppf(every, level)
    assert bool(jnp.all(cost > 0))
    np.testing.assert_allclose(heads.cost_cdf(every, cost), level, atol=2e-4)
    np.testing.assert_allclose(jnp.log(cost[33]), knots[4], atol=1e-4)


def test_cost_density_integrates_to_the_cdf() -> None:
    knots = heads.cost_knots(jnp.linspace(-1, 1, 9), jnp.asarray(1.0), jnp.asarray(0.5))
    x = jnp.linspace(-3.0, 5.0, 40_001)
    every = jnp.broadcast_to(knots, (x.size, 9))
    density = np.exp(np.asarray(heads.cost_log_density(every, jnp.exp(x)), np.float64))
    total = np.cumsum(density) * float(x[1] - x[0])
    exact = heads.cost_cdf(every, jnp.exp(x))
    np.testing.assert_allclose(total - total[0], exact - exact[0], atol=2e-3)


def test_cost_mass_is_the_difference_of_the_cdf() -> None:
    knots = heads.cost_knots(jnp.linspace(-1, 1, 9), jnp.asarray(1.0), jnp.asarray(0.5))
    x = jnp.linspace(-1.0, 3.0, 50)
    every = jnp.broadcast_to(knots, (x.size, 9))
    upto, below = (heads.cost_cdf(every, jnp.exp(x + h)) for h in (0.1, -0.1))
    found = 0.2 * jnp.exp(heads.cost_log_mass(every, jnp.exp(x), 0.1))
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


def test_likelihood_recovers_known_outbound_parameters() -> None:
    truth = heads.hybrid(
        jnp.log(jnp.array([0.3, 0.1, 0.05, 0.1, 0.05, 0.1]) / 0.3), jnp.full(9, 1.5)
    )
    u = jax.random.uniform(jax.random.key(0), (20_000,))
    drawn = heads.ppf(spread(truth, u.size), u)

    def of(x: jax.Array) -> Hybrid:
        return heads.hybrid(x[:6], jax.nn.softplus(x[6:]))

    found = of(
        fit(lambda x: -jnp.mean(heads.log_prob(spread(of(x), u.size), drawn)), jnp.zeros(15))
    )
    np.testing.assert_allclose(
        jnp.exp(found.log_atoms), [0.3, 0.1, 0.05, 0.1, 0.05, 0.1], atol=0.01
    )
    np.testing.assert_allclose(found.knots, truth.knots, rtol=0.1)


def test_likelihood_recovers_known_cost_quantiles() -> None:
    log_cost = 1.2 + 0.3 * jax.random.normal(jax.random.key(1), (20_000,))
    mean, scale = jnp.asarray(1.0), jnp.asarray(0.5)

    def loss(x: jax.Array) -> jax.Array:
        knots = heads.cost_knots(x, mean, scale)
        every = jnp.broadcast_to(knots, (log_cost.size, 9))
        return -jnp.mean(heads.cost_log_mass(every, jnp.exp(log_cost), 0.05))

    found = heads.cost_knots(fit(loss, jnp.zeros(9)), mean, scale)
    exact = 1.2 + 0.3 * jax.scipy.special.ndtri(jnp.arange(1, 10) / 10)
    np.testing.assert_allclose(found, exact, atol=0.025)

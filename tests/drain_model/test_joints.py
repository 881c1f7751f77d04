"""The three joints: feasible, coherent, likely as often as they say, blind to inactive nodes."""

import functools
import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draingym.drain_model.distributions.coherent import Coherent
from draingym.drain_model.distributions.copula import Copula
from draingym.drain_model.distributions.hybrid import Hybrid, count_base
from draingym.drain_model.distributions.independent import Independent

KINDS = ("independent", "truncated", "copula", "copula-truncated", "coherent")
# A truncated draw differs in its marginal alone, which test_draw checks too, and a copula in what
# ties the nodes together.
MANY = [
    kind if kind in ("independent", "coherent") else pytest.param(kind, marks=pytest.mark.slow)
    for kind in KINDS
]
FEW = [
    kind if kind == "independent" else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS
]
RANK = 2


def dist_of(mean: jax.Array) -> Hybrid:
    return Hybrid.from_logits(*count_base(mean, jnp.full_like(mean, 0.3), 6))


def joint_of(kind: str, mean: jax.Array, logit: jax.Array, log_concentration: jax.Array):
    """A joint of means [N]; logits are shares, or factors; three nodes' means make the total."""
    if kind == "coherent":
        return Coherent(
            total=dist_of(jnp.sum(mean[:3])), log_share=logit, log_concentration=log_concentration
        )
    cap = "truncated" if "truncated" in kind else "censored"
    if "copula" in kind:
        factors = jnp.stack([jnp.tanh(logit), 0.5 * jnp.cos(logit)], axis=-1)
        return Copula(
            dist=dist_of(mean), factors=factors, idiosyncratic=jnp.full_like(mean, 0.4), cap=cap
        )
    return Independent(dist=dist_of(mean), cap=cap)


def count(kind: str, nodes: int) -> int:
    made = joint_of(kind, jnp.ones(nodes), jnp.zeros(nodes), jnp.zeros(()))
    return made.num_uniforms(nodes, RANK if "copula" in kind else 0)


@functools.cache
def sampler(kind: str):
    """Draws of three nodes by every row of uniforms, compiled once a kind."""

    @jax.jit
    def sample(leaves, available, active, uniforms):
        return jax.vmap(lambda u: joint_of(kind, *leaves).sample(available, active, u))(uniforms)

    return sample


@functools.cache
def scorer(kind: str):
    """The log probability of every row of units, at every row of positions inside of its atom."""

    @jax.jit
    def score(leaves, units, available, active, inside):
        def one(y, v):
            return joint_of(kind, *leaves).log_prob(y, available, active, v)

        return jax.vmap(lambda y: jax.vmap(lambda v: one(y, v))(inside))(units)

    return score


@pytest.mark.parametrize("kind", FEW)
@pytest.mark.parametrize("stock", [(2, 3, 0), (1, 0, 2)])
def test_frequencies_are_the_probabilities(kind: str, stock: tuple) -> None:
    number = 12_000
    available, active = jnp.array(stock, jnp.float32), jnp.ones(3, bool)
    leaves = (jnp.linspace(1.5, 0.8, 3), jnp.linspace(-1.0, 0.5, 3), jnp.asarray(1.0))
    uniforms = jax.random.uniform(jax.random.key(0), (number, count(kind, 3)))
    drawn = np.asarray(sampler(kind)(leaves, available, active, uniforms))
    outcomes = np.array(list(itertools.product(range(3), range(4), range(3))), np.float32)
    inside = jax.random.uniform(jax.random.key(1), (1000 if "copula" in kind else 1, 3))
    log_p = scorer(kind)(leaves, jnp.asarray(outcomes), available, active, inside)
    p = np.exp(np.asarray(log_p, np.float64)).mean(1)
    assert np.all(p[(outcomes > np.array(stock)).any(1)] == 0)
    found = np.array([(drawn == y).all(1).mean() for y in outcomes])
    assert found.sum() == pytest.approx(1.0)
    slack = 0.01 if "copula" in kind else 0.0  # the mean over the inside is sampled too
    assert p.sum() == pytest.approx(1.0, abs=1e-4 + slack)
    assert np.all(np.abs(found - p) < 4.5 * np.sqrt(p * (1 - p) / number) + 1e-5 + slack * p * 5)


@pytest.fixture(scope="module")
def evaluated():
    """Units, log probability and derivatives in everything, compiled once a kind."""

    def make(kind):
        @jax.jit
        def run(mean, logit, log_concentration, available, active, uniforms):
            def units(*leaves):
                return joint_of(kind, *leaves[:3]).sample(leaves[3], active, uniforms)

            leaves = (mean, logit, log_concentration, available)
            drawn, pull = jax.vjp(units, *leaves)
            found, likelihood = jax.value_and_grad(
                lambda *x: joint_of(kind, *x).log_prob(drawn, available, active), (0, 1, 2)
            )(mean, logit, log_concentration)
            return drawn, pull(jnp.ones_like(drawn)), found, likelihood

        return run

    return {kind: make(kind) for kind in KINDS}


TOTAL = jax.jit(lambda means, u: dist_of(jnp.sum(means[:3])).ppf(u))
UNIT = st.floats(0, 1, exclude_max=True, width=32)


@pytest.mark.parametrize("kind", MANY)
@settings(max_examples=12)
@given(
    data=st.data(),
    stock=st.lists(st.sampled_from([0, 0, 1, 2, 7, 60, 2000]), min_size=4, max_size=4),
    active=st.lists(st.booleans(), min_size=4, max_size=4),
    mean=st.sampled_from([0.05, 1.0, 12.0, 700.0]),
    logit=st.lists(st.floats(-30, 30, width=32), min_size=4, max_size=4),
    log_concentration=st.floats(-3, 12, width=32),
)
def test_feasible_whole_and_finite(
    evaluated, kind, data, stock, active, mean, logit, log_concentration
) -> None:
    uniforms = data.draw(st.lists(UNIT, min_size=6, max_size=6))[: count(kind, 4)]
    means = jnp.full(4, mean)
    drawn, slopes, found, likelihood = evaluated[kind](
        means,
        jnp.array(logit, jnp.float32),
        jnp.float32(log_concentration),
        jnp.array(stock, jnp.float32),
        jnp.array(active),
        jnp.array(uniforms, jnp.float32),
    )
    drawn = np.asarray(drawn)
    np.testing.assert_array_equal(drawn, np.floor(drawn))
    assert (drawn >= 0).all()
    assert (drawn <= np.where(active, stock, 0)).all()
    assert np.isfinite(found)
    for leaf in jax.tree.leaves((slopes, likelihood)):
        assert np.isfinite(leaf).all()
    # An inactive node's stock has no derivative.
    assert (np.asarray(slopes[3])[~np.array(active)] == 0).all()
    if kind == "coherent":
        wanted = float(TOTAL(means, jnp.float32(uniforms[0])))
        assert drawn.sum() == min(wanted, np.where(active, stock, 0).sum())


@pytest.mark.parametrize("kind", FEW)
def test_inactive_nodes_change_nothing(kind: str) -> None:
    three = (jnp.array([3.0, 1.0, 2.0]), jnp.array([0.2, -0.4, 0.9]), jnp.asarray(1.5))
    four = (jnp.append(three[0], 50.0), jnp.append(three[1], 3.0), three[2])
    stock, there = jnp.array([4.0, 2.0, 9.0]), jnp.ones(3, bool)
    full, partly = jnp.append(stock, 30.0), jnp.append(there, False)
    uniforms = jax.random.uniform(jax.random.key(4), (200, count(kind, 4)))
    a = sampler(kind)(three, stock, there, uniforms[:, :-1])
    b = sampler(kind)(four, full, partly, uniforms)
    np.testing.assert_array_equal(a, b[:, :3])
    np.testing.assert_array_equal(b[:, 3], 0.0)
    inside = jnp.full((1, 4), 0.4)
    p = scorer(kind)(three, a, stock, there, inside[:, :3])
    q = scorer(kind)(four, b, full, partly, inside)
    np.testing.assert_allclose(p, q, rtol=1e-5, atol=1e-5)


def test_independent_nodes_are_a_copula_without_factors() -> None:
    stock, active = jnp.array([3.0, 9.0]), jnp.ones(2, bool)

    @jax.jit
    @jax.vmap
    def both(u):
        dist = dist_of(jnp.array([2.0, 5.0]))
        alone = Independent(dist=dist)
        copula = Copula(dist=dist, factors=jnp.zeros((2, 3)), idiosyncratic=jnp.array([0.2, 3.0]))
        a, b = alone.sample(stock, active, u[3:]), copula.sample(stock, active, u)
        return a, b, alone.log_prob(a, stock, active), copula.log_prob(a, stock, active)

    a, b, p, q = both(jax.random.uniform(jax.random.key(0), (300, 5)))
    assert np.mean(np.asarray(a != b)) < 0.01  # u through ndtri and ndtr: equal but for rounding
    np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-4)


@functools.cache
def coherent_means(number: int = 10_946, step: int = 6765):
    """Values and derivatives of two means, by enumeration and by a Fibonacci lattice."""
    outcomes = jnp.array(list(itertools.product(range(10), range(10))), jnp.float32)
    i = np.arange(number)
    lattice = np.stack([(i + 0.5) / number, (i * step % number + 0.5) / number, i * 0.0], axis=-1)
    uniforms = jnp.asarray(lattice, jnp.float32)
    active = jnp.ones(2, bool)

    def means(p, y):
        linear, kinked = 3.0 * y[:, 0] + y[:, 1], jnp.maximum(y[:, 0] - 0.5, 0.0)
        return jnp.stack([jnp.sum(p * linear), jnp.sum(p * kinked)])

    def joint(theta):
        return Coherent(
            total=dist_of(jnp.exp(theta[0])),
            log_share=jnp.stack([theta[1], jnp.zeros(())]),
            log_concentration=theta[2],
        )

    def enumerated(theta, available):
        made = joint(theta)
        p = jax.vmap(lambda y: jnp.exp(made.log_prob(y, available, active)))(outcomes)
        return means(p, outcomes)

    def sampled(theta, available):
        made = joint(theta)
        y = jax.vmap(lambda u: made.sample(available, active, u))(uniforms)
        return means(jnp.full(len(y), 1.0 / len(y)), y)

    @jax.jit
    def all_of(theta, available):
        return [
            (f(theta, available), jax.jacrev(f)(theta, available)) for f in (enumerated, sampled)
        ]

    return all_of


@pytest.mark.slow
@pytest.mark.parametrize("stock", [(9, 9), (2, 1)], ids=["ample", "scarce"])
def test_coherent_derivative_of_enumerated_expectations(stock: tuple) -> None:
    """In the log total, the share and the concentration; of a linear and of a kinked function.

    Ample stock: within 5e-4 of the enumeration, the lattice's error, for both (units are whole and
    the kink lies between two of them). Scarce stock: shares and concentration within 1e-4; the
    total's derivative is 1.5% (linear: -0.036 of 2.36) and 2.0% (-0.010 of 0.52) too small, for the
    mean split of a truncated support is not linear in the total.
    """
    theta = jnp.array([0.3, 0.4, 1.0])  # log total, attraction, log concentration
    (value, slope), (mean, found) = coherent_means()(theta, jnp.array(stock, jnp.float32))
    np.testing.assert_allclose(mean, value, atol=2e-3)
    np.testing.assert_allclose(found[:, 1:], slope[:, 1:], atol=1e-3)
    bias = (1e-3, 1e-3) if stock == (9, 9) else (0.045, 0.015)
    assert np.all(np.abs(found[:, 0] - slope[:, 0]) < bias)


@pytest.mark.parametrize("kind", ["independent", "copula"])
def test_an_unknown_cap_is_refused(kind: str) -> None:
    made = joint_of(kind, jnp.ones(2), jnp.zeros(2), jnp.zeros(()))
    with pytest.raises(ValueError, match="cap is 'both', must be one of"):
        replace(made, cap="both")


def test_too_few_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="cells is 8, must be at least 16"):
        Coherent(
            total=dist_of(jnp.ones(())),
            log_share=jnp.zeros(2),
            log_concentration=jnp.zeros(()),
            cells=8,
        )

"""Pathwise gradients through every joint: reference estimator, differences, horizon."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.comparators.reference_gradient import (
    pathwise_gradient,
    reference_gradient,
    score_gradient,
)
from tests.drain_model.two_nodes import KINDS, NUM_UNIFORMS, THETA, TwoNodes


def uniforms(seed: int, paths: int, horizon: int) -> jax.Array:
    return jax.random.uniform(jax.random.key(seed), (paths, horizon, NUM_UNIFORMS))


def z_scores(difference: np.ndarray) -> np.ndarray:
    return difference.mean(0) / (difference.std(0) / np.sqrt(len(difference)))


PATHS = 2000


@functools.cache
def estimates(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pathwise, reference and score-function gradients of the same paths of 4 periods."""

    @jax.jit
    def all_three(theta, u):
        rollout = TwoNodes(kind)
        reference = reference_gradient(TwoNodes(kind, unlimited=True), theta, u)
        return pathwise_gradient(rollout, theta, u), reference, score_gradient(rollout, theta, u)

    found = all_three(THETA[:2], uniforms(0, PATHS, 4))
    fast, reference, score = (np.asarray(x, np.float64) for x in found)
    return fast, reference, score


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_close_to_the_reference_estimator(kind: str) -> None:
    """Cosine at least 0.98 and relative bias at most 5%, in demand and in attraction.

    Measured with 6000 paths: bias 0.6, 0.4, 0.5 and 0.7% of the gradient's length in the order of
    ``KINDS``, with standard errors of 1.0, 0.6, 1.0 and 1.4%; cosines above 0.9999. Orders are
    rounded outside of the joints and have no score: finite differences alone check their gradient.
    """
    fast, reference, _ = estimates(kind)
    found, target = fast.mean(0), reference.mean(0)
    size = np.linalg.norm(target)
    # The bound means something only where the difference is known better than 5%.
    assert np.linalg.norm((fast - reference).std(0)) / np.sqrt(PATHS) < 0.026 * size
    assert found @ target >= 0.98 * np.linalg.norm(found) * size
    assert np.linalg.norm(found - target) <= 0.05 * size


# Measured with 6000 paths: 0.63, 0.31, 0.76, 1.17. The reference scores draws before stock limits
# them.
VARIANCE = {"independent": 0.75, "truncated": 0.45, "copula": 0.9, "coherent": 1.4}


@pytest.mark.long  # what it compares is checked against finite differences and enumeration too
@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_agrees_with_the_score_function_and_varies_less(kind: str) -> None:
    """Both are unbiased; measured |z| up to 2.3 over all joints and parameters.

    Its variance cannot fall below that of the pathwise gradient, which is 0.45 (independent), 0.22
    (truncated), 0.54 (copula) and 0.52 (coherent) times the score function's here. The relaxed
    coherent draw splits by a normal logit: it follows the hard one too loosely to save variance
    (1.17 times the score function's).
    """
    _, reference, score = estimates(kind)
    assert np.all(np.abs(z_scores(score - reference)) < 3)
    assert reference.var(0).sum() < VARIANCE[kind] * score.var(0).sum()


def test_the_score_function_needs_two_paths() -> None:
    with pytest.raises(ValueError, match="1 paths, must be at least 2"):
        score_gradient(TwoNodes("independent"), THETA[:2], uniforms(0, 1, 2))


STEPS, DIFFERENCED = jnp.array([0.1, 0.2]), 2000


@functools.cache
def differences(kind: str):
    """Pathwise slopes [S, 4] and central differences [2, 4, S] of weighted rewards."""
    rollout, directions = TwoNodes(kind), jnp.eye(4)

    @jax.jit
    def both(theta, u, weights):
        def episode(theta, x):
            return jnp.sum(weights * rollout(theta, x, relaxed=False, frozen=False).rewards)

        moves = (STEPS[:, None, None] * directions[None]).reshape(8, 4)
        moved = jnp.concatenate([theta[None] + moves, theta[None] - moves])
        values = jax.lax.map(lambda t: jax.vmap(lambda x: episode(t, x))(u), moved)
        central = (values[:8] - values[8:]).reshape(2, 4, u.shape[0])
        slope = jax.vmap(jax.grad(episode), in_axes=(None, 0))(theta, u)
        return slope, central / (2 * STEPS[:, None, None])

    u = uniforms(2, DIFFERENCED, 6)
    return lambda theta, weights: tuple(np.asarray(x, np.float64) for x in both(theta, u, weights))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_finite_differences_of_a_linear_return(kind: str) -> None:
    """|z| < 3 in demand and attraction at two step sizes.

    The first period's reward is linear in its units, and the derivative exactly unbiased: of a
    split only where stock does not truncate it, so that there the stock is ample. Measured |z| up
    to 1.8 with standard errors from 0.2 to 4% of the gradient's length.
    """
    theta = THETA.at[2:].set(30.0) if kind == "coherent" else THETA
    slope, central = differences(kind)(theta, jnp.zeros(6).at[0].set(1.0))
    slope, central = slope[:, :2], central[:, :2]
    size = np.linalg.norm(slope.mean(0))
    for h in range(2):
        difference = slope - central[h].T
        assert np.all(difference.std(0) / np.sqrt(DIFFERENCED) < 0.05 * size)
        assert np.all(np.abs(z_scores(difference)) < 3), (kind, h)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_finite_differences_of_a_kinked_return(kind: str) -> None:
    """Six periods, in demand, attraction and both nodes' orders, at two step sizes.

    Stock limits draws and moves later ones, so the return is kinked in the units and the
    derivative biased: plain |z| < 3 fails with enough paths (|z| up to 5 with 4000). Measured with
    those, in parts of the gradient's length, with standard errors up to 0.011 (step 0.1) and 0.008
    (step 0.2): demand -0.019, -0.026 independent, 0.004, -0.011 truncated, -0.010, -0.034 copula,
    -0.014, -0.016 coherent; attraction at most 0.021; orders -0.013 to -0.024 at the first node
    and at most 0.011 at the second. The bound is three standard errors and a bias of 0.03.
    """
    slope, central = differences(kind)(THETA, jnp.ones(6))
    size = np.linalg.norm(slope.mean(0))
    for h in range(2):
        difference = slope - central[h].T
        error = difference.std(0) / np.sqrt(DIFFERENCED)
        assert np.all(error < 0.02 * size)
        assert np.all(np.abs(difference.mean(0)) < 3 * error + 0.03 * size), (kind, h)


HORIZONS = (8, 26, 52)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["independent", "coherent"])
def test_variance_grows_no_faster_than_the_square_of_the_horizon(kind: str) -> None:
    """A gradient that exploded would grow geometrically.

    The deviation grows no faster than the horizon, as for a sum of terms that depend on each
    other fully. Measured variances at 8, 26 and 52 periods: 1,180, 6,340, 6,900
    (independent: it forgets) and 4,390, 53,600, 241,500 (coherent: the mean depends on the last
    drain through demand, and the deviation a period is 8.3, 8.9, 9.5).
    """
    rollout, u = TwoNodes(kind), uniforms(3, 100, 52)
    until = jnp.arange(52)[None] < jnp.array(HORIZONS)[:, None]

    @jax.jit
    def gradients(theta, u):
        def of_a_path(x):
            rewards, pull = jax.vjp(
                lambda t: rollout(t, x, relaxed=False, frozen=False).rewards, theta
            )
            return jax.vmap(pull)(until.astype(rewards.dtype))[0]

        return jax.vmap(of_a_path)(u)  # [paths, horizons, parameters]

    slopes = np.asarray(gradients(THETA[:2], u), np.float64)
    assert np.isfinite(slopes).all()
    short, middle, long = np.sqrt(slopes.var(0).sum(-1)) / HORIZONS
    assert 0 < middle < 1.5 * short
    assert 0 < long < 1.5 * middle

"""Pathwise gradients through every joint: reference estimator, differences, horizon."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drain_model.reference_gradient import (
    pathwise_gradient,
    reference_gradient,
    score_gradient,
)
from tests.drain_model.two_nodes import KINDS, NUM_UNIFORMS, THETA, TwoNodes

PATHS = 12_000


def uniforms(seed: int, paths: int, horizon: int) -> jax.Array:
    return jax.random.uniform(jax.random.key(seed), (paths, horizon, NUM_UNIFORMS))


@pytest.mark.parametrize("kind", KINDS)
def test_close_to_the_reference_estimator(kind: str) -> None:
    rollout = TwoNodes(kind)

    @jax.jit
    def both(theta, u):
        return pathwise_gradient(rollout, theta, u), reference_gradient(rollout, theta, u)

    fast, reference = (np.asarray(x, np.float64) for x in both(THETA[:2], uniforms(0, PATHS, 4)))
    found, target = fast.mean(0), reference.mean(0)
    size = np.linalg.norm(target)
    # The bound means something only where the reference is known far better than 5%.
    assert np.linalg.norm(reference.std(0)) / np.sqrt(PATHS) < 0.025 * size
    assert found @ target >= 0.98 * np.linalg.norm(found) * size
    assert np.linalg.norm(found - target) <= 0.05 * size


def test_the_reference_agrees_with_the_score_function_and_varies_less() -> None:
    rollout = TwoNodes("independent")

    @jax.jit
    def both(theta, u):
        return score_gradient(rollout, theta, u), reference_gradient(rollout, theta, u)

    plain, reference = (np.asarray(x, np.float64) for x in both(THETA[:2], uniforms(1, 4000, 4)))
    difference = plain - reference
    z = difference.mean(0) / (difference.std(0) / np.sqrt(len(plain)))
    assert np.all(np.abs(z) < 4)
    assert reference.var(0).sum() < 0.5 * plain.var(0).sum()


def test_the_score_function_needs_two_paths() -> None:
    with pytest.raises(ValueError, match="1 paths: must be at least 2"):
        score_gradient(TwoNodes("independent"), THETA[:2], uniforms(0, 1, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_finite_differences_with_common_random_numbers(kind: str) -> None:
    rollout, paths = TwoNodes(kind), 1000
    steps, directions = jnp.array([0.1, 0.2]), jnp.eye(4)

    @jax.jit
    def both(u):
        def returns(theta):
            one = lambda x: rollout(theta, x, relaxed=False, frozen=False).rewards.sum()  # noqa: E731
            return jax.vmap(one)(u)

        moves = (steps[:, None, None] * directions[None]).reshape(8, 4)
        theta = jnp.concatenate([THETA[None] + moves, THETA[None] - moves])
        values = jax.lax.map(returns, theta)
        central = (values[:8] - values[8:]).reshape(2, 4, paths)
        return pathwise_gradient(rollout, THETA, u), central / (2 * steps[:, None, None])

    slope, central = (np.asarray(x, np.float64) for x in both(uniforms(2, paths, 6)))
    size = np.linalg.norm(slope.mean(0))
    for h in range(2):
        difference = slope - central[h].T
        error = difference.std(0) / np.sqrt(paths)
        assert np.all(error < 0.05 * size), error / size
        # Three standard errors, and the bias near kinks: 3% of the gradient's length.
        assert np.all(np.abs(difference.mean(0)) < 3 * error + 0.03 * size), (kind, h)


@pytest.mark.parametrize("kind", ["independent", "coherent"])
def test_variance_grows_no_faster_than_the_square_of_the_horizon(kind: str) -> None:
    rollout = TwoNodes(kind)
    u = uniforms(3, 150, 52)
    gradient = jax.jit(lambda x: pathwise_gradient(rollout, THETA[:2], x))
    spread = {}
    for horizon in (8, 26, 52):
        slopes = np.asarray(gradient(u[:, :horizon]), np.float64)
        assert np.isfinite(slopes).all()
        spread[horizon] = slopes.std() / horizon
    # A gradient that exploded would grow geometrically: the deviation grows no faster than the
    # horizon, as for a sum of terms that depend on each other fully.
    assert spread[26] < 2.0 * spread[8]
    assert spread[52] < 2.0 * spread[26]

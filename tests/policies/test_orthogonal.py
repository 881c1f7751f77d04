"""Weights that training starts from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.policies import PPO, MLPPolicy
from draingym.policies.networks.orthogonal import orthogonal
from tests.policies.problems import store_task


@pytest.mark.parametrize(("inputs", "outputs"), [(64, 64), (40, 9), (3, 20), (1, 1)])
def test_all_singular_values_are_the_gain(inputs, outputs):
    keys = jax.random.split(jax.random.key(1), 20)
    drawn = np.asarray(jax.vmap(lambda key: orthogonal(key, inputs, outputs, 1.5))(keys))
    assert drawn.shape == (20, inputs, outputs)
    np.testing.assert_allclose(np.linalg.svd(drawn, compute_uv=False), 1.5, rtol=1e-4)


def test_no_direction_is_preferred():
    drawn = jax.vmap(lambda key: orthogonal(key, 3, 3))(jax.random.split(jax.random.key(2), 4000))
    flat = np.asarray(drawn).reshape(-1, 9)
    np.testing.assert_allclose(flat.mean(axis=0), 0.0, atol=0.05)
    np.testing.assert_allclose(flat.T @ flat / len(flat), np.eye(9) / 3.0, atol=0.03)


def test_several_policies_begin_without_lapack():
    # Its decompositions, several at once, hang on a processor of few cores.
    task = store_task()
    method = PPO(policy=MLPPolicy.for_task(task))
    keys = jax.random.split(jax.random.key(0), 2)
    program = jax.jit(jax.vmap(lambda key: method.init(key, task, None))).lower(keys).as_text()
    assert "lapack" not in program
    qr = jax.jit(jnp.linalg.qr).lower(jnp.eye(3)).as_text()
    assert "lapack" in qr  # what this looks for is what such a program is called

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.drain_model import EnsembleDrain, LearnedDrain
from tests.drain_model.test_kernel import TINY, past_of, perturbed, series_of


@pytest.fixture(scope="module")
def members(process):
    data = process.data.products(slice(0, 1))
    return data, [
        replace(
            perturbed(TINY, data),
            weights=jax.tree.map(lambda x, e=e: x * (1.0 + 0.5 * e), perturbed(TINY, data).weights),
        )
        for e in range(2)
    ]


def rollout(kernel, params, data, uniforms):
    series = series_of(data, uniforms)
    exogenous = kernel.prepare(params, series)
    stock = jnp.asarray(data.available[0])

    def body(memory, now):
        available, exo, u = now
        return kernel.drain(params, memory, available, exo, u)

    memory = kernel.init(params, past_of(data, 4, 4))
    return jax.lax.scan(body, memory, (stock, exogenous, uniforms))[1]


@pytest.mark.slow
def test_a_trajectory_is_that_of_the_member_that_was_drawn(members) -> None:
    data, checkpoints = members
    places = (data.geography, data.active.any(axis=0), data.active.argmax(axis=0))
    kernel, params = EnsembleDrain.bind(checkpoints, *places)
    uniforms = jax.random.uniform(jax.random.key(0), (data.num_periods, kernel.num_uniforms))
    single, _ = LearnedDrain.bind(checkpoints[0], *places)
    assert kernel.num_uniforms == single.num_uniforms + 1
    together = jax.jit(lambda params, u: rollout(kernel, params, data, u))
    alone = jax.jit(lambda params, u: rollout(single, params, data, u))
    for last, chosen in ((0.2, 0), (0.7, 1)):
        _, own = LearnedDrain.bind(checkpoints[chosen], *places)
        found = together(params, uniforms.at[0, -1].set(last))
        expected = alone(own, uniforms[:, :-1])
        np.testing.assert_array_equal(found.outbound, expected.outbound)
        np.testing.assert_allclose(found.ship_cost, expected.ship_cost, rtol=2e-4)
        assert float(found.outbound.sum()) > 0


@pytest.mark.slow
def test_members_that_are_one_model_do_not_differ_and_others_do(members) -> None:
    data, checkpoints = members
    places = (data.geography, data.active.any(axis=0), data.active.argmax(axis=0))
    kernel, _ = EnsembleDrain.bind(checkpoints, *places)
    uniforms = jax.random.uniform(jax.random.key(0), (data.num_periods, kernel.num_uniforms))

    @jax.jit
    def spread(params):
        exogenous = kernel.prepare(params, series_of(data, uniforms))
        now = jax.tree.map(lambda x: x[0], exogenous)
        memory = kernel.init(params, past_of(data, 4, 4))
        return kernel.spread(params, memory, jnp.full(data.num_nodes, 50.0), now, uniforms[0])

    one, two = (
        np.asarray(spread(EnsembleDrain.bind(chosen, *places)[1]))
        for chosen in ([checkpoints[0], checkpoints[0]], checkpoints)
    )
    assert (one == 0).all()
    assert two.max() > 0


def test_members_of_other_configs_and_none_are_refused(members) -> None:
    data, checkpoints = members
    places = (data.geography, data.active.any(axis=0), data.active.argmax(axis=0))
    with pytest.raises(ValueError, match="checkpoints is empty, must hold at least 1"):
        EnsembleDrain.bind([], *places)
    other = replace(checkpoints[1], config=replace(TINY, patience=3))
    with pytest.raises(ValueError, match=r"checkpoints\[1\].config"):
        EnsembleDrain.bind([checkpoints[0], other], *places)

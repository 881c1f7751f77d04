from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drain_model import EnsembleDrain, LearnedDrain
from tests.drain_model.test_kernel import TINY, past_of, perturbed, series_of


@pytest.fixture(scope="module")
def members(process):
    data = process.data.products(slice(0, 1))
    return data, [
        replace(
            perturbed(TINY, data),
            weights=jax.tree.map(
                lambda x, e=e: x * (1.0 + 0.05 * e), perturbed(TINY, data).weights
            ),
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


@pytest.mark.parametrize(("last", "chosen"), [(0.2, 0), (0.7, 1)], ids=["first", "second"])
def test_a_trajectory_is_that_of_the_member_that_was_drawn(members, last, chosen) -> None:
    data, checkpoints = members
    places = (data.geography, data.active.any(axis=0), data.active.argmax(axis=0))
    kernel, params = EnsembleDrain.bind(checkpoints, *places)
    alone, alone_params = LearnedDrain.bind(checkpoints[chosen], *places)
    uniforms = jax.random.uniform(jax.random.key(0), (data.num_periods, kernel.num_uniforms))
    uniforms = uniforms.at[0, -1].set(last)
    assert kernel.num_uniforms == alone.num_uniforms + 1
    found = jax.jit(lambda: rollout(kernel, params, data, uniforms))()
    expected = jax.jit(lambda: rollout(alone, alone_params, data, uniforms[:, :-1]))()
    np.testing.assert_array_equal(found.outbound, expected.outbound)
    np.testing.assert_allclose(found.ship_cost, expected.ship_cost, rtol=2e-4)
    assert float(found.outbound.sum()) > 0


def test_members_that_are_one_model_do_not_differ_and_others_do(members) -> None:
    data, checkpoints = members
    places = (data.geography, data.active.any(axis=0), data.active.argmax(axis=0))
    spreads = []
    for chosen in ([checkpoints[0], checkpoints[0]], checkpoints):
        kernel, params = EnsembleDrain.bind(chosen, *places)
        uniforms = jax.random.uniform(jax.random.key(0), (data.num_periods, kernel.num_uniforms))
        exogenous = kernel.prepare(params, series_of(data, uniforms))
        now = jax.tree.map(lambda x: x[0], exogenous)
        memory = kernel.init(params, past_of(data, 4, 4))
        stock = jnp.full(data.num_nodes, 50.0)
        spreads.append(np.asarray(kernel.spread(params, memory, stock, now, uniforms[0])))
    assert (spreads[0] == 0).all()
    assert spreads[1].max() > 0


def test_members_of_other_configs_and_none_are_refused(members) -> None:
    data, checkpoints = members
    places = (data.geography, data.active.any(axis=0), data.active.argmax(axis=0))
    with pytest.raises(ValueError, match="checkpoints is empty: must hold at least 1"):
        EnsembleDrain.bind([], *places)
    other = replace(checkpoints[1], config=replace(TINY, patience=3))
    with pytest.raises(ValueError, match=r"checkpoints\[1\].config"):
        EnsembleDrain.bind([checkpoints[0], other], *places)

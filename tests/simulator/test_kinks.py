"""One period by hand, at a kink: which side's derivative is it?"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.simulator import LocalDemand, scenario_from_views
from tests.simulator.worlds import tree_world

FLOWS = ("shipped", "outbound", "on_hand", "capacity_cost")


def one_period(
    parent, on_hand, demand, request, *, whole_units=False, ties="demand", seed=0, **costs
):
    simulator, params = tree_world(parent, whole_units=whole_units, **costs)
    simulator = replace(simulator, kernel=replace(simulator.kernel, ties=ties))
    key = jax.random.key(seed)
    scenario = scenario_from_views(
        jnp.asarray(demand)[None], np.eye(1)[[0] * len(parent)], key, on_hand=on_hand
    )
    scenario = simulator.prepare(params, scenario)
    now = jax.tree.map(lambda leaf: leaf[0], scenario.series)
    state = simulator.reset(params, scenario)

    def after(request):
        moves = simulator.step(params, state, request, now)[1]
        return {name: getattr(moves, name) for name in FLOWS}

    return jax.jacfwd(after)(jnp.asarray(request, jnp.float32))


def test_at_a_tie_of_need_and_stock_the_last_unit_stays_on_the_shelf():
    slope = one_period([-1], [3.0], [5.0], [2.0])
    assert float(slope["outbound"][0, 0]) == 0.0
    assert float(slope["on_hand"][0, 0]) == 1.0


def test_where_ties_are_split_the_last_unit_stays_half_of_the_time():
    slope = one_period([-1], [3.0], [5.0], [2.0], ties="split")
    assert float(slope["outbound"][0, 0]) == 0.5
    assert float(slope["on_hand"][0, 0]) == 0.5


def test_where_a_path_has_a_side_each_is_taken_in_about_half_of_the_paths():
    slopes = [
        float(one_period([-1], [3.0], [5.0], [2.0], ties="by path", seed=seed)["outbound"][0, 0])
        for seed in range(12)
    ]
    assert set(slopes) == {0.0, 1.0}


def test_a_paths_side_is_fair_and_has_nothing_to_do_with_its_roundings():
    simulator, params = tree_world([-1], whole_units=True)
    kernel = replace(simulator.kernel, ties="by path")
    scenario = scenario_from_views(jnp.ones((2, 1)), np.eye(1), jax.random.key(0))

    def side(uniform):
        series = replace(scenario.series, round_uniform=jnp.full((2, 1), uniform))
        return kernel.prepare(params.kernel, series)[1]

    uniforms = jax.random.uniform(jax.random.key(0), (4000,))
    sides = np.asarray(jax.vmap(side)(uniforms))
    assert set(sides.ravel()) == {-1.0, 1.0}
    np.testing.assert_array_equal(sides[:, 0], sides[:, 1])
    assert abs(sides.mean()) < 0.07
    assert abs(np.corrcoef(sides[:, 0], uniforms)[0, 1]) < 0.07


def test_a_way_of_ties_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match=r"ties is 'both', must be one of \('demand', 'split', "):
        LocalDemand(ties="both")


def test_at_a_request_of_nothing_half_a_unit_is_requested():
    # JAX splits the derivative of max(x, 0) at 0; policies choose a side themselves.
    assert float(one_period([-1], [3.0], [1.0], [0.0])["shipped"][0, 0]) == 0.5


def test_at_stock_equal_to_claims_the_parent_is_not_short():
    slope = one_period([-1, 0, 0], [5.0, 0.0, 0.0], [1.0, 1.0], [0.0, 2.0, 3.0])
    np.testing.assert_array_equal(slope["shipped"][1:, 1:], np.eye(2))


def test_a_short_parent_takes_from_one_child_what_it_gives_to_another():
    # shipped_1 = 4 r_1 / (r_1 + r_2) at r = (2, 6): 4 * 6 / 64, and -4 * 2 / 64.
    slope = one_period([-1, 0, 0], [4.0, 0.0, 0.0], [1.0, 1.0], [0.0, 2.0, 6.0])
    np.testing.assert_allclose(slope["shipped"][1, 1:], [24 / 64, -8 / 64])


def test_at_capacity_the_last_unit_is_within():
    slope = one_period(
        [-1], [2.0], [1.0], [4.0], capacity=5.0, capacity_price=0.1, overflow_price=0.9
    )
    assert float(slope["capacity_cost"][0]) == pytest.approx(0.1)


def test_rounding_has_the_derivative_of_what_is_rounded():
    slope = one_period([-1, 0, 0], [4.0, 0.0, 0.0], [1.0, 1.0], [0.0, 2.0, 6.0], whole_units=True)
    np.testing.assert_allclose(slope["shipped"][1, 1:], [24 / 64, -8 / 64])

"""Bad values are refused where they are given, by name, value and bound."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.common.arrays import require_whole
from draingym.simulator import Economics, make_params, make_price_response, sample_views
from draingym.simulator.bounds import require_numbers
from tests.simulator.test_demand import PROCESS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"holding_cost": np.nan}, r"holding_cost is nan, must be in \[0, 1e\+09\]"),
        ({"holding_cost": np.inf}, "holding_cost is inf, must be in"),
        ({"unmet_cost": [1e30]}, r"unmet_cost\[0\] is 1e\+30, must be in"),
        ({"transfer_cost": "dear"}, "transfer_cost is 'dear', must hold real numbers"),
        ({"capacity": np.nan}, "capacity is nan, must be finite and at least 0"),
        ({"salvage_rate": 7.0}, r"salvage_rate is 7.0, must be finite and in \[0.0, 1.0\]"),
        ({"discount": -1.0}, r"discount is -1.0, must be finite and in \(0.0, 1.0\]"),
        ({"discount": 1.5}, "discount is 1.5, must be"),
        ({"discount": np.nan}, "discount is nan, must be"),
        ({"parent": [-0.5]}, r"parent\[0\] is -0.5, must be a whole number"),
        ({"parent": []}, r"parent has shape \(0,\), must be \(N,\)"),
        ({"active_from": [1.5]}, r"active_from\[0\] is 1.5, must be a whole number"),
        ({"active_from": [1, 2]}, r"active_from has shape \(2,\), must be \(1,\)"),
        ({"serves": [True, True]}, r"serves has shape \(2,\), must be \(1,\)"),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_bad_parameters_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_params(**({"parent": [-1], "kernel": None} | arguments))


def test_a_capacity_may_be_infinite_and_a_discount_traced():
    made = make_params([-1], None, capacity=np.inf, overflow_price=2.0)
    assert float(made.capacity[0]) == np.inf
    swept = jax.vmap(lambda d: make_params([-1], None, discount=d).discount)(jnp.array([0.5, 1.0]))
    np.testing.assert_array_equal(swept, [0.5, 1.0])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("holding_rate", np.nan), ("holding_cost", -1.0), ("transfer_cost", np.inf),
        ("salvage_rate", 7.0), ("salvage_rate", np.nan), ("discount", 0.0), ("discount", np.nan),
    ],
)  # fmt: skip
def test_bad_economics_are_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} is {value}, must be finite and in"):
        Economics(**{field: value})


@pytest.mark.parametrize("last", [np.nan, np.inf, 1e30])
def test_a_lift_that_is_no_number_is_refused(last):
    with pytest.raises(ValueError, match="must be 7 finite factors that rise from 1"):
        make_price_response([2, 3, 4, 5, 6, 7, last])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"periods": 0}, "periods is 0, must be at least 1"),
        ({"periods": 2.0}, "periods is 2.0, must be a whole number of at least 1"),
        ({"periods": 2, "first_phase": -1}, "first_phase is -1, must be at least 0"),
    ],
)
def test_views_of_no_period_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        sample_views(PROCESS, jax.random.key(0), **arguments)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "n is True, must be a whole number of at least 1"),
        (1.0, "n is 1.0, must be a whole number"),
        (None, "n is None, must be a whole number"),
        (0, r"n is 0, must be in \[1, 5\]"),
        (6, r"n is 6, must be in \[1, 5\]"),
    ],
)
def test_what_is_no_whole_number_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        require_whole("n", value, low=1, high=5)
    require_whole("n", np.int64(5), low=1, high=5)


def test_traced_numbers_are_held_to_their_shape_alone():
    def check(x):
        require_numbers("x", x, shape=(2,))
        return x

    jax.jit(check)(jnp.array([-1.0, jnp.nan]))
    with pytest.raises(ValueError, match=r"x has shape \(3,\), must be \(2,\)"):
        jax.jit(check)(jnp.ones(3))

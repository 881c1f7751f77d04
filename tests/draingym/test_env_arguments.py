"""Arguments of the environments that are refused, each by its name, value and bound."""

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest

import draingym
from draingym.envs.make import make_problem, options_of
from draingym.registration import ENVIRONMENTS


@pytest.mark.parametrize(
    ("problem", "arguments", "message"),
    [
        ("Placement", {"units_per_view": 0.0}, r"units_per_view is 0.0, must be finite and in \(0"),
        ("Placement", {"price": np.inf}, "price is inf, must be finite and in"),
        ("Placement", {"price": 1e30}, r"price is 1e\+30, must be finite and in"),
        ("Pricing", {"unit_cost": np.nan}, "unit_cost is nan, must be finite and in"),
        ("Placement", {"units_per_view": 1e-12}, "units_per_view is 1e-12, must be at least"),
        ("OrderPerNode", {"units_per_period": -1.0}, "units_per_period is -1.0, must be finite"),
        ("SingleStore", {"horizon": 2.5}, "horizon is 2.5, must be a whole number of at least 1"),
        ("SingleStore", {"horizon": True}, "horizon is True, must be a whole number"),
        ("SingleStore", {"lead_time": 1.5}, "lead_time is 1.5, must be a whole number of at least"),
        ("SingleStore", {"lead_time": True}, "lead_time is True, must be a whole number"),
        (
            "SingleStore",
            {"unmet_cost": np.inf},
            r"unmet_cost is inf, must be finite and in \[0",
        ),
        ("SingleStore", {"holding_cost": 1e30}, r"holding_cost is 1e\+30, must be finite and in"),
        ("SingleStore", {"backlog": "no"}, "backlog is 'no', must be True or False"),
        ("SingleStore", {"symmetric_actions": 1}, "symmetric_actions is 1, must be True or False"),
        ("SingleStore", {"scaled": 1}, "scaled is 1, must be True or False"),
        ("Serial", {"mean_demand": -5.0}, "must be"),
        ("OneWarehouseManyStores", {"num_stores": 1.5}, "num_stores is 1.5, must be a whole"),
        ("Pricing", {"horizon": 0}, r"horizon is 0, must be in \[1, 100000\]"),
        ("Pricing", {"horizon": 10**9}, r"horizon is 1000000000, must be in \[1, 100000\]"),
        ("Pricing", {"lift": (2.0, 1.0)}, "must be 7 finite factors that rise from 1"),
        ("SingleStore", {"horizon": 0}, "horizon is 0, must be in"),
        ("SingleStore", {"max_request": -1.0}, r"max_request is -1.0, must be finite and in"),
        ("Serial", {"lead_times": (1, 2)}, "lead_times has 2 entries, holding_costs 4"),
        (
            "Serial",
            {"lead_times": (1, -2, 1, 1)},
            "lead_times is .*, must be at least 1 bef",
        ),
        ("Serial", {"mean_demand": 0.0}, r"mean_demand is 0.0, must be finite and in \(0"),
        ("Serial", {"lead_times": 3}, "lead_times is 3, must be a list of one number a stage"),
        ("Serial", {"holding_costs": "1234"}, "holding_costs is '1234', must be a list of one"),
        ("OneWarehouseManyStores", {"num_stores": 0}, "num_stores is 0, must be in"),
        (
            "OneWarehouseManyStores",
            {"correlation": 2.0},
            r"correlation is 2.0, must be finite and in \[0.0, 1",
        ),
        ("Unknown", {}, "problem is 'Unknown', must be one of Placement, "),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_bad_arguments_are_refused(problem, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_problem(problem, **arguments)


# What no option of any environment may be, though some cannot be looked up.
ODD = [
    *({}, {1}, [{}], [[1]], [[1], [1, 2]], (1, [2, {3}]), object(), None, 1j, b"x"),
    *(10**400, bytearray(b"x"), np.array([{}]), jnp.ones((2, 2))),
]


@pytest.mark.parametrize("problem", ENVIRONMENTS)
def test_options_of_another_kind_are_refused(problem):
    options = (*options_of(problem), "observation", "symmetric_actions")
    assert len(options) >= 8
    for name in options:
        for value in ODD:
            with pytest.raises(ValueError, match=rf"{name}.* (is|has) .*must"):
                make_problem(problem, **{name: value})


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_a_problem_of_another_kind_is_refused(value):
    with pytest.raises(ValueError, match=r"problem is .*, must be one of Placement, "):
        make_problem(value)


def test_what_cannot_be_looked_up_is_named():
    for value in ({}, {"a": 1}, {1}, np.array([{}])):
        with pytest.raises(ValueError, match=r"^price(\[0\])? is .*, must be a number, a name, or"):
            make_problem("Placement", price=value)
        with pytest.raises(ValueError, match=r"^price(\[0\])? is .*, must be a number, a name, or"):
            gymnasium.make("draingym/Placement-v0", price=value)


def test_lists_and_arrays_are_the_same_option():
    made = make_problem("Serial", lead_times=(1, 2), holding_costs=(0.5, 1.0), unmet_cost=9.0)
    for lead_times, costs, unmet in (
        ([1, 2], [0.5, 1.0], np.float64(9.0)),
        (np.array([1, 2]), np.array([0.5, 1.0]), np.array(9.0)),
        (jnp.array([1, 2]), jnp.array([0.5, 1.0]), jnp.float32(9.0)),
    ):
        again = make_problem("Serial", lead_times=lead_times, holding_costs=costs, unmet_cost=unmet)
        assert again is made


@pytest.mark.parametrize(
    ("problem", "name", "message"),
    [
        ("DualSourcing", "lead_time_reglar", "has no option .*, must be 'lead_time_regular'$"),
        ("Serial", "lead_time", "Serial has no option 'lead_time', must be 'lead_times'$"),
        ("Placement", "prise", "Placement has no option 'prise', must be 'price'$"),
        ("SingleStore", "xyz", "must be one of lead_time, holding_cost, unmet_cost, backlog"),
    ],
)
def test_an_unknown_option_is_named_with_the_nearest(problem, name, message):
    with pytest.raises(ValueError, match=message):
        make_problem(problem, **{name: 1})
    with pytest.raises(ValueError, match=message):
        draingym.make(f"{problem}-v0", **{name: 1})


def test_a_name_alone_makes_an_environment_of_ours():
    assert draingym.make("Serial-v0", horizon=9) is draingym.make("draingym/Serial-v0", horizon=9)
    with pytest.raises(TypeError, match="must name an InventoryEnv"):
        draingym.make("CartPole-v1")

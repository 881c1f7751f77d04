"""The benchmark of derivatives, each part at a size that says little."""

import jax
import jax.numpy as jnp
import pytest

from benchmarks import derivatives
from benchmarks.derivatives_parts import mechanisms
from benchmarks.derivatives_parts.cases import BOTH_WAYS, BY_PATH, CASES, ONE_SIDE, Case
from benchmarks.derivatives_parts.decisions import all_decisions
from benchmarks.derivatives_parts.whole_units import biases
from draingym.simulator import straight_through


@pytest.mark.slow
def test_a_right_derivative_is_told_from_one_that_is_straight_through():
    assert mechanisms.errors(mechanisms._alone(), 2, 1)["largest error"] < 1e-5
    assert mechanisms.errors(mechanisms._alone(batch=4.0), 2, 1)["largest error"] > 0.01


def rounded(slope):
    """A number rounded at random, whose derivative is what it is said to be."""

    def value(params, theta, scenario, key):
        return straight_through(jnp.floor(theta + scenario), slope * theta)

    return value


def test_the_bias_is_that_of_the_derivative():
    case = Case(
        name="rounding",
        params=None,
        sample=jax.random.uniform,
        theta=jnp.float32(3.4),
        spread=0.1,
        methods={ONE_SIDE: rounded(0.5), BOTH_WAYS: rounded(1.0)},
        default=ONE_SIDE,
    )
    half, right = biases(case, 20_000)
    assert half["bias, %"] == pytest.approx(-50, abs=half["+-"])
    assert right["bias, %"] == pytest.approx(0, abs=1.5 * right["+-"])
    assert right["+-"] < 5


def test_what_a_user_has_who_chooses_nothing_is_held_to_the_bar_in_every_direction():
    row = {"problem": "store", "parameters": "all", "bias, %": -7.0, "default": False}
    whole = [
        row | {"derivative": ONE_SIDE, "default": True},
        row | {"derivative": ONE_SIDE, "default": True, "parameters": "safety", "bias, %": 4.0},
        row | {"derivative": BY_PATH, "bias, %": 1.0},
        row | {"derivative": "of real units"},
        row | {"derivative": "of real units", "parameters": "safety"},
    ]
    exact = [{"mechanism": "one", "largest error": 1e-9}]
    assert [(claim.what, claim.passes) for claim in derivatives.claims_of(exact, whole, [])][
        1:
    ] == [
        ("bias, store: one side, by default", False),
        ("bias, store, safety: one side, by default", True),
        ("bias, store: side by path", True),
        ("bias, store: of real units", None),
    ]


def test_the_default_is_what_the_simulator_does_by_itself():
    made = {name: make().default for name, make in CASES.items()}
    by_hand = {made.pop("tree"), made.pop("closest node")}
    assert by_hand == {ONE_SIDE}
    assert set(made.values()) == {BY_PATH}  # described networks


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_values_are_the_same_however_they_are_differentiated(name):
    case = CASES[name]()
    scenario = case.sample(jax.random.key(1))
    values = {
        method: float(value(case.params, case.theta, scenario, jax.random.key(2)))
        for method, value in case.methods.items()
        if method != "of real units"
    }
    assert len(set(values.values())) == 1


@pytest.mark.long
def test_every_part_has_its_rows_and_claims():
    exact = [{"mechanism": "one", "largest error": 1e-9}]
    whole = biases(CASES["lost-sales store"](), 200)
    decided = all_decisions(2, 2)
    claims = derivatives.claims_of(exact, whole, decided)
    assert len(claims) == 1 + len(whole) + len(decided)
    assert [claim.what for claim in claims if claim.passes is None] == [
        "bias, lost-sales store, Poisson: one side",
        "bias, lost-sales store, Poisson: split ties",
        "bias, lost-sales store, Poisson: of real units",
    ]

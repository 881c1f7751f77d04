"""The derivative that follows a rounding both ways, against what is known."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym import Arc, Network, Node
from draingym.simulator import discounted_return, rounded_return

HOLDING, UNMET = 1.0, 4.0


class Ask:
    """A policy that requests its parameters."""

    def init(self, key):
        return jnp.zeros(3)

    def apply(self, params, observation, key):
        return params


def network(**options):
    """Two shops that want 3 units each, of a plant that has enough."""
    shop = {"holding_cost": HOLDING, "unmet_cost": UNMET}
    return Network(
        nodes=[Node("plant", on_hand=9), Node("a", **shop), Node("b", **shop)],
        arcs=[Arc(None, "plant"), Arc("plant", "a"), Arc("plant", "b")],
        demand={"a": [3], "b": [3]},
        **{"whole_units": True} | options,
    )


def derivative(network, requests, seeds):
    """Value and derivative of the return of a period, by seed, beside the plain value."""
    built, policy = network.built, Ask()

    def one(seed):
        scenario = built.sample(jax.random.key(seed), 1)
        key = jax.random.key(seed + 1)

        def value(requests):
            return rounded_return(built.simulator, built.params, policy, requests, scenario, key)

        moves = built.simulator.rollout(built.params, policy, requests, scenario).transitions
        return (*jax.value_and_grad(value)(requests), discounted_return(built.params, moves))

    return jax.jit(jax.vmap(one))(jnp.arange(seeds))


def test_the_mean_of_the_derivative_is_the_worth_of_a_unit_more():
    value, slope, plain = derivative(network(), jnp.array([0.0, 2.3, 3.4]), 4000)
    np.testing.assert_array_equal(value, plain)
    error = slope.std(axis=0, ddof=1) / np.sqrt(len(slope))
    assert (error < 0.15).all()
    # From 2 to 3 units at a, from 3 to 4 at b.
    assert float(slope[:, 1].mean()) == pytest.approx(UNMET, abs=4 * float(error[1]))
    assert float(slope[:, 2].mean()) == pytest.approx(-HOLDING, abs=4 * float(error[2]))


def test_what_does_not_ship_has_no_derivative():
    _, slope, _ = derivative(network(), jnp.array([0.0, 0.0, 2.5]), 50)
    np.testing.assert_allclose(slope[:, 2], UNMET, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "draws", "message"),
    [
        ({"whole_units": False}, 1, r"whole_units is False, must be True"),
        ({"arrivals": "before shipping"}, 1, r"passes is 2, must be 1"),
        ({}, 0, r"draws is 0, must be at least 1"),
    ],
)
def test_what_cannot_be_followed_is_refused(options, draws, message):
    built = replace(network(), **options).built
    scenario = built.sample(jax.random.key(0), 1)
    with pytest.raises(ValueError, match=message):
        rounded_return(
            built.simulator, built.params, Ask(), jnp.ones(3), scenario, jax.random.key(0),
            draws=draws,
        )  # fmt: skip

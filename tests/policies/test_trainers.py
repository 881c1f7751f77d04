"""Trainers find optima that are known."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.policies import (
    BaseStock,
    NonFiniteGradientError,
    TrainConfig,
    TuneConfig,
    train_by_gradient,
    tune,
)
from tests.policies.problems import store_task, store_windows


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Level:
    level: jax.Array


@dataclass(frozen=True, eq=False)
class Store:
    """Base stock as a policy with a dataclass of scalars."""

    def init(self, key):
        return Level(level=jnp.float32(5.0))

    def apply(self, params, observation, key):
        return BaseStock().apply(params.level, observation, key)


def test_gradient_training_finds_the_optimal_level():
    simulator, params, windows = store_windows()
    config = TrainConfig(updates=150, batch_products=32, learning_rate=0.3, evaluate_every=50)
    result = train_by_gradient(simulator, params, Store(), windows, 60, config)
    # The optimum over an infinite horizon is 12.90; the first orders of a window arrive late for
    # every level, and 32 stores of 60 periods leave sampling error.
    assert float(result.params.level) == pytest.approx(12.9, abs=0.3)
    assert list(result.updates) == [0, 50, 100, 150]
    assert result.curve[-1] > result.curve[0]
    assert result.value == result.curve.max()


def test_search_finds_the_optimal_level_and_counts_its_rollouts():
    task = store_task()
    config = TuneConfig(population=8, generations=6)
    result = tune(task, Store(), {"level": (3.0, 40.0)}, config)
    assert float(result.params.level) == pytest.approx(12.9, abs=0.5)
    assert (np.diff(result.curve) >= 0).all()
    assert result.rollouts % task.products == 0
    assert result.rollouts >= 8 * 6 * task.products


class Named(Store):
    """Base stock as a policy with a dictionary of parameters."""

    def init(self, key):
        return {"level": jnp.float32(5.0)}

    def apply(self, params, observation, key):
        return BaseStock().apply(params["level"], observation, key)


def test_search_takes_a_dictionary_by_its_keys():
    task, config = store_task(), TuneConfig(population=4, generations=1)
    bounds = {"level": (3.0, 40.0)}
    found = tune(task, Named(), bounds, config)
    assert found.params["level"] == tune(task, Store(), bounds, config).params.level
    with pytest.raises(ValueError, match=r"bounds name \['depth'\], must name \['level'\]"):
        tune(task, Named(), {"depth": (3.0, 40.0)}, config)


def test_a_gradient_that_is_not_finite_stops_training():
    simulator, params, windows = store_windows(products=4, periods=20)

    class Broken(Store):
        def apply(self, params, observation, key):
            return jnp.sqrt(params.level - params.level) + super().apply(params, observation, key)

    where = (
        "at update 1 of 3: trajectory 0, period 0: the derivative of action of arc 0 with respect "
        "to policy_params.level is"
    )
    with pytest.raises(NonFiniteGradientError, match=where):
        train_by_gradient(
            simulator, params, Broken(), windows, 20, TrainConfig(updates=3, evaluate_every=1)
        )


@pytest.mark.parametrize(
    ("bounds", "message"),
    [({"cover": (1.0, 2.0)}, r"must name \['level'\]"), ({"level": (2.0, 1.0)}, "with low < high")],
    ids=["name", "order"],
)
def test_bad_bounds_are_refused(bounds, message):
    with pytest.raises(ValueError, match=message):
        tune(store_task(products=2, periods=10), Store(), bounds)


@pytest.mark.parametrize(
    "arguments", [{"updates": 0}, {"learning_rate": 0.0}, {"batch_products": -1}], ids=str
)
def test_bad_training_config_is_refused(arguments):
    name = next(iter(arguments))
    with pytest.raises(ValueError, match=f"{name} is"):
        TrainConfig(**arguments)

"""One task for search, training and environments, and the bridges between them."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym import simulator
from draingym.policies import (
    BaseStock,
    PathwiseGradient,
    SampledTask,
    TrainConfig,
    TuneConfig,
    WindowTask,
    environment_of,
    task_of,
    train_policy,
    tune,
)
from draingym.simulator import single_store, window, windows_from_scenarios
from tests.policies.problems import store_task

BOX = {"": (3.0, 40.0)}


@pytest.fixture(scope="module")
def sampled():
    made, params, sample = single_store(lead_time=1, unmet_cost=9.0)
    return SampledTask(
        params=params,
        simulator=made,
        sample=sample,
        periods=30,
        warm_up=6,
        evaluation_batch=60,
        evaluation_periods=30,
        evaluation_warm_up=6,
    )


@pytest.mark.slow
def test_search_and_training_take_the_same_sampled_task(sampled):
    found = tune(sampled, BaseStock(), BOX, TuneConfig(population=6, generations=6))
    assert float(found.params) == pytest.approx(12.9, abs=0.5)  # the critical fractile
    assert found.rollouts % sampled.evaluation_batch == 0
    # What the search reports is what the task says of the parameters, on the search's key.
    own = sampled.evaluate(BaseStock(), found.params, jax.random.key(0))
    assert found.value == pytest.approx(float(own), rel=1e-5)
    config = TrainConfig(updates=60, batch_products=16, learning_rate=0.4, evaluate_every=20)
    trained = train_policy(PathwiseGradient(policy=BaseStock(initial_level=9.0)), sampled, config)
    assert float(trained.params) == pytest.approx(float(found.params), abs=0.6)


@pytest.mark.slow
def test_an_environment_is_a_task():
    env = simulator.make("draingym/SingleStore-v0", horizon=30)
    task = task_of(simulator.InventoryEnv(env), evaluation_batch=40)
    assert task.periods == 30
    found = tune(task, BaseStock(), BOX, TuneConfig(population=5, generations=4))
    drawn = task.draw(jax.random.split(jax.random.key(0))[0], 40)
    values = [
        env.simulator.rollout(
            env.params, BaseStock(), found.params, jax.tree.map(lambda x, b=b: x[b], drawn)
        ).transitions.reward.sum()
        for b in range(40)
    ]
    assert found.value == pytest.approx(float(np.mean(values)), rel=1e-4)
    trained = train_policy(
        PathwiseGradient(policy=BaseStock(initial_level=9.0)),
        task,
        TrainConfig(updates=3, batch_products=4, learning_rate=0.3, evaluate_every=3),
    )
    assert trained.value >= trained.curve[0]


def test_windows_of_scenarios_hold_what_the_sampler_drew():
    made, params, sample = single_store(lead_time=2)
    keys = jax.random.split(jax.random.key(1), 3)
    drawn = jax.vmap(lambda key: sample(key, 9))(keys)
    windows = windows_from_scenarios(made, params, drawn, [[0.0, 0.0, 1.0]])
    cut = window(windows, 0, 9, jax.random.key(2))
    np.testing.assert_array_equal(cut.series.glance_views, drawn.series.glance_views)
    np.testing.assert_array_equal(cut.series.lead_share, drawn.series.lead_share)
    np.testing.assert_array_equal(cut.initial.on_hand, drawn.initial.on_hand)
    with pytest.raises(ValueError, match=r"period has shape \(9,\), must be \(P, T\)"):
        windows_from_scenarios(made, params, sample(keys[0], 9), [[0.0, 0.0, 1.0]])


@pytest.mark.parametrize("kind", ["windows", pytest.param("sampled", marks=pytest.mark.slow)])
def test_a_task_is_an_environment_with_its_rewards(kind, sampled):
    task = store_task(products=3, periods=30) if kind == "windows" else sampled
    env = environment_of(task, 50.0)
    assert env.horizon == 30
    key = jax.random.key(4)
    scenario = env.sample(key)
    moves = task.simulator.rollout(
        task.params, BaseStock(), jnp.float32(12.0), scenario
    ).transitions
    view, state = env.reset(key)
    total = 0.0
    for _ in range(30):
        wanted = BaseStock().apply(jnp.float32(12.0), env.read(view), key)
        view, state, reward, over, _ = env.step(key, state, env.unscale(wanted))
        total += float(reward)
    assert bool(over)
    assert total == pytest.approx(float(moves.reward.sum()), rel=1e-4)
    back = task_of(env)
    assert (back.periods, back.simulator) == (30, task.simulator)


def test_a_window_that_leaves_its_history_is_refused():
    task = store_task(products=2, periods=10)
    with pytest.raises(ValueError, match=r"horizon is 11, must be in \[1, 10\]"):
        WindowTask(params=task.params, windows=task.windows, simulator=task.simulator, horizon=11)
    later = replace(task.windows, start=jnp.array([4]))
    with pytest.raises(ValueError, match=r"horizon is 7, must be in \[1, 6\]"):
        WindowTask(params=task.params, windows=later, simulator=task.simulator, horizon=7)

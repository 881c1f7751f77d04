"""Every learner finds a known optimum; runs go on bit for bit, and side by side."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from draingym.common.logs import ScalarLog
from draingym.policies import (
    PPO,
    BaseStock,
    EvolutionStrategy,
    GaussianPolicy,
    Hyper,
    MLPPolicy,
    NonFiniteGradientError,
    PathwiseGradient,
    SampledTask,
    ScoreFunction,
    TrainConfig,
    TruncatedGradient,
    train_policies,
    train_policy,
)
from draingym.policies.bounds.optimal import base_stock_optimum, discretise
from draingym.policies.networks.mlp import features
from draingym.policies.training.loop import STATE
from draingym.policies.training.segments import returns_to_go
from draingym.simulator import single_store
from tests.compilations import compiled_once
from tests.policies.problems import observation, store_windows

ROOT = Path(__file__).parents[2]
POLICY = BaseStock(initial_level=4.0)


def newsvendor(**sizes):
    """A store whose orders arrive at once: every period is a newsvendor's."""
    simulator, params, sample = single_store(lead_time=0, unmet_cost=9.0)
    sizes = {"periods": 12, "warm_up": 2, "evaluation_batch": 400} | sizes
    sizes = {"evaluation_periods": 30, "evaluation_warm_up": 2} | sizes
    return SampledTask(params=params, simulator=simulator, sample=sample, **sizes)


@pytest.fixture(scope="module")
def task():
    return newsvendor()


def test_stock_that_is_left_fetches_nothing_on_an_infinite_horizon(task):
    # What is bought in the warm-up does not count: each unit of it would be money for nothing.
    paid = replace(task.params, salvage_rate=jnp.float32(0.9))
    with pytest.raises(ValueError, match=r"salvage_rate is 0\.89.*, must be 0"):
        replace(task, params=paid)


@pytest.fixture(scope="module")
def optimum():
    pmf = discretise(stats.norm(5, 1.6), 0.01)
    return base_stock_optimum(pmf, 0.01, lead_time=0, holding_cost=1.0, unmet_cost=9.0)


CONFIG = TrainConfig(updates=60, batch_products=64, learning_rate=0.3, evaluate_every=20)
METHODS = {
    "gradient": (PathwiseGradient(policy=POLICY), CONFIG),
    "segments": (TruncatedGradient(policy=POLICY, segment=3, hidden=(8,)), CONFIG),
    "evolution": (EvolutionStrategy(policy=POLICY, pairs=4, sigma=0.3), CONFIG),
    "score": (
        ScoreFunction(policy=POLICY, initial_sd=0.2, extra_discount=0.5),
        replace(CONFIG, learning_rate=0.1, updates=120),
    ),
    "ppo": (
        PPO(policy=POLICY, hidden=(8,), initial_sd=0.2, extra_discount=0.5),
        replace(CONFIG, learning_rate=0.03),
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_finds_the_newsvendor_level(name, task, optimum):
    method, config = METHODS[name]
    with compiled_once():
        result = train_policy(method, task, config)
    # A level off by 0.4 costs 2% more; sampling error of an evaluation is 1%.
    assert float(result.params) == pytest.approx(float(optimum.levels[0]), abs=0.4)
    assert -result.value == pytest.approx(optimum.cost, rel=0.04)
    assert result.curve[-1] > result.curve[0]
    rollouts = method.rollouts(64)
    np.testing.assert_array_equal(result.periods, result.updates * rollouts * 12)
    assert result.rollouts == config.updates * rollouts + len(result.curve) * 400
    assert (np.diff(result.seconds) > 0).all()


@pytest.mark.slow
def test_a_network_learns_the_newsvendor_level(task, optimum):
    policy = MLPPolicy.for_task(task, hidden=(8,))
    config = TrainConfig(updates=100, batch_products=64, learning_rate=0.02, evaluate_every=50)
    result = train_policy(PathwiseGradient(policy=policy), task, config)
    assert -result.value == pytest.approx(optimum.cost, rel=0.08)


AVERAGED = replace(CONFIG, ema_decay=0.8, updates=24, evaluate_every=8)
GRADIENT = PathwiseGradient(policy=POLICY)


class StoppedError(Exception):
    """In place of a lost machine."""


def stop_at(update):
    def progress(done, updates):
        if done >= update:
            raise StoppedError

    return progress


@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path, task, several):
    def run(**options):
        if several:
            return train_policies(GRADIENT, task, AVERAGED, seeds=(0, 3), **options)[1]
        return train_policy(GRADIENT, task, AVERAGED, **options)

    whole = run()
    with pytest.raises(StoppedError):
        run(folder=tmp_path, progress=stop_at(8))
    points = []
    resumed = run(folder=tmp_path, log=points.append)
    np.testing.assert_array_equal(resumed.curve, whole.curve)
    np.testing.assert_array_equal(resumed.params, whole.params)
    assert {point.update for point in points} == {16, 24}
    # A run that is over is read, and nothing is added.
    np.testing.assert_array_equal(run(folder=tmp_path).curve, whole.curve)
    with pytest.raises(ValueError, match=r"(config.updates|seeds) is .*, must be"):
        train_policies(GRADIENT, task, replace(AVERAGED, updates=32), seeds=(0,), folder=tmp_path)
    (tmp_path / STATE).write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"file; remove it to train from the beginning"):
        run(folder=tmp_path)
    with pytest.raises(ValueError, match=r"x+ cannot be written \(File name too long\)"):
        run(folder=tmp_path / ("x" * 300))


def test_a_state_of_other_data_is_refused(tmp_path, task):
    config = replace(AVERAGED, updates=8)
    train_policy(GRADIENT, task, config, folder=tmp_path)
    dearer = replace(task, params=replace(task.params, holding_cost=jnp.ones(1) * 2))
    with pytest.raises(ValueError, match="value of the first policy"):
        train_policy(GRADIENT, dearer, config, folder=tmp_path)


def test_runs_side_by_side_are_single_runs(task):
    rates = (0.3, 0.1)
    hyper = Hyper(
        learning_rate=jnp.array(rates), clip_norm=jnp.float32(1.0), ema_decay=jnp.float32(0.8)
    )
    both = train_policies(GRADIENT, task, AVERAGED, seeds=(0, 3), hyper=hyper)
    for seed, rate, found in zip((0, 3), rates, both, strict=True):
        config = replace(AVERAGED, seed=seed, learning_rate=rate)
        single = train_policy(GRADIENT, task, config)
        np.testing.assert_allclose(found.curve, single.curve, rtol=1e-5)
        np.testing.assert_allclose(found.params, single.params, rtol=1e-5)


def test_the_average_follows_the_parameters(task):
    config = replace(CONFIG, updates=1, evaluate_every=1)
    plain = train_policy(GRADIENT, task, config)
    slow = train_policy(GRADIENT, task, replace(config, ema_decay=0.99))
    # The first of an average's decays is 1 / 10.
    level = float(plain.params) + 0.1 * (4.0 - float(plain.params))
    assert float(plain.params) > 4.1
    assert float(slow.params) == pytest.approx(level, rel=1e-6)


@pytest.mark.slow
def test_a_gradient_that_is_not_finite_names_its_run(task):
    class Broken(BaseStock):
        def apply(self, params, observation, key):
            return jnp.sqrt(params - 4.0) + super().apply(params, observation, key)

    method = PathwiseGradient(policy=Broken(initial_level=4.0))
    with pytest.raises(
        NonFiniteGradientError,
        match=r"at update 1 of 3 of seed 5: trajectory 0, period 0: .* action of arc 0",
    ):
        train_policies(method, task, replace(CONFIG, updates=3), seeds=(5, 6))


@pytest.mark.slow
def test_two_devices_train_as_one_does(task):
    program = """
import json, jax
from draingym.policies import train_policy
from tests.policies.test_methods import CONFIG, GRADIENT, newsvendor, replace
config = replace(CONFIG, updates=10)
found = train_policy(GRADIENT, newsvendor(), config, devices=2)
print(json.dumps([jax.device_count(), found.curve.tolist(), float(found.params)]))
"""
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT, env=os.environ | flags, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    devices, curve, level = json.loads(run.stdout)
    one = train_policy(GRADIENT, task, replace(CONFIG, updates=10))
    assert devices == 2
    np.testing.assert_allclose(curve, one.curve, rtol=1e-4)
    assert level == pytest.approx(float(one.params), rel=1e-4)


def test_curves_can_be_read_by_tensorboard(tmp_path, task):
    with ScalarLog(tmp_path) as log:
        train_policy(GRADIENT, task, replace(AVERAGED, updates=8), log=log)
    (events,) = tmp_path.iterdir()
    content = events.read_bytes()
    for name in (b"policy/value", b"policy/gradient_norm", b"policy/periods"):
        assert content.count(name) == 2  # at the start, and after eight updates


@pytest.mark.slow
def test_windows_take_a_truncated_gradient():
    from draingym.policies import train_by_gradient

    simulator, params, windows = store_windows(products=8, periods=12, lead_time=1)
    config = TrainConfig(updates=4, batch_products=4, learning_rate=0.3, evaluate_every=2)
    found = train_by_gradient(simulator, params, POLICY, windows, 12, config, segment=4)
    assert found.value > found.curve[0]


def test_returns_to_go_by_hand():
    found = returns_to_go(jnp.array([1.0, 2.0, 4.0]), jnp.float32(0.5), jnp.float32(8.0))
    np.testing.assert_allclose(found, [1 + 0.5 * 6, 2 + 0.5 * 8, 4 + 0.5 * 8])


def test_gaussian_requests_have_the_distribution_they_say():
    seen = observation([3, 0, 9, 1])  # a forecast of 4 units in all
    gaussian = GaussianPolicy(
        base=BaseStock(parent=(-1, -1, -1, -1), initial_level=7.0), initial_sd=0.5
    )
    params = gaussian.init(jax.random.key(0))
    keys = jax.random.split(jax.random.key(1), 2000)
    drawn = np.asarray(jax.vmap(lambda key: gaussian.apply(params, seen, key))(keys))
    np.testing.assert_allclose(drawn.mean(axis=0), [4, 7, 0, 6], atol=0.15)
    np.testing.assert_allclose(drawn.std(axis=0), 2.0, rtol=0.06)
    told = gaussian.log_prob(params, seen, jnp.asarray(drawn[0]))
    expected = stats.norm([4, 7, 0, 6], 2.0).logpdf(drawn[0]).sum()
    assert float(told) == pytest.approx(expected, rel=1e-4)


def test_features_do_not_depend_on_the_size_of_demand():
    seen = observation([3, 0, 9, 1], pipeline=[[1, 2, 0, 0], [0, 4, 0, 0]])
    large = replace(
        seen, on_hand=10 * seen.on_hand, pipeline=10 * seen.pipeline, forecast=10 * seen.forecast
    )
    small, tenfold = features(seen), features(large)
    differs = np.flatnonzero(~np.isclose(small, tenfold, rtol=1e-5))
    assert differs.size == 1  # the log of demand itself
    assert float(tenfold[differs[0]] - small[differs[0]]) == pytest.approx(np.log(10), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: TrainConfig(ema_decay=1.0),
            r"ema_decay is 1.0, must be finite and in \[0.0, 1.0\)",
        ),
        (lambda: TruncatedGradient(policy=POLICY, segment=0), "segment is 0, must be at least 1"),
        (lambda: EvolutionStrategy(policy=POLICY, pairs=0), "pairs is 0, must be at least 1"),
        (lambda: EvolutionStrategy(policy=POLICY, sigma=0.0), "sigma is 0.0, must be above 0"),
        (
            lambda: ScoreFunction(policy=POLICY, extra_discount=0.0),
            "extra_discount is 0.0",
        ),
        (lambda: PPO(policy=POLICY, epochs=0), "epochs is 0, must be at least 1"),
        (lambda: PPO(policy=POLICY, gae_lambda=1.5), "gae_lambda is 1.5, must be in"),
        (lambda: PPO(policy=POLICY, clip=0.0), "clip is 0.0, must be above 0"),
        (
            lambda: PPO(policy=POLICY, extra_discount=1.0),
            "extra_discount is 1.0",
        ),
        (lambda: GaussianPolicy(base=POLICY, initial_sd=0.0), "initial_sd is 0.0, must be above"),
        (lambda: newsvendor(warm_up=12), r"^warm_up is 12, must be in \[0, 12\)"),
        (
            lambda: newsvendor(evaluation_warm_up=30),
            "evaluation_warm_up is 30, must be in",
        ),
        (lambda: newsvendor(evaluation_batch=0), "evaluation_batch is 0, must be at least 1"),
    ],
)
def test_bad_sizes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_runs_are_refused(task):
    config = replace(CONFIG, updates=1, batch_products=1)
    with pytest.raises(ValueError, match="seeds is empty, must hold at least 1"):
        train_policies(GRADIENT, task, config, seeds=())
    hyper = Hyper(learning_rate=jnp.ones(3), clip_norm=jnp.ones(3), ema_decay=jnp.zeros(3))
    with pytest.raises(ValueError, match=r"learning_rate has shape \(3,\), must be \(\) or \(2,\)"):
        train_policies(GRADIENT, task, config, seeds=(0, 1), hyper=hyper)
    with pytest.raises(ValueError, match="batch_products is 1, must be at least 2"):
        train_policy(ScoreFunction(policy=POLICY), task, config)
    with pytest.raises(ValueError, match="minibatches is 4, must divide 11 periods"):
        train_policy(PPO(policy=POLICY, hidden=(8,)), task, config)
    with pytest.raises(ValueError, match="devices is 999"):
        train_policy(GRADIENT, task, config, devices=999)

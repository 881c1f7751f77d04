"""Sampled demand, learned levels, imitated plans: against other choices, by hand, recovered."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.policies import (
    ForecastBaseStock,
    ForecastLevels,
    ImitatedBaseStock,
    ImitatedParams,
    NeuralPlacement,
    OrderUpTo,
    PathwiseGradient,
    ScenarioParams,
    ScenarioProgram,
    TrainConfig,
    WindowTask,
    checked_rollouts,
    imitate_plans,
    load_policy,
    save_policy,
    train_policy,
)
from draingym.policies.validation.validate import _of
from draingym.simulator import (
    Dynamics,
    LocalDemand,
    LocalDemandParams,
    Simulator,
    Windows,
    make_params,
    scenario_from_views,
)
from tests.policies.problems import observation, small_tree

KEY = jax.random.key(0)
TREE = small_tree()
# Nearest nodes: region 0 and 1 -> node 1, region 2 -> node 2, region 3 -> node 3.
SHIP = ((9.0,) * 4, (1.0, 1.0, 6.0, 8.0), (5.0, 5.0, 1.0, 4.0), (8.0, 8.0, 5.0, 1.0))
LEAD = (2.0, 1.0, 1.0, 1.0)


def program(**settings):
    return ScenarioProgram(tree=TREE, unit_ship_cost=SHIP, **settings)


def scenario_params(**changes):
    values = {"buy_cover": 3.0, "place_cover": 2.0, "cv": 0.4, "stock_value": 0.7, **changes}
    return ScenarioParams(**{name: jnp.float32(value) for name, value in values.items()})


def expected_profit(policy, params, seen, position):
    """The program's objective of [3] positions of the fed nodes, as its docstring has it."""
    local = np.array([0.0, 7.0, 2.0, 1.0])
    demand = np.asarray(policy._demand(2.0 * jnp.asarray(local), params.cv))[:, 1:]
    near, far = 1.0, np.array([5.0, 4.0, 4.0])  # next node of regions 0 and 1, 2, and 3
    far[1] = 5.0  # region 2: node 3 asks 5, node 1 asks 6
    far[2] = 4.0  # region 3: node 2
    value = 0.7 * 12.0
    gain = 20.0 - value - float(local[1:] @ far / local.sum())
    served = np.minimum(position[None, :], demand).sum(axis=0) @ (far - near)
    sold = np.minimum(position.sum(), demand.sum(axis=1)).sum() * gain
    return (served + sold) / len(demand) - policy.transfer_cost * position.sum()


@pytest.mark.parametrize("shelf", [1000.0, 12.0], ids=["a shelf that suffices", "a short shelf"])
def test_the_scenario_program_is_solved_to_its_optimum(shelf) -> None:
    policy, params = program(scenarios=16), scenario_params()
    seen = observation([shelf, 0.0, 0.0, 0.0], forecast=(4.0, 3.0, 2.0, 1.0))
    placed = np.asarray(policy.apply(params, seen, KEY))[1:]
    assert placed.sum() <= shelf * (1 + 1e-5)
    best = expected_profit(policy, params, seen, placed)
    random = np.random.default_rng(0)
    for size in (0.1, 1.0, 5.0):
        for _ in range(200):
            other = np.maximum(placed + size * random.normal(size=3), 0.0)
            other *= min(1.0, shelf / max(other.sum(), 1e-9))
            # Quantiles are linear between scenarios: the optimum is met up to a step of them.
            assert expected_profit(policy, params, seen, other) <= best + 0.15


def test_what_is_bought_is_the_quantile_of_all_demand() -> None:
    policy = program(scenarios=2000)
    params = scenario_params(cv=0.0)
    bought = policy.apply(params, observation([0.0] * 4, forecast=(4.0, 3.0, 2.0, 1.0)), KEY)[0]
    # 30 units are expected, Poisson; a unit short loses 20 - 1 - 0.25 - 12, one left 12 - 8.4.
    from scipy import stats

    assert float(bought) == pytest.approx(stats.norm(30, 30**0.5).ppf(6.75 / 10.35), rel=0.02)


def test_a_product_that_loses_money_is_not_bought() -> None:
    def bought(price: float) -> float:
        seen = replace(observation([0.0] * 4), price=jnp.float32(price))
        return float(program().apply(scenario_params(), seen, KEY)[0])

    assert bought(13.0) == 0.0  # less than it costs to buy and ship
    assert 0.0 < bought(20.0) < bought(60.0)


def levels_policy(**settings):
    return ForecastBaseStock(tree=TREE, lead_time=LEAD, **settings)


def test_learned_levels_start_as_covers_of_the_forecast() -> None:
    policy = levels_policy(start_cover=(6.0, 2.0))
    seen = observation([20, 4, 30, 0], forecast=(4.0, 3.0, 2.0, 1.0))
    params = policy.init(KEY)
    demand = np.array([10.0, 7.0, 2.0, 1.0])
    mean = np.array([6.0, 2.0, 2.0, 2.0]) * demand
    x = policy.terms(seen)[0] / jnp.asarray(mean)[:, None]
    np.testing.assert_allclose(x[:, 0], 1.0, rtol=1e-6)
    assert (np.abs(np.asarray(x)) <= 1.0 + 1e-6).all()
    expected = mean + np.sqrt(mean)
    np.testing.assert_allclose(policy.levels(params, seen), expected, rtol=1e-4)
    # Evenness: all four regions below the root; node 1 serves regions of 4 and 3 units.
    even = [1 - 30 / 100, 1 - 25 / 49, 0.0, 0.0]
    np.testing.assert_allclose(x[:, 2], even, atol=1e-5)


def test_learned_levels_never_look_at_stock_and_stop_at_the_edge_of_prices() -> None:
    policy, params = levels_policy(price_range=(5.0, 50.0)), levels_policy().init(KEY)
    params = replace(params, cover=params.cover.at[:, 5].set(0.5))
    seen = observation([20, 4, 30, 0])
    other = observation([0, 0, 0, 7])
    np.testing.assert_array_equal(policy.levels(params, seen), policy.levels(params, other))
    dear = [
        policy.levels(params, replace(seen, price=jnp.float32(p), unit_cost=jnp.float32(0.5 * p)))
        for p in (50.0, 5000.0)
    ]
    np.testing.assert_array_equal(*dear)


def tree_windows(products=12, periods=24):
    """Local demand at three nodes, from forecasts that are right on average."""
    lead = np.eye(3)[[2, 1, 1, 1]]
    share = np.array([[0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    kernel = LocalDemandParams(share=jnp.asarray(share), unit_ship_cost=jnp.ones(4))
    params = make_params(
        [-1, 0, 0, 0], kernel, serves=[False, True, True, True], holding_cost=0.2,
        transfer_cost=0.25, salvage_rate=0.5,
    )  # fmt: skip
    random = np.random.default_rng(1)
    scenarios = []
    for b in range(products):
        rate = random.uniform(2.0, 30.0) * np.array([0.4, 0.2, 0.3, 0.1])
        views = random.poisson(rate, size=(periods, 4)).astype(np.float32)
        made = scenario_from_views(
            views, lead, jax.random.key(b), forecast=rate, price=20.0, unit_cost=12.0
        )
        series = replace(made.series, attributes=jnp.zeros((periods, 2)))
        scenarios.append(replace(made, series=series))
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *scenarios)
    simulator = Simulator(kernel=LocalDemand(), dynamics=Dynamics(whole_units=False))
    return simulator, params, batch, lead


def test_plans_are_imitated_and_what_is_imitated_is_as_good_as_plain_covers(tmp_path) -> None:
    _, params, batch, _ = tree_windows()
    policy = levels_policy(start_cover=(5.0, 2.0))
    made = imitate_plans(policy, params, batch, batch.series.glance_views, np.ones(4))
    # A unit sent to a node can be sold a period later: without surprises plans keep the demand of
    # two periods at a node, and of five in all: two to arrive, one to be sent on, one to sell.
    observed = observation([0.0] * 4, forecast=(4.0, 2.0, 3.0, 1.0))
    fitted = ForecastLevels(cover=jnp.asarray(made.cover), safety=jnp.asarray(made.safety))
    levels = np.asarray(policy.levels(fitted, observed))
    demand = np.array([10.0, 6.0, 3.0, 1.0])
    assert (levels[1:] / demand[1:] > 1.0).all()
    assert (levels[1:] / demand[1:] < 3.0).all()
    assert 3.0 < levels[0] / 10.0 < 6.5

    save_policy(tmp_path / "made.npz", made, made.init(KEY))
    again, _ = load_policy(tmp_path / "made.npz")
    assert isinstance(again, ImitatedBaseStock)
    np.testing.assert_allclose(
        again.apply(again.init(KEY), observed, KEY), made.apply(made.init(KEY), observed, KEY)
    )
    double = ImitatedParams(**dict.fromkeys(("buy_factor", "place_factor"), jnp.float32(2.0)),
                            safety=jnp.float32(0.0))  # fmt: skip
    np.testing.assert_allclose(made.apply(double, observed, KEY), 2.0 * levels, rtol=1e-4)


def test_too_few_periods_are_refused() -> None:
    _, params, batch, _ = tree_windows(products=1, periods=5)
    with pytest.raises(ValueError, match="scenario has 5 periods, must have more than"):
        imitate_plans(levels_policy(), params, batch, batch.series.glance_views, np.ones(4))


def test_products_that_judge_alone_fare_as_among_all() -> None:
    """What ``validate`` rests on where it rolls out in the simulator those that judge alone."""
    simulator, params, batch, _ = tree_windows(products=6)
    policy = levels_policy()
    every, _ = checked_rollouts(simulator, params, policy, policy.init(KEY), batch)
    some, _ = checked_rollouts(
        simulator, params, policy, policy.init(KEY), _of(batch, jnp.array([4, 1]))
    )
    np.testing.assert_allclose(some, every[[4, 1]], rtol=1e-6)


@pytest.mark.slow
def test_learned_levels_are_trained_through_rollouts() -> None:
    simulator, params, batch, lead = tree_windows()
    windows = Windows(
        market=replace(
            batch.series,
            exogenous=jax.vmap(lambda s: simulator.kernel.prepare(params.kernel, s))(batch.series),
        ),
        initial=jax.tree.map(lambda leaf: leaf[None], batch.initial),
        start=jnp.zeros(1, jnp.int32),
        lead_time=jnp.asarray(lead),
        num_uniforms=0,
    )
    task = WindowTask(params=params, windows=windows, simulator=simulator, horizon=16)
    found = train_policy(
        PathwiseGradient(policy=levels_policy()),
        task,
        TrainConfig(updates=30, batch_products=12, evaluate_every=30, learning_rate=0.03),
    )
    assert found.value > found.curve[0] + 1.0
    assert (np.asarray(found.params.cover) != np.asarray(levels_policy().init(KEY).cover)).all()


@pytest.mark.parametrize("option", ["cover_per_node", "spread"])
def test_options_of_the_neural_policy_leave_its_start_alone(option) -> None:
    plain = NeuralPlacement(tree=TREE, num_attributes=2, width=4)
    policy = replace(plain, **{option: True})
    seen = observation([20, 4, 3, 0], forecast=(4.0, 3.0, 2.0, 1.0))
    np.testing.assert_allclose(
        policy.apply(policy.init(KEY), seen, KEY),
        plain.apply(plain.init(KEY), seen, KEY),
        rtol=1e-6,
    )


def test_a_cover_of_its_own_is_a_factor_of_the_node() -> None:
    policy = NeuralPlacement(tree=TREE, num_attributes=2, width=4, cover_per_node=True)
    params = policy.init(KEY)
    empty = observation([0.0] * 4, forecast=(4.0, 3.0, 2.0, 1.0))
    before = policy.apply(params, empty, KEY)
    params["log_own"] = params["log_own"].at[2].set(jnp.log(3.0))
    after = policy.apply(params, empty, KEY)
    np.testing.assert_allclose(after / before, [1.0, 1.0, 3.0, 1.0], rtol=1e-5)


def test_the_covers_that_training_starts_from_are_a_setting() -> None:
    policy = NeuralPlacement(tree=TREE, num_attributes=2, width=4, start_cover=(3.0, 1.5))
    empty = observation([0.0] * 4, forecast=(4.0, 3.0, 2.0, 1.0))
    log_cover = policy.init(KEY)["log_cover"]
    np.testing.assert_allclose(np.exp(log_cover), [3.0, 1.5], rtol=1e-6)
    assert float(policy.apply(policy.init(KEY), empty, KEY)[0]) == pytest.approx(30.0)
    with pytest.raises(ValueError, match="start_cover"):
        replace(policy, start_cover=(0.0, 1.0))


def test_spread_follows_from_means_by_hand() -> None:
    policy = NeuralPlacement(tree=TREE, num_attributes=2, width=4, spread=True)
    from draingym.policies.networks.neural import _scatter

    share = jnp.array([[0.5, 0.5], [1.0, 0.0]])
    found = _scatter(share, jnp.array([3.9, 3.9]), jnp.array([3.9, 3.9]))
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.5, 0.0]], atol=1e-5)
    assert policy.num_features == 11


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lead_time": (1.0,)}, "lead_time"),
        ({"demand_range": (0.0, 1.0)}, "demand_range"),
        ({"price_range": (5.0, 5.0)}, "price_range"),
        ({"start_cover": (1.0, 0.0)}, "start_cover"),
    ],
)
def test_settings_are_checked(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        ForecastBaseStock(**{"tree": TREE, "lead_time": LEAD, **settings})


def test_the_plain_policy_is_a_case_of_neither() -> None:
    """Levels that start as covers differ from ``OrderUpTo`` by the regional forecast alone."""
    seen = observation([0.0] * 4, forecast=tuple(10.0 * np.asarray(TREE.population)))
    mine = levels_policy()
    theirs = OrderUpTo(tree=TREE)
    np.testing.assert_allclose(
        mine.apply(mine.init(KEY), seen, KEY), theirs.apply(theirs.init(KEY), seen, KEY), rtol=1e-4
    )

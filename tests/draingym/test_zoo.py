"""The zoo: parameters are the published ones, and optima are played in the environments."""

import pickle
import pkgutil
from dataclasses import fields, replace

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from scipy import stats

from draingym.envs.make import make_problem, options_of
from draingym.policies.bounds.optimal import (
    base_stock_optimum,
    discretise,
    serial_optimum,
    transshipment_bound,
)
from draingym.registration import CORE, ENVIRONMENTS, IDS, ZOO
from draingym.zoo.demand import (
    InTurn,
    Table,
    geometric,
    negative_binomial,
    probabilities,
    rounded_gamma,
    uniform,
)
from draingym.zoo.dual_sourcing import DualSourcing
from draingym.zoo.exact import exact
from draingym.zoo.platelets import Platelets
from draingym.zoo.store import Disruptions, LostSales
from draingym.zoo.table import TABLE

# What each publication says; where it is from stands in the class and in the table.
PUBLISHED = {
    "LostSales": {"mean_demand": 5.0, "lead_time": 4, "holding_cost": 1.0, "unmet_cost": 9.0},
    "FixedOrderCost": {
        "mean_demand": 10.0,
        "order_fee": 64.0,
        "holding_cost": 1.0,
        "unmet_cost": 9.0,
        "lead_time": 0,
    },
    "DualSourcing": {
        "lead_time_regular": 2,
        "lead_time_expedited": 0,
        "cost_regular": 0.0,
        "cost_expedited": 20.0,
        "holding_cost": 5.0,
        "unmet_cost": 495.0,
        "demand_low": 0,
        "demand_high": 4,
        "on_hand": 6.0,
    },
    "Disruptions": {
        "disruption_probability": 0.04,
        "recovery_probability": 0.25,
        "holding_cost": 0.25,
        "unmet_cost": 3.0,
        "demand": 2000.0,
    },
    "Perishable": {
        "shelf_life": 2,
        "lead_time": 1,
        "lifo": True,
        "mean_demand": 4.0,
        "cv_demand": 0.5,
        "order_cost": 3.0,
        "holding_cost": 1.0,
        "unmet_cost": 5.0,
        "waste_cost": 7.0,
        "max_order": 10,
        "discount": 0.99,
    },
    "Platelets": {
        "mean_demands": (5.7, 6.9, 6.5, 6.2, 5.8, 3.3, 3.4),
        "demand_sizes": (3.5, 11.0, 7.2, 11.1, 5.9, 5.5, 2.2),
        "max_demand": 20,
        "intercepts": (1.0, 0.5),
        "slopes": (0.4, 0.8),
        "order_fee": 10.0,
        "holding_cost": 1.0,
        "unmet_cost": 20.0,
        "waste_cost": 5.0,
        "max_order": 20,
        "discount": 0.95,
    },
    "TwoProducts": {
        "mean_demand_a": 2.0,
        "mean_demand_b": 2.0,
        "accepts": 0.5,
        "price_a": 1.0,
        "order_cost_a": 0.5,
        "max_order_a": 4,
        "discount": 0.95,
    },
    "BeerGame": {
        "lead_times": (4, 2, 2, 2),
        "order_delays": (0, 2, 2, 2),
        "holding_costs": (2.0, 2.0, 2.0, 2.0),
        "unmet_cost": 2.0,
        "demand_low": 0,
        "demand_high": 2,
    },
    "Assembly": {"feeds": (-1, 0, 0, 2, 1, 3, 3), "lead_times": (1, 1, 3, 2, 4, 1, 2)},
    "DistributionTree": {
        "lead_time": 1,
        "holding_costs": (1 / 3, 2 / 3, 1.0),
        "unmet_cost": 20.0,
        "mean_demand": 8.0,
    },
    "OneWarehouseLostSales": {"warehouse_lead_times": (3,), "correlation": 0.5},
    "ManyWarehousesLostSales": {"warehouse_order_costs": (0.5, 1.5), "correlation": 0.5},
    "InvManagement": {
        "horizon": 30,
        "initial_stock": (100.0, 100.0, 200.0),
        "unit_prices": (2.0, 1.5, 1.0, 0.75),
        "production_cost": 0.5,
        "unfilled_penalties": (0.1, 0.075, 0.05, 0.025),
        "holding_costs": (0.15, 0.1, 0.05),
        "capacities": (100.0, 90.0, 80.0),
        "lead_times": (3, 5, 10),
        "mean_demand": 20.0,
        "discount": 0.97,
    },
    "NetworkManagement": {
        "horizon": 30,
        "initial_stock": (100.0, 110.0, 80.0, 400.0, 350.0, 380.0),
        "capacities": (90.0, 90.0, 80.0),
        "price": 2.0,
        "unmet_cost": 0.1,
    },
}
OWN = {"RandomLeadTimes", "SharedStorage"}  # of no publication, as the table says


def problem(name, **options):
    return pkgutil.resolve_name(ENVIRONMENTS[name].make)(**options)


SOLVED = {
    entry.name: entry
    for entry in TABLE
    if entry.name in ZOO and entry.optimum is not None and not entry.bound
}
QUICK = {"DualSourcing", "Disruptions", "Perishable", "BeerGame", "Assembly"}
SOON = {"DualSourcing", "LostSales", "Disruptions"}  # compile and play in a few seconds


def marked(names, quick, mark):
    return [pytest.param(n, marks=() if n in quick else mark) for n in names]


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_the_published_ones(name):
    defaults = problem(name)
    assert {field: getattr(defaults, field) for field in PUBLISHED[name]} == PUBLISHED[name]


def test_every_problem_has_its_row():
    assert PUBLISHED.keys() | OWN == set(ZOO)
    assert {entry.name for entry in TABLE} >= set(ZOO)
    assert {entry.name for entry in TABLE} <= set(ENVIRONMENTS)
    for entry in TABLE:
        assert set(dict(entry.options)) <= set(options_of(entry.name))


@pytest.mark.parametrize("name", ZOO)
def test_an_environment_resets_and_steps(name):
    """Shapes alone: nothing is compiled."""
    env = make_problem(name, horizon=4)
    view, state = jax.eval_shape(env.reset, jax.random.key(0))
    action = jnp.zeros(env.num_actions)
    after, _, reward, done, _ = jax.eval_shape(env.step, jax.random.key(0), state, action)
    assert view.shape == after.shape == env.observation_shape
    assert (reward.shape, done.shape) == ((), ())
    assert len(env.max_action) == len(problem(name).network().arcs)


@pytest.mark.parametrize("name", marked(ZOO, {"DualSourcing"}, pytest.mark.long))
def test_check_env_passes(name):
    check_env(gymnasium.make(IDS[name], horizon=4).unwrapped, skip_render_check=True)


@pytest.mark.parametrize("name", marked(ZOO, {"DualSourcing"}, pytest.mark.long))
def test_a_problem_in_a_vector(name):
    env = gymnasium.make_vec(IDS[name], num_envs=3, horizon=4, info=True)
    env.action_space.seed(0)
    seen, _ = env.reset(seed=0)
    for t in range(6):
        assert seen in env.observation_space
        seen, reward, _, truncated, _ = env.step(env.action_space.sample())
        assert np.isfinite(reward).all()
        assert truncated.all() == (t == 3)


@pytest.mark.parametrize("name", ZOO)
def test_descriptions_and_samplers_pickle_and_come_back_equal(name):
    made = problem(name)
    assert pickle.loads(pickle.dumps(made)) == made
    assert hash(made) == hash(problem(name))
    env = made.environment()
    assert pickle.loads(pickle.dumps((env.sample, env.painter))) == (env.sample, env.painter)


@pytest.mark.parametrize("name", marked(SOLVED, QUICK, pytest.mark.slow))
def test_the_table_has_what_our_solvers_find(name):
    entry = SOLVED[name]
    cost = exact(problem(name, **dict(entry.options))).cost
    assert cost == pytest.approx(-entry.optimum if entry.of_profit else entry.optimum, rel=2e-5)


def test_the_table_has_the_optima_of_what_is_none_of_the_zoo():
    known = {entry.name: entry.optimum for entry in TABLE if entry.name in CORE}
    store = base_stock_optimum(
        discretise(stats.norm(5, 1.6), 0.01), 0.01, lead_time=1, holding_cost=1.0, unmet_cost=9.0
    )
    line = serial_optimum(
        discretise(stats.norm(5, 2), 0.05),
        0.05,
        lead_times=(2, 4, 3, 4),
        holding_cost=(0.1, 0.2, 0.5, 1.0),
        unmet_cost=9.0,
    )
    mean = 3.0 + 4.0 * (np.arange(5) + 0.5) / 5
    bound = transshipment_bound(
        mean,
        0.3 * mean,
        correlation=0.5,
        warehouse_lead_time=3,
        store_lead_time=2,
        holding_cost=1.0,
        unmet_cost=4.0,
    )
    found = {
        "SingleStore": store.cost,
        "Serial": line.cost,
        "OneWarehouseManyStores": 5 * bound.cost,
    }
    assert known == pytest.approx(found, rel=2e-5)


def played(described, solved, *, warm_up, periods, episodes):
    """Return each episode's cost: a period's in the long run, or all, discounted."""
    env = replace(described, horizon=warm_up + periods).environment()

    def episode(key):
        def period(carry, _):
            view, state = carry
            request = solved.policy.apply(solved.params, env.read(view), key)
            view, state, reward, _, _ = env.step(key, state, env.unscale(request))
            return (view, state), reward

        return jax.lax.scan(period, env.reset(key), length=warm_up + periods)[1]

    keys = jax.random.split(jax.random.key(0), episodes)
    costs = -np.asarray(jax.jit(jax.vmap(episode))(keys), np.float64)
    if described.long_run:
        return costs[:, warm_up:].mean(axis=1)
    return costs @ described.discount ** np.arange(costs.shape[1])


@pytest.mark.parametrize("name", marked(SOLVED, SOON, pytest.mark.long))
@pytest.mark.slow
def test_the_optimum_is_played_in_the_environment_itself(name):
    entry = SOLVED[name]
    described = problem(name, **dict(entry.options))
    warm_up = 60 if described.long_run else 0
    # What is discounted beyond the last period is below 5e-5 of the whole.
    periods = 140 if described.long_run else 1000 if described.discount > 0.97 else 300
    found = played(described, exact(described), warm_up=warm_up, periods=periods, episodes=1000)
    error = found.std(ddof=1) / len(found) ** 0.5
    known = -entry.optimum if entry.of_profit else entry.optimum
    assert abs(found.mean() - known) < 3.5 * error
    assert error < 0.03 * abs(known)


FEW = Platelets(  # a size that is solved and played quickly
    mean_demands=(1.5, 3.0),
    demand_sizes=(3.0, 8.0),
    max_demand=7,
    slopes=(-0.2, 0.3),
    max_order=6,
    discount=0.9,
)


@pytest.mark.slow
def test_the_optimum_of_few_platelets_is_played():
    best = exact(FEW)
    found = played(FEW, best, warm_up=0, periods=120, episodes=2000)
    error = found.std(ddof=1) / len(found) ** 0.5
    assert abs(found.mean() - best.cost) < 3.5 * error
    assert error < 0.01 * best.cost


@pytest.mark.slow
def test_platelets_are_ordered_as_in_the_thesis():
    """Mirjalili (2022), figure 6.1, left, on Mondays; its demand is that of before rounding."""
    found = exact(
        Platelets(
            mean_demands=(5.660569, 6.922555, 6.504332, 6.165049, 5.816060, 3.326408, 3.426814),
            demand_sizes=(3.497361, 10.985837, 7.183407, 11.064622, 5.930222, 5.473242, 2.193797),
        )
    )
    orders = [  # by units with two periods left, and by those with one
        [14, 13, 12, 11, 11, 11, 11, 10, 0],
        [13, 12, 11, 10, 10, 10, 10, 0, 0],
        [12, 11, 10, 10, 9, 9, 0, 0, 0],
        [11, 10, 9, 8, 8, 0, 0, 0, 0],
        [10, 9, 8, 7, 0, 0, 0, 0, 0],
        [9, 8, 7, 0, 0, 0, 0, 0, 0],
        [8, 7, 0, 0, 0, 0, 0, 0, 0],
        [7, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    assert found.params[0, :9, :9, 0].tolist() == orders


def test_policies_see_the_weekday_and_its_mean():
    series = FEW.scenario(jax.random.key(0), 5, 3).series
    assert series.calendar.argmax(axis=1).tolist() == [0, 1, 0, 1, 0]
    assert series.glance_views.shape == (5, 1, 3)
    assert series.forecast[:2, 0].tolist() == pytest.approx(FEW.demand.means)


@pytest.mark.parametrize(
    ("options", "optimum"),
    [
        ({"lead_time": 1, "unmet_cost": 4.0}, 4.04),
        ({"lead_time": 2, "unmet_cost": 4.0}, 4.40),
        ({"lead_time": 1, "unmet_cost": 9.0}, 5.44),
    ],
)
def test_lost_sales_cost_what_zipkin_publishes(options, optimum):
    assert exact(LostSales(**options)).cost == pytest.approx(optimum, abs=0.006)


def test_a_longer_lead_time_of_the_cheap_supplier_costs_more():
    costs = [exact(DualSourcing(lead_time_regular=lead)).cost for lead in (1, 2, 3)]
    assert costs == sorted(costs)
    assert costs[0] < costs[2]


def test_what_no_solver_takes_has_no_optimum():
    assert exact(Platelets(intercepts=(1.6, 2.6, 2.8, 1.6), slopes=(0.0,) * 4)) is None
    assert exact(DualSourcing(lead_time_expedited=1)) is None
    assert exact(problem("SharedStorage")) is None
    with pytest.raises(TypeError, match="must be a Problem of the zoo"):
        exact("DualSourcing")


def test_suppliers_come_and_go_as_told():
    up = Disruptions().scenario(jax.random.key(0), 50, 2000).series.fill_rate
    assert up.shape == (50, 1, 2000)
    share = 0.25 / 0.29
    assert float(up.mean()) == pytest.approx(share, abs=0.02)
    fell = up[1:][up[:-1] == 1.0] == 0.0
    assert float(fell.mean()) == pytest.approx(0.04, abs=0.005)


@pytest.mark.parametrize(
    ("demand", "mean"),
    [
        (Table(pmf=(0.25, 0.5, 0.25)), 1.0),
        (uniform(1, 4), 2.5),
        (geometric(5.0), 5.0),
        (rounded_gamma(4.0, 0.5, 100), 4.0),
    ],
    ids=["table", "uniform", "geometric", "gamma"],
)
def test_demand_is_drawn_from_its_table(demand, mean):
    assert demand.mean[0] == pytest.approx(mean, rel=2e-3)
    drawn = np.asarray(demand.sample(jax.random.key(0), (4000, 1)))
    spread = np.sqrt(probabilities(demand) @ (np.arange(len(demand.pmf)) - mean) ** 2)
    assert abs(drawn.mean() - mean) < 4 * spread / 4000**0.5
    assert drawn.max() < len(demand.pmf)


def test_tables_take_turns():
    demand = InTurn(tables=(negative_binomial(5.7, 3.5, 20), Table(pmf=(0.25, 0.5, 0.25))))
    drawn = np.asarray(demand.sample(jax.random.key(0), (2, 1, 20_000)))[:, 0]
    for turn, pmf in zip(drawn, demand.pmf, strict=True):
        seen = np.bincount(turn.astype(int), minlength=21) / 20_000
        assert (abs(seen - pmf) <= 5 * np.sqrt(pmf * (1 - pmf) / 20_000)).all()
    whole = stats.nbinom(3.5, 3.5 / (3.5 + 5.7))
    np.testing.assert_allclose(demand.pmf[0], [*whole.pmf(np.arange(20)), whole.sf(19)])
    with pytest.raises(ValueError, match=r"tables is \(\), must hold at least one"):
        InTurn(tables=())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("DualSourcing", {"demand_high": 0}, r"demand_high is 0, must be in \[1"),
        ("DualSourcing", {"horizon": 0}, "horizon is 0, must be in"),
        ("RandomLeadTimes", {"lead_time_probabilities": (0.5, 0.4)}, "must sum to 1"),
        ("BeerGame", {"lead_times": (1, 2)}, "lead_times has 2 entries, and order_delays has 4"),
        ("Assembly", {"feeds": (-1, 2, 0, 0, 0, 0, 0)}, r"feeds\[1\] is 2, must be -1 for the fir"),
        ("ManyWarehousesLostSales", {"means": (1.0,)}, "lead_times has 10 entries, and means has"),
        ("SharedStorage", {"prices": (3.0, 2.0)}, "prices is .*, must be at least two numbers"),
        ("Platelets", {"slopes": (0.1,)}, "intercepts has 2 entries, and slopes has 1, must be as"),
        ("Platelets", {"mean_demands": (2.0,)}, "mean_demands has 1 entries, and demand_sizes has"),
        ("Platelets", {"max_order": 0}, r"max_order is 0, must be in \[1, 10000\]"),
        ("Perishable", {"discount": 0.0}, r"discount is 0.0, must be finite and in \(0.0, 1.0\]"),
    ],
)
def test_bad_parameters_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        make_problem(name, **options)


def test_every_field_is_a_number_a_name_or_a_list():
    for name in ZOO:
        for field in fields(problem(name)):
            assert not isinstance(field.default, dict), (name, field.name)

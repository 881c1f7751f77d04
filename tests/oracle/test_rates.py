"""Rates by product and period, and conversion that does not look at history."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draingym.oracle import (
    PeriodRates,
    SmoothingConfig,
    build_systems,
    conditional,
    estimate_period_rates,
    estimate_rates,
    independent,
    rates_from_counts,
    run,
    sample_latent,
    to_event_log,
)
from draingym.oracle.estimates.rates import cumulative_of, period_rates_from_counts
from draingym.simulator import Dynamics
from draingym.world.views import ConversionRates
from tests.oracle.policies import Refill
from tests.oracle.test_conversion import ONE_DAY, TWO_DAYS, random_rates


@pytest.fixture(scope="module")
def log(small_world, history):
    return to_event_log(small_world, history)


def rates_at(*conversion):
    return ConversionRates.from_conversion(np.array(conversion))


def test_many_views_give_the_rates_of_their_period():
    rng = np.random.default_rng(0)
    truth = [rates_at(0.05, 0.12, 0.3), rates_at(0.1, 0.1, 0.4)]
    counts = np.array(
        [[[rng.multinomial(400_000, row) for row in pmf] for pmf in r.pmf] for r in truth]
    )
    for found, true in zip(period_rates_from_counts(counts), truth, strict=True):
        np.testing.assert_allclose(found.pmf, true.pmf, atol=4e-3)


def test_an_empty_cell_gets_its_products_rates_at_the_level_of_the_block():
    # All products convert half as much again in the second block; product 2 is not seen in it.
    usual = rates_at(0.1, 0.1, 0.2).pmf
    busy = rates_at(0.15, 0.15, 0.3).pmf
    counts = np.stack([1_000_000 * usual, 1_000_000 * busy])
    counts[1, 2] = 0.0
    found = period_rates_from_counts(counts)[1]
    overall = rates_from_counts(counts.sum(axis=0))
    level = found.best[2] / overall.best[2]
    predicted = overall.best[:2].sum()
    assert level == pytest.approx(found.best[:2].sum() / predicted, rel=2e-3)
    assert 1.15 < level < 1.25  # 0.15 over the mean of both blocks, 0.125


def test_one_block_is_the_estimate_by_product(log):
    periods = log["calendar"].num_rows
    by_product = estimate_rates(log)
    for blocks in (periods, periods + 5):
        found = estimate_period_rates(log, blocks)
        assert len(found.blocks) == 1
        np.testing.assert_array_equal(found.at(periods - 1).pmf, by_product.pmf)


def test_blocks_cover_every_period_and_what_is_left_over_goes_with_the_last(log):
    found = estimate_period_rates(log, 5)
    assert found.block.tolist() == [0] * 5 + [1] * 7
    assert not np.array_equal(found.at(4).pmf, found.at(5).pmf)


def test_strong_smoothing_leaves_the_products_rates(log):
    smoothing = SmoothingConfig(period_views=1e12, period_orders=1e12)
    found = estimate_period_rates(log, 3, smoothing)
    assert len(found.blocks) == 4
    for rates in found.blocks:
        np.testing.assert_allclose(rates.pmf, estimate_rates(log, smoothing).pmf, atol=1e-6)


@given(seed=st.integers(0, 2**32))
def test_thin_cells_give_isotonic_rates(seed):
    rng = np.random.default_rng(seed)
    pmf = random_rates(rng, products=3).pmf
    views = rng.integers(0, 30, (4, 3, 4))
    counts = np.array(
        [
            [[rng.multinomial(views[b, i, p], pmf[i, p]) for p in range(4)] for i in range(3)]
            for b in range(4)
        ]
    )
    counts[0, 0, 0] += [1, 0, 0, 1]  # at least an order, and a view without one
    found = list(period_rates_from_counts(counts))
    assert len(found) == 4
    for rates in found:  # whose constructor checks sums and order
        cumulative = rates.cumulative[:, :, :3]
        assert (cumulative[:, :-1] >= cumulative[:, 1:] - 1e-12).all()


@pytest.mark.parametrize(
    ("blocks", "block", "message"),
    [
        pytest.param((), [0], "rates.blocks is empty", id="no block"),
        pytest.param(
            (rates_at(0.1),), [0, 1], r"must be a vector of blocks in \[0, 1\)", id="index"
        ),
        pytest.param(
            (rates_at(0.1), rates_at(0.1, 0.2)), [0, 1], r"rates.blocks\[1\] has shape", id="shape"
        ),
    ],
)
def test_bad_blocks_are_refused(blocks, block, message):
    with pytest.raises(ValueError, match=message):
        PeriodRates(blocks=blocks, block=np.array(block))


def test_a_period_outside_the_rates_is_refused():
    with pytest.raises(ValueError, match=r"period is 2, must be in \[0, 2\)"):
        PeriodRates(blocks=(rates_at(0.1),), block=np.array([0, 0])).at(2)


@pytest.mark.parametrize("known", [0, 1000])
def test_known_periods_are_the_logs(log, known):
    with pytest.raises(ValueError, match=rf"known_periods is {known}, must be in \[1, \d+\]"):
        estimate_rates(log, known_periods=known)


def test_a_block_has_at_least_one_period(log):
    with pytest.raises(ValueError, match="periods_per_block is 0, must be at least 1"):
        estimate_period_rates(log, 0)


# Conversion that is independent of history


def test_appendix_b_without_history():
    for option in (1, 2, 3):
        np.testing.assert_allclose(independent(TWO_DAYS, ONE_DAY, option), ONE_DAY)


@given(seed=st.integers(0, 2**32), old=st.integers(0, 3), new=st.integers(0, 3))
def test_total_probability_holds_for_both_kinds(seed, old, new):
    rates = random_rates(np.random.default_rng(seed)).pmf[0]
    options = np.flatnonzero(rates[old] > 1e-9)
    for kind in (conditional, independent):
        total = sum(rates[old, s] * kind(rates[old], rates[new], s) for s in options)
        np.testing.assert_allclose(total, rates[new], atol=1e-8)


@given(seed=st.integers(0, 2**32), old=st.integers(0, 2), data=st.data())
def test_both_kinds_convert_at_least_as_much_under_a_faster_promise(seed, old, data):
    rates = random_rates(np.random.default_rng(seed)).pmf[0]
    new = data.draw(st.integers(0, old))
    for kind in (conditional, independent):
        for option in np.flatnonzero(rates[old] > 1e-9):
            slow = np.cumsum(kind(rates[old], rates[old], option))
            fast = np.cumsum(kind(rates[old], rates[new], option))
            assert (fast >= slow - 1e-7).all()


def test_an_impossible_history_is_refused_without_being_used():
    with pytest.raises(ValueError, match=r"probability above 0 under the promise shown"):
        independent(TWO_DAYS, ONE_DAY, 0)


@pytest.mark.parametrize("by_period", [False, True], ids=["by product", "by product and period"])
def test_what_a_log_did_is_repeated_given_history_alone(small_world, log, by_period):
    rates = estimate_period_rates(log, 4) if by_period else estimate_rates(log)
    option = log.array("glance_views", "ship_option")
    promise = log.array("glance_views", "promise")
    orders = (option < 3).sum()

    def repeated(conditional):
        views = sample_latent(log, rates, small_world.places, seed=2, conditional=conditional)
        keys = {
            key: row
            for row, key in enumerate(
                zip(
                    *(log.array("glance_views", c) for c in ("time", "customer", "product")),
                    strict=True,
                )
            )
        }
        rows = np.array(
            [keys[k] for k in zip(views.time, views.customer, views.product, strict=True)]
        )
        cumulative = cumulative_of(rates, views.product, views.period)
        shown = cumulative[np.arange(len(rows)), promise[rows]]
        again = (views.latent[:, None] > shown).sum(axis=1)
        ordered = option[rows] < 3
        return (again[ordered] == option[rows][ordered]).sum(), (again < 3).sum()

    # Views of one product by one customer at one moment share a key; there are hardly any.
    same, total = repeated(conditional=True)
    assert same >= 0.99 * orders
    assert total >= 0.99 * orders
    same, total = repeated(conditional=False)
    # An order comes back with the probability of its option, at most C_1d.
    assert same < 0.3 * orders
    # As many orders as history had, give or take their noise.
    assert abs(total - orders) < 5 * np.sqrt(2 * orders)


def test_independent_latents_are_uniform_and_forget_history(small_world, log):
    # Rates at which every view is a candidate, so that none is dropped.
    products = log["products"].num_rows
    pmf = np.zeros((products, 4, 4))
    pmf[:, 0, 0], pmf[:, 0, 3] = 1.0 - 1e-12, 1e-12
    pmf[:, 1:, 3] = 1.0
    views = sample_latent(
        log, ConversionRates(pmf=pmf), small_world.places, seed=0, conditional=False
    )
    assert views.num_views == log["glance_views"].num_rows
    order = np.lexsort((log.array("glance_views", "customer"), log.array("glance_views", "time")))
    bought = log.array("glance_views", "ship_option")[order] < 3
    spread = np.sqrt(1 / 12 / bought.sum())
    assert abs(views.latent.mean() - 0.5) < 4 * np.sqrt(1 / 12 / views.num_views)
    assert abs(views.latent[bought].mean() - 0.5) < 4 * spread


def test_rates_of_a_period_decide_what_is_a_candidate(small_world, log):
    low, high = (ConversionRates.from_conversion(np.full(6, c)) for c in (0.05, 0.4))
    rates = PeriodRates(blocks=(low, high), block=np.repeat([0, 1], 6))
    views = sample_latent(log, rates, small_world.places, seed=1, conditional=False)
    kept = np.diff(views.offsets) / np.bincount(log.array("glance_views", "period"), minlength=12)
    assert kept[:6].mean() == pytest.approx(0.05, abs=0.015)
    assert kept[6:].mean() == pytest.approx(0.4, abs=0.03)


def test_systems_take_the_rates_of_a_period(small_world, true_systems):
    low, high = (ConversionRates.from_conversion(np.full(6, c)) for c in (0.05, 0.4))
    rates = PeriodRates(blocks=(low, high), block=np.repeat([0, 1], 6))
    w = small_world
    built = build_systems(w.network, w.places, w.products, high, w.mean_daily_demand)
    found = true_systems.with_rates(rates.at(8))
    np.testing.assert_array_equal(found.cumulative, built.cumulative)


def test_history_replayed_at_the_rates_of_each_period_is_history(
    small_world, true_systems, params, scenario, log, history
):
    rates = estimate_period_rates(log, 4)
    views = sample_latent(log, rates, small_world.places, seed=1)
    level = np.full(4, 12.0, np.float32)
    again = run(
        true_systems,
        views,
        params,
        Refill(),
        level,
        scenario,
        dynamics=Dynamics(),
        seed=5,
        rates=rates,
    )
    for name in ("outbound", "on_hand", "shipped"):
        np.testing.assert_array_equal(
            getattr(again.trajectory.transitions, name),
            getattr(history.trajectory.transitions, name),
        )
    # At the wrong rates it is not.
    other = run(true_systems, views, params, Refill(), level, scenario, dynamics=Dynamics(), seed=5)
    assert not np.array_equal(
        other.trajectory.transitions.outbound, history.trajectory.transitions.outbound
    )

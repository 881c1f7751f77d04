"""Off-policy validation: figures by hand, overlap, and verdicts that follow from them."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from draingym.common.bootstrap import RESAMPLES, draw_means, multiplicities
from draingym.drain_model.outside import Outside
from draingym.policies.rules.base_stock import OrderUpToParams
from draingym.policies.validation.agreement import agreement, drift, kendall, spearman
from draingym.policies.validation.candidates import order_up_to_grid
from draingym.policies.validation.overlap import Fitted, overlap_notes
from draingym.policies.validation.tail import tail_of
from draingym.policies.validation.validate import Validation, validate
from draingym.policies.validation.verdict import Thresholds, judge


def made(simulator, oracle, truth=None, *, replications=2, products=6, periods=4, noise=0.0):
    """A validation whose means are given; products differ around them."""
    columns = ("simulator", "oracle") if truth is None else ("simulator", "oracle", "truth")
    means = np.array([simulator, oracle, *([] if truth is None else [truth])], float).T
    shape = (*means.shape, replications, products)
    spread = noise * np.random.default_rng(0).standard_normal(shape)
    spread -= spread.mean(axis=(2, 3), keepdims=True)
    values = means[:, :, None, None] + spread
    return Validation(
        names=tuple(f"p{k}" for k in range(len(means))),
        columns=columns,
        rewards=np.repeat(values[..., None] / periods, periods, axis=-1),
        stock=np.ones((*means.shape, products, periods, 3), np.float32),
        start=5,
    )


def test_errors_ranks_and_regret_by_hand():
    # The oracle's order is p3 > p2 > p1 > p0; the simulator swaps the two best: five of six pairs
    # agree, so tau = (5 - 1) / 6, and Spearman's rho = 1 - 6 * 2 / (4 * 15).
    found = agreement(made([10, 22, 33, 30], [10, 20, 30, 40]), "simulator", "oracle")
    assert [found.error[f"p{k}"].value for k in range(4)] == pytest.approx([0, 0.1, 0.1, -0.25])
    assert found.mean_error.value == pytest.approx(0.45 / 4)
    assert found.worst == "p3"
    assert found.kendall.value == pytest.approx(4 / 6)
    assert found.spearman.value == pytest.approx(0.8)
    assert (found.chosen, found.best) == ("p2", "p3")
    assert found.regret.value == pytest.approx(0.25)
    # Products and replications are alike, so that nothing is uncertain.
    for interval in (found.mean_error, found.kendall, found.regret):
        assert interval.low == pytest.approx(interval.value)
        assert interval.high == pytest.approx(interval.value)


def test_regret_of_the_best_few_by_hand():
    # The simulator's order is p0 > p1 > p2 > p3 > p4; the oracle's best is p3, then p2.
    found = agreement(made([50, 40, 30, 20, 10], [10, 12, 16, 20, 11]), "simulator", "oracle")
    regrets = {k: found.top_regret[k].value for k in (1, 3, 5)}
    assert regrets == pytest.approx({1: 0.5, 3: 0.2, 5: 0.0})
    assert found.regret == found.top_regret[1]
    # A best few of all there are cannot miss the best, whatever the draws.
    assert (found.top_regret[5].low, found.top_regret[5].high) == (0.0, 0.0)
    verdict = judge(made([50, 40, 30, 20, 10], [10, 12, 16, 20, 11]), Thresholds(min_policies=5))
    (choice,) = [reason for reason in verdict.reasons if reason.startswith("It chooses")]
    assert "costs 50.0% [50.0, 50.0] of the value (at most 1%); 20.0%" in choice
    assert "if its 3 best are run in the oracle and the best of them is kept" in choice
    assert verdict.to_dict()["agreements"][0]["top_regret"]["3"]["mean"] == pytest.approx(0.2)


def test_the_tail_is_the_worst_tenth_of_products_by_hand():
    # Twenty products worth 1 to 20, in another order; two of them are the tail.
    worth = np.random.default_rng(0).permutation(np.arange(1.0, 21.0))
    promised = worth + np.where(worth == 2.0, 5.0, 0.0) + np.where(worth > 2.0, 100.0, 0.0)
    found = tail_of(promised[None], worth[None])
    assert found.worth.value == pytest.approx(1.5)
    assert found.error.value == pytest.approx(2.5)
    assert found.worth.low < 1.5 < found.worth.high  # draws may miss the worst, or double it
    assert found.worth.low >= 1.0
    # A tenth of 21 products is three, and all of them are the mean.
    more = np.append(worth, 0.0)[None]
    assert tail_of(more, more).worth.value == pytest.approx(1.0)
    assert tail_of(promised[None], worth[None], 1.0).worth.value == pytest.approx(worth.mean())
    with pytest.raises(ValueError, match=r"share is 0, must be in \(0, 1\]"):
        tail_of(worth[None], worth[None], 0)


def test_draws_of_the_tail_are_those_of_sorting_each_resample():
    rng = np.random.default_rng(3)
    worth, promised = rng.standard_normal((2, 3, 17))
    found = tail_of(promised, worth, 0.2)  # four of 17
    times = multiplicities(17, RESAMPLES, 0).astype(int)
    weight = multiplicities(3, RESAMPLES, 1) / 3
    worths, errors = [], []
    for b in range(RESAMPLES):
        which = np.repeat(np.arange(17), times[b])
        value, other = ((weight[b] @ x)[which] for x in (worth, promised))
        tail = np.argsort(value, kind="stable")[:4]
        worths.append(value[tail].mean())
        errors.append((other - value)[tail].mean())
    for drawn, slow in ((found.worth, worths), (found.error, errors)):
        assert (drawn.low, drawn.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def test_the_verdict_says_what_the_chosen_policy_is_worth_on_its_worst_products():
    oracle = np.linspace(100, 200, 24)
    verdict = judge(made(oracle + np.where(np.arange(24) == 4, 30.0, 1.0), oracle))
    tails = [reason for reason in verdict.reasons if reason.startswith("On the tenth")]
    assert "finds 'p23' worst, it is worth 200 [200, 200] a product" in tails[0]
    assert tails[0].endswith("is off by +1.00 [1.00, 1.00].")
    assert "'p4'" in tails[1]
    assert tails[1].endswith("is off by +30.00 [30.00, 30.00], more than for any other policy.")
    plain = verdict.to_dict()["agreements"][0]["tail"]["p4"]
    assert (plain["worth"]["mean"], plain["error"]["mean"]) == pytest.approx((oracle[4], 30.0))


def test_choosing_the_best_has_no_regret_and_negative_values_have_errors_with_the_right_sign():
    found = agreement(made([-11, 5], [-10, 4]), "simulator", "oracle")
    assert found.regret.value == 0
    assert found.error["p0"].value == pytest.approx(-0.1)  # promised less than it was
    with pytest.raises(ValueError, match="'p1' has the value 0 in the oracle"):
        agreement(made([1, 1], [1, 0]), "simulator", "oracle")


def test_rank_correlations_are_those_of_scipy_with_ties_too():
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 6, (5, 9)).astype(float), rng.integers(0, 6, (5, 9)).astype(float)
    for row in range(5):
        expected = kendalltau(a[row], b[row]).statistic, spearmanr(a[row], b[row]).statistic
        found = kendall(a, b)[row], spearman(a, b)[row]
        np.testing.assert_allclose(found, expected)
    assert np.isnan(kendall(np.ones((1, 3)), a[:1, :3])).all()


def test_draws_resample_products_and_replications():
    rng = np.random.default_rng(1)
    products, replications = rng.standard_normal(40), rng.standard_normal(30)
    values = (replications[:, None] + products[None, :])[None]
    draws = draw_means(values, resamples=4000)[:, 0]
    expected = products.var() / 40 + replications.var() / 30
    assert draws.mean() == pytest.approx(values.mean(), abs=0.02)
    assert draws.var() == pytest.approx(expected, rel=0.1)


def test_paired_differences_are_tighter_than_values_and_unknown_names_are_refused():
    found = made([10, 11], [10, 11], noise=2.0)
    shared = found.rewards.copy()
    shared[1] = shared[0] + 0.25  # the same products and replications, four periods
    found = replace(found, rewards=shared)
    assert found.difference("p1", "p0", "oracle").low == pytest.approx(1.0)
    assert found.estimate("p1", "oracle").high - found.estimate("p1", "oracle").low > 0.5
    with pytest.raises(ValueError, match="policy is 'best', must be one of p0, p1"):
        found.estimate("best", "oracle")
    with pytest.raises(ValueError, match="column is 'truth', must be one of simulator, oracle"):
        found.estimate("p0", "truth")


def test_drift_of_value_and_stock_by_hand():
    found = made([8], [4], periods=4)  # 2 a period against 1
    stock = found.stock.copy()
    stock[0, 0, :, -1, 0] = 2.5  # one node of three is 1.5 units off in the last period
    apart = drift(replace(found, stock=stock), "simulator", "oracle")
    np.testing.assert_allclose(apart.value, [[0.25, 0.5, 0.75, 1.0]])
    np.testing.assert_allclose(apart.stock, [[0, 0, 0, 0.5]])


@pytest.mark.parametrize(
    ("scale", "swap", "number", "use"),
    [
        pytest.param(1.01, False, 24, "values", id="right"),
        pytest.param(1.08, False, 24, "ranks", id="off by a factor"),
        pytest.param(1.30, False, 24, "none", id="off by far"),
        pytest.param(1.01, True, 24, "none", id="ranks wrong"),
        pytest.param(1.01, False, 5, "unknown", id="too few"),
    ],
)
def test_the_verdict_follows_from_errors_and_ranks(scale, swap, number, use):
    oracle = np.linspace(100, 103, number) if swap else np.linspace(100, 200, number)
    promised = oracle[::-1] * scale if swap else oracle * scale
    verdict = judge(made(promised, oracle, oracle))
    assert verdict.use == use
    assert len(verdict.others) == 2
    plain = verdict.to_dict()
    assert [a["reference"] for a in plain["agreements"]] == ["oracle", "truth", "truth"]
    assert any("off the truth" in reason for reason in verdict.reasons)


def test_the_verdict_names_who_exploits_drifts_and_leaves_the_log():
    oracle = np.linspace(100, 200, 24)
    promised = oracle.copy()
    promised[7] *= 1.2
    found = made(promised, oracle)
    stock = found.stock.copy()
    stock[5, 0, :, -1] *= 1.5
    units = np.ones((24, 6))
    scores = np.full((24, 6), 0.2)
    scores[3] *= 2.0
    beyond = Outside(
        kind="product", name="'a'", attribute="log_price", value=9.0, low=1.0, high=4.0
    )
    verdict = judge(
        replace(
            found,
            stock=stock,
            one_step=scores,
            one_step_units=units,
            one_step_log=0.2,
            notes=("2 of 6 products were trained on.",),
            outside=(beyond,),
        )
    )
    assert verdict.to_dict()["outside"] == [asdict(beyond)]
    promised_more = [r for r in verdict.reasons if r.startswith("Promised more")]
    drifting = [r for r in verdict.reasons if "stock by node differs" in r]
    off = [r for r in verdict.reasons if "CRPS" in r]
    assert "'p7' (+20.0%" in promised_more[0]
    assert "'p5' (50%)" in drifting[0]
    assert "'p4'" not in drifting[0]
    assert "'p3' (2x)" in off[0]
    assert verdict.reasons[-1] == "2 of 6 products were trained on."


def test_overlap_is_refused_unless_allowed_and_then_said():
    fitted = Fitted(product_id=("a", "b", "c"), stop_period=10)
    assert overlap_notes(fitted, ["d", "e"], (10, 20)) == ()
    with pytest.raises(ValueError, match=r"2 of 3 products of the validation \(b, c\)"):
        overlap_notes(fitted, ["b", "c", "d"], (10, 20))
    with pytest.raises(ValueError, match="3 of 8 periods of the validation were trained on"):
        overlap_notes(fitted, ["d"], (7, 15))
    notes = overlap_notes(fitted, ["c", "d"], (7, 15), allow=("products", "periods"))
    assert [n.split(" were")[0] for n in notes] == ["1 of 2 products", "3 of 8 periods"]
    with pytest.raises(ValueError, match="allow_overlap is 'weeks'"):
        overlap_notes(fitted, ["d"], (10, 20), allow=("weeks",))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Thresholds(regret=0.0), "thresholds.regret is 0.0, must be above 0"),
        (lambda: Thresholds(kendall=1.5), "thresholds.kendall is 1.5, must be in"),
        (lambda: Thresholds(min_policies=0), "thresholds.min_policies is 0"),
        (lambda: Fitted(product_id=(), stop_period=3), "fitted.product_id is empty"),
        (lambda: Fitted(product_id=("a",), stop_period=0), "fitted periods are"),
    ],
    ids=["regret", "kendall", "policies", "products", "periods"],
)
def test_bounds_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_validation_needs_policies_and_replications():
    class Nothing:
        views = ()

    with pytest.raises(ValueError, match="oracle has 0 replications"):
        validate({}, None, None, None, 1, Nothing())
    Nothing.views = (None,)
    with pytest.raises(ValueError, match="policies is empty"):
        validate({}, None, None, None, 1, Nothing())


def test_policies_that_did_the_same_count_once():
    # A grid of 5 covers by 5 that place nothing: 25 names, 5 behaviours. The second of the five is
    # ranked wrongly, which is one of ten pairs and not of three hundred.
    oracle = np.repeat([100.0, 110.0, 120.0, 130.0, 140.0], 5)
    promised = np.repeat([112.0, 110.0, 120.0, 130.0, 140.0], 5)
    found = made(promised, oracle)
    verdict = judge(found)
    assert verdict.use == "unknown"
    assert "5 distinct policies are too few" in verdict.headline
    assert any(
        reason.startswith("5 of the 25 policies differ in what") for reason in verdict.reasons
    )
    assert verdict.agreement.kendall.value == pytest.approx((9 - 1) / 10)
    assert verdict.agreement.mean_error.value == pytest.approx(0.12 / 5)
    assert set(verdict.agreement.error) == set(found.names)  # the page shows all
    assert verdict.agreement.error["p4"].value == pytest.approx(0.12)
    # Nothing is said where all differ.
    alone = judge(made(promised[::5], oracle[::5]), Thresholds(min_policies=5))
    assert not any("differ in what" in reason for reason in alone.reasons)


def test_a_grid_without_upstream_nodes_is_of_policies_that_differ():
    around = OrderUpToParams(
        buy_cover=np.float32(4), place_cover=np.float32(2), safety=np.float32(1)
    )
    grid = order_up_to_grid(None, around, places=False)
    assert len(grid) == len(order_up_to_grid(None, around)) == 12
    assert len({float(params.buy_cover) for _, params in grid.values()}) == 12

import json
from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.drain_model import DrainData, Geography
from draingym.drain_model.data.regions import node_groups
from draingym.drain_model.distributions.cost_quantiles import cost_knots
from draingym.drain_model.distributions.hybrid import Hybrid
from draingym.drain_model.distributions.independent import Independent
from draingym.drain_model.evaluation.comparison import compare
from draingym.drain_model.evaluation.entry_scores import TABLE_LEVELS
from draingym.drain_model.evaluation.evaluate import Evaluation, ExactScores, evaluate
from draingym.drain_model.evaluation.published import (
    PUBLISHED_2,
    TABLE_2,
    TABLE_3,
    table_2,
    table_3,
)
from draingym.drain_model.training.losses import Losses, loss_sums, means
from tests.drain_model.conftest import Process


def tiny() -> DrainData:
    """Two products, one period, three nodes: the last two near each other, the first upstream."""
    return DrainData(
        outbound=np.array([[[0, 2, 1]], [[0, 8, 0]]], np.float32),
        ship_cost=np.array([[[0, 10, 6]], [[0, 32, 0]]], np.float32),
        available=np.array([[[9, 4, 4]], [[9, 9, 0]]], np.float32),
        active=np.array([[False, True, True]]),
        glance_views=np.ones((2, 1, 1), np.float32),
        calendar=np.zeros((1, 0), np.float32),
        attributes=np.zeros((2, 3), np.float32),
        geography=Geography(
            node_coordinates=jnp.array([[40.0, -100.0], [40.0, -80.0], [41.0, -80.0]]),
            region_coordinates=jnp.array([[40.0, -90.0]]),
            distance_km=jnp.ones((3, 1)),
        ),
    )


@pytest.fixture(scope="module")
def by_hand() -> Evaluation:
    data = tiny()
    low = np.array([[[0, 1, 1]], [[0, 6, 0]]], np.float32)
    high = np.array([[[0, 3, 3]], [[0, 6, 0]]], np.float32)
    samples = np.stack([low, high])
    return evaluate("by hand", samples, 4.0 * samples, data, resamples=20)


# Entries that count: nodes 1 and 2 of the first product, and node 1 of the second (without stock
# nothing is forecast). Sorted samples: (1, 3), (1, 3), (6, 6); what happened: 2, 1, 8. Their costs:
# (4, 12), (4, 12), (24, 24); 10, 6, 32.
@pytest.mark.parametrize(
    ("score", "value"),
    [
        pytest.param("crps_node", (1 - 1 + (0 + 2) / 2 - 1 + 2) / 3, id="crps node"),
        pytest.param("crps_regional", ((1 + 3) / 2 - 2 + 2) / 2, id="crps regional: one group"),
        pytest.param("crps_total", ((1 + 3) / 2 - 2 + 2) / 2, id="crps total"),
        pytest.param(
            "energy", ((1 + np.sqrt(5)) / 2 - np.sqrt(8) / 2 + 2) / 2, id="energy of the vector"
        ),
        pytest.param("outbound_q10", (0.1 * 1 + 0 + 0.1 * 2) / 11, id="q10 over units"),
        pytest.param("outbound_q90", (0.1 * 1 + 0.1 * 2 + 0.9 * 2) / 11, id="q90 over units"),
        pytest.param("plain_outbound_q50", (0.5 * 1 + 0 + 0.5 * 2) / 3, id="q50 by entry"),
        pytest.param("cost_q50", (0.5 * 6 + 0.5 * 2 + 0.5 * 8) / 48, id="cost q50 over cost"),
        pytest.param("crps_cost_node", ((6 + 2) / 2 - 4 + (2 + 6) / 2 - 4 + 8) / 3, id="cost"),
        pytest.param(
            "outbound_ce",
            -(np.log(0.2 / 3) + np.log(1.2 / 3) + np.log((2 + 1 / 7) / 3)) / 3,
            id="classes of K = 6",
        ),
        pytest.param("outbound_nll", -np.log((0 + 1 / 4) / 3), id="tail: 6 is not 8"),
        pytest.param("tail_quantile", 0.5 * 2, id="tail quantiles: all 6"),
    ],
)
def test_scores_by_hand(by_hand: Evaluation, score: str, value: float) -> None:
    assert by_hand.scores[score].value == pytest.approx(value, rel=1e-6)


def test_the_total_loss_is_the_weighted_sum_of_five(by_hand: Evaluation) -> None:
    parts = ("cost_nll", "cost_quantile", "outbound_ce", "outbound_nll", "tail_quantile")
    total = sum(by_hand.scores[part].value for part in parts)
    assert by_hand.scores["loss"].value == pytest.approx(total)


def test_slopes_shares_and_groups_by_hand(by_hand: Evaluation) -> None:
    # Ratios 2/1, 1/1 and 8/6 with weights 1, 1 and 6: the lowest tenth is below 1.
    assert by_hand.slopes["node"]["p10"].value == 1.0
    assert by_hand.slopes["node"]["p50"].value == pytest.approx(8 / 6)
    assert by_hand.slopes["node"]["ols"].value == pytest.approx((4 + 2 + 48) / (4 + 4 + 36))
    assert by_hand.slopes["total"]["ols"].value == pytest.approx((12 + 48) / (16 + 36))
    np.testing.assert_allclose(by_hand.node_share, [0.0, 0.8, 0.2])
    assert by_hand.groups.tolist() == [-1, 0, 0]
    np.testing.assert_allclose(
        by_hand.predicted_over_time, [[0, 1 / 3, 0, 1 / 3, 0, 0, 1 / 3]], atol=1e-12
    )
    np.testing.assert_allclose(by_hand.observed_over_time, [[0, 1 / 3, 1 / 3, 0, 0, 0, 1 / 3]])


def test_groups_are_of_near_nodes(process: Process) -> None:
    data = process.data
    nodes = np.array([[40, -100], [47, -122], [46, -121], [30, -81]], np.float32)
    data = replace(data, geography=replace(data.geography, node_coordinates=nodes))
    assert node_groups(data).tolist() == [-1, 0, 0, 1]
    assert node_groups(data, 3).tolist() == [-1, 0, 1, 2]
    with pytest.raises(ValueError, match="number is 4"):
        node_groups(data, 4)


@pytest.fixture(scope="module")
def three(process: Process) -> tuple[Evaluation, Evaluation, Evaluation]:
    """The truth, the truth shifted to other products' drain, and something in between."""
    drawn = [process.resample(seed) for seed in range(48)]
    units, cost = (np.stack([d[i] for d in drawn]) for i in (0, 1))
    stock = process.data.available
    worse = np.minimum(np.roll(units, 1, axis=-1) * process.data.active, stock)
    mixed = np.concatenate([units[:36], worse[36:]])
    samples = {"floor": units, "closest": worse, "model": mixed}
    found = {k: evaluate(k, x, cost, process.data, chunk_products=4) for k, x in samples.items()}
    return found["model"], found["closest"], found["floor"]


def test_the_truth_is_calibrated_and_scores_best(three) -> None:
    model, closest, floor = three
    for score in ("crps_node", "energy", "outbound_q50", "outbound_ce", "crps_regional"):
        values = [e.scores[score].value for e in (floor, model, closest)]
        assert values == sorted(values)
    for level in ("total", "regional", "node"):
        assert 0.9 < floor.slopes[level]["p50"].value < 1.1
    assert np.abs(floor.coverage["node"] - np.arange(0.05, 1.0, 0.05)).max() < 0.08
    assert np.abs(closest.coverage["node"] - np.arange(0.05, 1.0, 0.05)).max() > 0.08


def test_a_comparison_is_paired(three) -> None:
    model, closest, floor = three
    found = compare(model, closest, floor)["crps_node"]
    values = [e.scores["crps_node"].value for e in three]
    assert found.to_floor.value == pytest.approx(values[0] / values[2])
    assert found.gap_closed.value == pytest.approx(
        (values[1] - values[0]) / (values[1] - values[2])
    )
    assert 0.0 < found.gap_closed.low < found.gap_closed.value < found.gap_closed.high < 1.0
    same = compare(floor, closest, floor)["energy"]
    assert (same.to_floor.low, same.to_floor.high) == (1.0, 1.0)
    with pytest.raises(ValueError, match="must be of the same"):
        compare(model, closest, replace(floor, seed=7))


def test_chunks_change_nothing_but_ties(process: Process, three) -> None:
    drawn = [process.resample(seed) for seed in range(48)]
    units, cost = (np.stack([d[i] for d in drawn]) for i in (0, 1))
    whole = evaluate("floor", units, cost, process.data)
    assert whole.scores == three[2].scores
    assert whole.slopes == three[2].slopes


def test_the_models_own_losses_are_those_it_trains_on(process: Process) -> None:
    data = process.data
    shape = data.outbound.shape
    key = jax.random.key(0)
    logits, gaps = jax.random.normal(key, (*shape, 6)), jnp.ones((*shape, 9))
    dist = Hybrid.from_logits(logits, gaps)
    raw = jnp.zeros((*shape, 9))
    knots = cost_knots(raw, jnp.asarray(1.5), jnp.asarray(0.5))
    own = ExactScores.from_distribution(dist, knots, data)
    units = np.stack([process.resample(seed)[0] for seed in range(4)])
    names = [field.name for field in fields(Losses)]
    weights = Losses(**{name: jnp.asarray(1.0 + i) for i, name in enumerate(names)})
    found = evaluate("m", units, units, data, own=own, weights=weights, resamples=10)
    mask = jnp.broadcast_to(data.active, shape)
    arrays = [jnp.asarray(x) for x in (data.outbound, data.ship_cost, data.available)]
    expected = means(
        *jax.jit(loss_sums)(Independent(dist=dist), knots, *arrays, mask, jnp.ones(shape[:2], bool))
    )
    assert found.scores["own_outbound_ce"].value == pytest.approx(
        float(expected.cross_entropy), rel=1e-4
    )
    assert found.scores["own_outbound_nll"].value == pytest.approx(
        float(expected.tail_nll), rel=1e-4
    )
    total = sum(
        w * float(x)
        for w, x in zip((1, 2, 3, 4, 5, 0, 0, 0), jax.tree.leaves(expected), strict=True)
    )
    assert found.scores["own_loss"].value == pytest.approx(total, rel=1e-4)
    assert own.cost_quantiles.shape == (len(TABLE_LEVELS), *shape)
    rows = table_2([found])
    assert [row["model"] for row in rows] == ["m", "m, own distribution", *PUBLISHED_2]


def test_tables_have_our_rows_and_the_papers(three) -> None:
    second, third = table_2(three), table_3(three)
    assert all(set(TABLE_2) <= set(row) for row in second)
    assert all(set(TABLE_3) <= set(row) for row in third)
    assert [row["data"] for row in second] == ["ours"] * 3 + ["paper"] * 5
    paper = next(r for r in third if (r["model"], r["data"]) == ("Transformer", "paper"))
    assert paper == {
        "model": "Transformer",
        "aggregation": "total",
        "data": "paper",
        **dict(zip(TABLE_3, (0.94, 0.94, 0.93, 0.94, 20.60), strict=True)),
    }
    assert third[0]["crps_low"] < third[0]["crps"] < third[0]["crps_high"]
    json.dumps([second, third, three[0].to_dict()], allow_nan=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, d: (x[:1], d), r"must be \(S, P, T, N\)"),
        (lambda x, d: (x[:, :1], d), r"outbound has shape \(2, 1, 1, 3\)"),
        (lambda x, d: (x + 9, d), "at most the units available"),
        (
            lambda x, d: (x, replace(d, outbound=0 * d.outbound, lane=None, lane_units=None)),
            "data.outbound sums to 0",
        ),
    ],
)
def test_bad_input_is_named(change, message: str) -> None:
    data = tiny()
    samples, data = change(np.stack([data.outbound, data.outbound]), data)
    with pytest.raises(ValueError, match=message):
        evaluate("bad", samples, samples, data)

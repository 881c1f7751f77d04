import sys

import jax
import numpy as np
import pytest

from benchmarks.comparators.last_share import LastShare, fit_last_share, sample_last_share
from benchmarks.comparators.tree_features import fluid_drain, node_features
from draingym.common.scores import crps
from draingym.drain_model import ClosestNodeParams, DrainData, fit_closest_node, sample_closest_node
from draingym.drain_model.evaluation.calibration import pit
from tests.drain_model.conftest import Process


@pytest.fixture(scope="module")
def larger(processes) -> Process:
    return processes(num_products=24, num_periods=24, seed=1)


@pytest.fixture(scope="module")
def closest(process: Process) -> ClosestNodeParams:
    return fit_closest_node(process.data.periods(0, 12), num_samples=4)


def feasible(data: DrainData, outbound: np.ndarray, cost: np.ndarray) -> None:
    assert outbound.dtype == cost.dtype == np.float32
    assert np.all(outbound == np.rint(outbound))
    assert np.all(outbound >= 0)
    assert np.all(outbound <= data.available * data.active)
    assert np.all((cost > 0) == (outbound > 0))


def test_last_share_by_hand(process: Process) -> None:
    data = process.data
    rule = LastShare(
        periods=2,
        dispersion=0.0,
        concentration=np.inf,
        share=np.array([0.0, 0.5, 0.25, 0.25]),
        units_per_view=1.0,
        unit_cost=np.full(4, 5.0),
        log_cost_scale=0.0,
        conversion_column=2,
    )
    plenty = DrainData(
        **{
            **{n: getattr(data, n) for n in data.__slots__},
            "available": np.where(data.active, 1e4, 0).astype(np.float32) + 0 * data.available,
        }
    )
    units, cost = sample_last_share(rule, plenty, (10, 11), 4000, 0)
    views = data.glance_views.sum(-1)
    rate = np.exp(data.attributes[:, 2])
    recent = data.outbound[:, 8:10].sum(axis=1)
    growth = (recent.sum(-1) + 2) / (views[:, 8:10].sum(-1) + 2 / rate)
    weight = recent + 2 * rule.share
    expected = (views[:, 10] * growth)[:, None] * weight / weight.sum(-1, keepdims=True)
    np.testing.assert_allclose(units.mean(axis=0)[:, 0], expected, rtol=0.05, atol=0.1)
    assert cost.shape == units.shape


def test_units_that_a_node_cannot_ship_go_to_the_others(process: Process) -> None:
    rule = fit_last_share(process.data.periods(0, 12), num_samples=8)
    drawn, cost = sample_last_share(rule, process.data, (12, 20), 64, 1)
    feasible(process.data.periods(12, 20), drawn, cost)
    again, _ = sample_last_share(rule, process.data, (12, 20), 64, 1)
    np.testing.assert_array_equal(drawn, again)


def test_tuning_beats_the_rule_with_other_settings(larger: Process) -> None:
    data = larger.data
    rule = fit_last_share(data.periods(0, 18), num_samples=16)
    late = data.outbound[:, 18:]

    def score(candidate: LastShare) -> float:
        return float(crps(sample_last_share(candidate, data, (18, 24), 64, 2)[0], late).mean())

    other = LastShare(
        **{
            **{n: getattr(rule, n) for n in rule.__slots__},
            "periods": 1,
            "dispersion": 0.8,
            "concentration": 3.0,
        }
    )
    assert score(rule) < score(other)


def test_the_fluid_fills_the_near_node_first_and_spills(process: Process, closest) -> None:
    data = process.data
    orders = np.zeros(data.glance_views.shape)
    orders[..., 0] = 30.0
    units, _ = fluid_drain(closest, data, orders, 10.0)
    stock = data.available * data.active
    assert np.all(units <= stock + 1e-9)
    nearest = int(np.argmin(np.where(data.active[-1], data.geography.distance_km[:, 0], np.inf)))
    np.testing.assert_allclose(units[:, -1, nearest], np.minimum(stock[:, -1, nearest], 30.0))
    enough = np.sort(stock, axis=-1)[..., -3:].sum(-1) >= 30.0
    assert np.all(units.sum(-1)[enough] <= 30.0 + 1e-9)


def test_features_do_not_see_what_they_predict(process: Process, closest) -> None:
    data = process.data
    features, _ = node_features(closest, data, (12, 14), 2)
    changed = data.outbound.copy()
    changed[:, 13:] = 0.0
    cost = data.ship_cost * (changed > 0)
    fields = {n: getattr(data, n) for n in data.__slots__}
    other = DrainData(
        **{**fields, "outbound": changed, "ship_cost": cost, "lane": None, "lane_units": None}
    )
    again, _ = node_features(closest, other, (12, 14), 2)
    np.testing.assert_array_equal(features, again)


@pytest.mark.slow
def test_quantile_trees_predict_units_and_costs(larger: Process) -> None:
    pytest.importorskip("lightgbm", reason="of the extra bench")
    from benchmarks.comparators.quantile_trees import fit_quantile_trees, sample_quantile_trees

    data = larger.data
    closest = fit_closest_node(data.periods(0, 18), num_samples=4)
    model = fit_quantile_trees(data.periods(0, 18), closest=closest)
    drawn, cost = sample_quantile_trees(model, data, (18, 24), 48, 0)
    late = data.periods(18, 24)
    feasible(late, drawn, cost)
    rule, _ = sample_last_share(fit_last_share(data.periods(0, 18)), data, (18, 24), 48, 0)
    assert crps(drawn, late.outbound).mean() < crps(rule, late.outbound).mean()
    _, spent = sample_closest_node(closest, data, (18, 24), 48, jax.random.key(0))
    assert crps(cost, late.ship_cost).mean() < crps(spent, late.ship_cost).mean()
    counted = late.active & (late.available > 0)
    ranks = pit(drawn, late.outbound)[counted]
    assert np.abs([(ranks <= t).mean() - t for t in (0.2, 0.5, 0.8)]).max() < 0.12


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("fit", ImportError, r"draingym\[bench\]"),
        ("few", ValueError, "data has 3 periods, must be at least 4"),
    ],
)
def test_what_the_trees_need_is_said(
    monkeypatch: pytest.MonkeyPatch, process: Process, call: str, error: type, message: str
) -> None:
    from benchmarks.comparators.quantile_trees import fit_quantile_trees

    if call == "fit":
        monkeypatch.setitem(sys.modules, "lightgbm", None)
    else:
        pytest.importorskip("lightgbm", reason="of the extra bench")
    with pytest.raises(error, match=message):
        fit_quantile_trees(process.data.periods(0, 3))


def test_bad_input_is_named(process: Process) -> None:
    rule = fit_last_share(process.data.periods(0, 8), num_samples=2)
    with pytest.raises(ValueError, match="num_samples is 0"):
        sample_last_share(rule, process.data, (8, 9), 0, 0)
    with pytest.raises(ValueError, match="non-empty part"):
        sample_last_share(rule, process.data, (8, 99), 2, 0)

"""Bills by regression: a ship cost system made from a log alone."""

from dataclasses import replace

import numpy as np
import pytest

from draingym.oracle import box_table, draw_volumes, fit_ship_cost, to_event_log
from draingym.oracle.fulfilment.emulated import greedy_systems
from draingym.oracle.fulfilment.engine import Engine
from draingym.oracle.fulfilment.fitted_cost import FittedShipCost
from draingym.oracle.fulfilment.period import drain_period
from draingym.oracle.protocols import ShipCostModel


@pytest.fixture(scope="module")
def log(small_world, history):
    return to_event_log(small_world, history)


def replayed(true_systems, views, history, ship_cost):
    """The recorded days again, on the same shelves, with other bills."""
    production = replace(greedy_systems(true_systems), ship_cost=ship_cost)
    engine = Engine(production, true_systems, views, period_days=1)
    available = np.asarray(history.trajectory.transitions.available, np.int64)
    return [
        engine.run_period(t, available[:, t], last=t == views.num_periods - 1)
        for t in range(views.num_periods)
    ]


@pytest.mark.parametrize("by_volume", [False, True], ids=["weight", "weight and volume"])
def test_the_total_of_the_bills_is_what_the_log_paid(
    small_world, true_systems, history, log, by_volume
):
    # Least squares with a constant is unbiased on the boxes that it has seen.
    volume = draw_volumes(true_systems.weight_lb) if by_volume else None
    fit = fit_ship_cost(box_table(log, volume=volume))
    model = FittedShipCost(fit, true_systems, volume=volume, volume_share=0.5 * by_volume)
    assert isinstance(model, ShipCostModel)
    views = small_world.views.candidates(small_world.rates)
    outcomes = replayed(true_systems, views, history, model)
    paid = log.array("boxes", "cost_share").sum()
    assert sum(o.ship_cost.sum() for o in outcomes) == pytest.approx(paid, rel=1e-3)
    first = drain_period(
        true_systems, views, 0, np.asarray(history.trajectory.transitions.available, int)[:, 0]
    )
    np.testing.assert_array_equal(outcomes[0].outbound, first.outbound)
    for outcome in outcomes:
        shares = np.bincount(
            outcome.shipment_box, weights=outcome.shipment_cost, minlength=len(outcome.box_cost)
        )
        assert shares.tolist() == outcome.box_cost.tolist()


def test_what_the_tables_lack_is_named(true_systems, log):
    fit = fit_ship_cost(box_table(log))
    with pytest.raises(ValueError, match="distance_km is None"):
        FittedShipCost(fit, replace(true_systems, distance_km=None))
    with pytest.raises(ValueError, match=r"volume is None, must be \[P\] with"):
        FittedShipCost(fit, true_systems, volume_share=0.5)
    with pytest.raises(ValueError, match=r"volume has shape \(1,\), must be \(6,\)"):
        FittedShipCost(fit, true_systems, volume=[1.0])
    with pytest.raises(ValueError, match=r"volume\[0\] is 0\.0, must be above 0"):
        FittedShipCost(fit, true_systems, volume=np.zeros(6))

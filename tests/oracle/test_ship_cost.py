"""Zones, rates, lanes and noise."""

import numpy as np
import pytest

from draingym.oracle import OracleConfig
from draingym.oracle.rules.promise import promise_class, transit_days
from draingym.oracle.rules.ship_cost import box_noise, box_rate, lane_effects, rate_card, zone_of

MILE = 1.609344


@pytest.mark.parametrize(
    ("miles", "zone"),
    [(0, 1), (50, 1), (51, 2), (150, 2), (301, 4), (1000, 5), (1001, 6), (1801, 8), (9000, 8)],
)
def test_zones_by_distance(miles, zone):
    assert zone_of(miles * MILE - 1e-9, OracleConfig().zone_bands_miles) == zone


@pytest.mark.parametrize(
    ("km", "days", "promise"), [(0, 1, 0), (402, 1, 0), (403, 2, 1), (1000, 3, 2), (4000, 5, 2)]
)
def test_transit_days_by_distance_and_their_promise(km, days, promise):
    found = transit_days(km, OracleConfig().transit_bands_km)
    assert found == days
    assert promise_class(int(found), True) == promise


def test_a_box_costs_what_the_published_fit_says():
    # 2.5 lb to zone 4 at list price: 5.70 + .320 * 2.5 + 1.157 * 4 + .270 * 2.5 * 4 USD.
    rates = rate_card(OracleConfig(rate_scale=1.0))
    assert box_rate(rates, 4, 2.5) == pytest.approx(13.828)
    assert box_rate(rate_card(OracleConfig()), 4, 2.5) == pytest.approx(13.828 / 2)


def test_lanes_have_mean_one_and_the_spread_of_the_config():
    lanes = lane_effects(OracleConfig(), 400, 400)
    assert lanes.mean() == pytest.approx(1.0, abs=0.02)
    logs = np.log(lanes)
    assert logs.std() == pytest.approx(0.25, rel=0.03)
    assert logs.mean(axis=1).var() / logs.var() == pytest.approx(0.3, abs=0.04)


def test_lanes_follow_their_seed_alone():
    config = OracleConfig()
    assert np.array_equal(lane_effects(config, 3, 4), lane_effects(config, 3, 4))
    assert not np.array_equal(lane_effects(config, 3, 4), lane_effects(OracleConfig(seed=1), 3, 4))


def test_cost_noise_is_log_normal_with_mean_one():
    draws = np.array([box_noise(7, session, session % 5, 0.4) for session in range(40_000)])
    logs = (np.log(draws) + 0.08) / 0.4
    assert draws.mean() == pytest.approx(1.0, abs=4 * 0.42 / 200)
    assert logs.std() == pytest.approx(1.0, abs=0.02)
    assert abs((logs**3).mean()) < 0.08
    assert abs(np.corrcoef(logs[1:], logs[:-1])[0, 1]) < 0.02


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("lane_effect_sd", -0.1, "lane_effect_sd is -0.1, must be finite and in"),
        ("opportunity_cost", float("nan"), "opportunity_cost is nan, must be finite"),
        ("cutoff_hour", 25.0, "cutoff_hour is 25.0, must be at most 24"),
        ("lane_node_share", 1.5, "lane_node_share is 1.5, must be at most 1"),
        ("capacity_factor", 0.0, "capacity_factor is 0.0, must be above 0"),
        (
            "transit_bands_km",
            (500.0, 400.0),
            r"transit_bands_km is \(500.0, 400.0\), must increase",
        ),
        (
            "zone_bands_miles",
            (-1.0, 400.0),
            r"zone_bands_miles is \(-1.0, 400.0\), must be finite and in",
        ),
    ],
)
def test_a_bad_config_names_the_field_and_the_bound(field, value, message):
    with pytest.raises(ValueError, match=message):
        OracleConfig(**{field: value})

"""The oracle: production systems emulated view by view, and what is measured against them."""

from oracle.attribution import attribute, attribute_outcome, draw_volumes
from oracle.config import OracleConfig
from oracle.conversion import conditional, draw_latent, independent, sample_latent
from oracle.environment import OracleRun, run
from oracle.fulfilment import PeriodOutcome, drain_period
from oracle.noise_floor import DrainSamples, ViewProfile, resample_drain
from oracle.promise import promise_places, promise_regions
from oracle.rates import (
    PeriodRates,
    SmoothingConfig,
    estimate_period_rates,
    estimate_rates,
    rates_from_counts,
)
from oracle.recorder import to_event_log
from oracle.ship_cost import box_regression
from oracle.ship_cost_fit import BoxTable, ShipCostFit, box_table, fit_ship_cost
from oracle.systems import Systems, build_systems

__all__ = [
    "BoxTable",
    "DrainSamples",
    "OracleConfig",
    "OracleRun",
    "PeriodOutcome",
    "PeriodRates",
    "ShipCostFit",
    "SmoothingConfig",
    "Systems",
    "ViewProfile",
    "attribute",
    "attribute_outcome",
    "box_regression",
    "box_table",
    "build_systems",
    "conditional",
    "drain_period",
    "draw_latent",
    "draw_volumes",
    "estimate_period_rates",
    "estimate_rates",
    "fit_ship_cost",
    "independent",
    "promise_places",
    "promise_regions",
    "rates_from_counts",
    "resample_drain",
    "run",
    "sample_latent",
    "to_event_log",
]

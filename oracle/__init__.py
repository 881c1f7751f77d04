"""The oracle: production systems emulated view by view, and what is measured against them."""

from oracle.attribution import attribute, attribute_outcome, draw_volumes
from oracle.config import OracleConfig
from oracle.conversion import conditional, draw_latent, independent, sample_latent
from oracle.emulated import ClosestFulfilment, GreedyFulfilment, greedy_systems
from oracle.engine import Engine
from oracle.environment import OracleRun, run
from oracle.fitted_cost import FittedShipCost
from oracle.fulfilment import PeriodOutcome, drain_period
from oracle.noise_floor import DrainSamples, ViewProfile, resample_drain, resample_views
from oracle.planner import Batch, ClosestPlanner, GreedyPlanner, Plan
from oracle.planner_milp import BatchMilp, stock_prices
from oracle.promise import promise_places, promise_regions
from oracle.protocols import (
    ConversionModel,
    FulfilmentSystem,
    ProductionSystems,
    PromiseSystem,
    ShipCostModel,
)
from oracle.rates import (
    PeriodRates,
    SmoothingConfig,
    estimate_period_rates,
    estimate_rates,
    rates_from_counts,
)
from oracle.recorder import to_event_log
from oracle.replay import Decision, Replay, replay, replay_many
from oracle.setting import Setting, read_setting, setting_from_log
from oracle.ship_cost import box_regression
from oracle.ship_cost_fit import BoxTable, ShipCostFit, box_table, fit_ship_cost
from oracle.systems import Systems, build_systems
from oracle.waves import WaveConfig, WaveFulfilment

__all__ = [
    "Batch",
    "BatchMilp",
    "BoxTable",
    "ClosestFulfilment",
    "ClosestPlanner",
    "ConversionModel",
    "Decision",
    "DrainSamples",
    "Engine",
    "FittedShipCost",
    "FulfilmentSystem",
    "GreedyFulfilment",
    "GreedyPlanner",
    "OracleConfig",
    "OracleRun",
    "PeriodOutcome",
    "PeriodRates",
    "Plan",
    "ProductionSystems",
    "PromiseSystem",
    "Replay",
    "Setting",
    "ShipCostFit",
    "ShipCostModel",
    "SmoothingConfig",
    "Systems",
    "ViewProfile",
    "WaveConfig",
    "WaveFulfilment",
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
    "greedy_systems",
    "independent",
    "promise_places",
    "promise_regions",
    "rates_from_counts",
    "read_setting",
    "replay",
    "replay_many",
    "resample_drain",
    "resample_views",
    "run",
    "sample_latent",
    "setting_from_log",
    "stock_prices",
    "to_event_log",
]

"""The oracle: production systems emulated view by view, and what is measured against them."""

from draingym.oracle.config import OracleConfig
from draingym.oracle.estimates.rates import (
    PeriodRates,
    SmoothingConfig,
    estimate_period_rates,
    estimate_rates,
    rates_from_counts,
)
from draingym.oracle.estimates.ship_cost_fit import BoxTable, ShipCostFit, box_table, fit_ship_cost
from draingym.oracle.fitting.findings import Finding, FitReport
from draingym.oracle.fitting.systems_fit import FitConfig, SystemsFit, fit_systems
from draingym.oracle.fulfilment.attribution import attribute_outcome
from draingym.oracle.fulfilment.emulated import ClosestFulfilment, GreedyFulfilment, greedy_systems
from draingym.oracle.fulfilment.engine import Engine
from draingym.oracle.fulfilment.fitted_cost import FittedShipCost
from draingym.oracle.fulfilment.period import PeriodOutcome, drain_period
from draingym.oracle.fulfilment.planner import Batch, ClosestPlanner, GreedyPlanner, Plan
from draingym.oracle.fulfilment.planner_milp import BatchMilp, stock_prices
from draingym.oracle.fulfilment.waves import WaveConfig, WaveFulfilment
from draingym.oracle.protocols import (
    ConversionModel,
    FulfilmentSystem,
    ProductionSystems,
    PromiseSystem,
    ShipCostModel,
)
from draingym.oracle.replays.environment import OracleRun, run
from draingym.oracle.replays.latents import sample_latent
from draingym.oracle.replays.many import replay_many
from draingym.oracle.replays.noise_floor import (
    DrainSamples,
    ViewProfile,
    resample_drain,
    resample_views,
)
from draingym.oracle.replays.recorder import to_event_log
from draingym.oracle.replays.replay import replay
from draingym.oracle.replays.self_replay import (
    CheckBounds,
    SelfReplay,
    require_self_replay,
    self_replay,
)
from draingym.oracle.replays.setting import ReplaySetting, read_setting, setting_from_log
from draingym.oracle.replays.types import Decision, Replay
from draingym.oracle.rules.attribution import attribute, draw_volumes
from draingym.oracle.rules.conversion import conditional, draw_latent, independent
from draingym.oracle.rules.promise_map import promise_places, promise_regions
from draingym.oracle.systems import Systems, build_systems

__all__ = [
    "Batch",
    "BatchMilp",
    "BoxTable",
    "CheckBounds",
    "ClosestFulfilment",
    "ClosestPlanner",
    "ConversionModel",
    "Decision",
    "DrainSamples",
    "Engine",
    "Finding",
    "FitConfig",
    "FitReport",
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
    "ReplaySetting",
    "SelfReplay",
    "ShipCostFit",
    "ShipCostModel",
    "SmoothingConfig",
    "Systems",
    "SystemsFit",
    "ViewProfile",
    "WaveConfig",
    "WaveFulfilment",
    "attribute",
    "attribute_outcome",
    "box_table",
    "build_systems",
    "conditional",
    "drain_period",
    "draw_latent",
    "draw_volumes",
    "estimate_period_rates",
    "estimate_rates",
    "fit_ship_cost",
    "fit_systems",
    "greedy_systems",
    "independent",
    "promise_places",
    "promise_regions",
    "rates_from_counts",
    "read_setting",
    "replay",
    "replay_many",
    "require_self_replay",
    "resample_drain",
    "resample_views",
    "run",
    "sample_latent",
    "self_replay",
    "setting_from_log",
    "stock_prices",
    "to_event_log",
]

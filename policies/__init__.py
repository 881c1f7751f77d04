"""Placement policies, their trainers, and their off-policy validation."""

from policies.acting import Agent
from policies.base_stock import BaseStock, OrderUpTo, OrderUpToParams
from policies.capacity import (
    CapacityConfig,
    CapacityPrices,
    CapacityRollouts,
    PriceResponsive,
    PriceResponsiveParams,
    Violation,
    dual_ascent,
    violation,
)
from policies.checked import checked_rollouts
from policies.echelon import (
    CappedBaseStock,
    CappedParams,
    EchelonBaseStock,
    EqualFractile,
    ReorderPoint,
    ReorderPointParams,
)
from policies.evaluate import simulated_values
from policies.hindsight import Hindsight, hindsight_plan, hindsight_values
from policies.historical import Historical
from policies.neural import NeuralPlacement
from policies.placement import (
    CappedCoverParams,
    CappedOrderUpTo,
    CoverReorder,
    DemandProportional,
    DistanceAware,
    DistanceParams,
    Newsvendor,
    NewsvendorParams,
    OrderUpToPerNode,
    PerNodeParams,
    ProportionalParams,
    ReorderParams,
)
from policies.price_forecast import (
    PriceForecast,
    calibrate,
    fit_price_forecast,
    price_features,
)
from policies.store import load_parameters, load_policy, save_parameters, save_policy
from policies.suite import Baseline, baseline_suite, serial_suite, store_suite
from policies.tabular import TabularOrders
from policies.train import NonFiniteGradientError, TrainConfig, TrainResult, train_by_gradient
from policies.transport import RollingHorizon, RollingParams, TransportParams, TransportPlacement
from policies.tree import Tree, catchment_share, echelon_position, tree_of
from policies.tune import TuneConfig, TuneResult, tune

__all__ = [
    "Agent",
    "BaseStock",
    "Baseline",
    "CapacityConfig",
    "CapacityPrices",
    "CapacityRollouts",
    "CappedBaseStock",
    "CappedCoverParams",
    "CappedOrderUpTo",
    "CappedParams",
    "CoverReorder",
    "DemandProportional",
    "DistanceAware",
    "DistanceParams",
    "EchelonBaseStock",
    "EqualFractile",
    "Hindsight",
    "Historical",
    "NeuralPlacement",
    "Newsvendor",
    "NewsvendorParams",
    "NonFiniteGradientError",
    "OrderUpTo",
    "OrderUpToParams",
    "OrderUpToPerNode",
    "PerNodeParams",
    "PriceForecast",
    "PriceResponsive",
    "PriceResponsiveParams",
    "ProportionalParams",
    "ReorderParams",
    "ReorderPoint",
    "ReorderPointParams",
    "RollingHorizon",
    "RollingParams",
    "TabularOrders",
    "TrainConfig",
    "TrainResult",
    "TransportParams",
    "TransportPlacement",
    "Tree",
    "TuneConfig",
    "TuneResult",
    "Violation",
    "baseline_suite",
    "calibrate",
    "catchment_share",
    "checked_rollouts",
    "dual_ascent",
    "echelon_position",
    "fit_price_forecast",
    "hindsight_plan",
    "hindsight_values",
    "load_parameters",
    "load_policy",
    "price_features",
    "save_parameters",
    "save_policy",
    "serial_suite",
    "simulated_values",
    "store_suite",
    "train_by_gradient",
    "tree_of",
    "tune",
    "violation",
]

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
from policies.evolution import EvolutionStrategy
from policies.gaussian import GaussianPolicy
from policies.hindsight import Hindsight, hindsight_plan, hindsight_values
from policies.historical import Historical
from policies.method import (
    Evaluated,
    Hyper,
    Method,
    NonFiniteGradientError,
    TrainConfig,
    TrainResult,
    hyper_of,
)
from policies.mlp import MLPPolicy
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
from policies.ppo import PPO
from policies.price_forecast import (
    PriceForecast,
    calibrate,
    fit_price_forecast,
    price_features,
)
from policies.score_function import ScoreFunction
from policies.store import load_parameters, load_policy, save_parameters, save_policy
from policies.suite import Baseline, baseline_suite, serial_suite, store_suite
from policies.tabular import TabularOrders
from policies.task import SampledTask, Task, WindowTask
from policies.train import PathwiseGradient, TruncatedGradient, train_by_gradient
from policies.training import train_policies, train_policy
from policies.transport import RollingHorizon, RollingParams, TransportParams, TransportPlacement
from policies.tree import Tree, catchment_share, echelon_position, tree_of
from policies.tune import TuneConfig, TuneResult, tune

__all__ = [
    "PPO",
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
    "Evaluated",
    "EvolutionStrategy",
    "GaussianPolicy",
    "Hindsight",
    "Historical",
    "Hyper",
    "MLPPolicy",
    "Method",
    "NeuralPlacement",
    "Newsvendor",
    "NewsvendorParams",
    "NonFiniteGradientError",
    "OrderUpTo",
    "OrderUpToParams",
    "OrderUpToPerNode",
    "PathwiseGradient",
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
    "SampledTask",
    "ScoreFunction",
    "TabularOrders",
    "Task",
    "TrainConfig",
    "TrainResult",
    "TransportParams",
    "TransportPlacement",
    "Tree",
    "TruncatedGradient",
    "TuneConfig",
    "TuneResult",
    "Violation",
    "WindowTask",
    "baseline_suite",
    "calibrate",
    "catchment_share",
    "checked_rollouts",
    "dual_ascent",
    "echelon_position",
    "fit_price_forecast",
    "hindsight_plan",
    "hindsight_values",
    "hyper_of",
    "load_parameters",
    "load_policy",
    "price_features",
    "save_parameters",
    "save_policy",
    "serial_suite",
    "simulated_values",
    "store_suite",
    "train_by_gradient",
    "train_policies",
    "train_policy",
    "tree_of",
    "tune",
    "violation",
]

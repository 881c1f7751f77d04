"""Placement policies, their trainers, and their off-policy validation."""

from draingym.policies.acting import Agent
from draingym.policies.bounds.hindsight import Hindsight, hindsight_plan, hindsight_values
from draingym.policies.capacity.price_forecast import (
    PriceForecast,
    calibrate,
    fit_price_forecast,
    price_features,
)
from draingym.policies.capacity.prices import (
    CapacityConfig,
    CapacityPrices,
    CapacityRollouts,
    PriceResponsive,
    PriceResponsiveParams,
    Violation,
    dual_ascent,
    violation,
)
from draingym.policies.evaluate import simulated_values
from draingym.policies.networks.gaussian import GaussianPolicy
from draingym.policies.networks.mlp import MLPPolicy
from draingym.policies.networks.neural import NeuralPlacement
from draingym.policies.rules.base_stock import BaseStock, OrderUpTo, OrderUpToParams
from draingym.policies.rules.echelon import (
    CappedBaseStock,
    CappedParams,
    EchelonBaseStock,
    EqualFractile,
    ReorderPoint,
    ReorderPointParams,
)
from draingym.policies.rules.historical import Historical
from draingym.policies.rules.placement import (
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
from draingym.policies.rules.suite import Baseline, baseline_suite, serial_suite, store_suite
from draingym.policies.rules.tabular import TabularOrders
from draingym.policies.rules.transport import (
    RollingHorizon,
    RollingParams,
    TransportParams,
    TransportPlacement,
)
from draingym.policies.store import load_parameters, load_policy, save_parameters, save_policy
from draingym.policies.task import SampledTask, Task, WindowTask
from draingym.policies.training.evolution import EvolutionStrategy
from draingym.policies.training.loop import train_policies, train_policy
from draingym.policies.training.method import (
    Evaluated,
    Hyper,
    Method,
    NonFiniteGradientError,
    TrainConfig,
    TrainResult,
    hyper_of,
)
from draingym.policies.training.pathwise import (
    PathwiseGradient,
    TruncatedGradient,
    train_by_gradient,
)
from draingym.policies.training.ppo import PPO
from draingym.policies.training.score_function import ScoreFunction
from draingym.policies.training.tune import TuneConfig, TuneResult, tune
from draingym.policies.tree import Tree, catchment_share, echelon_position, tree_of
from draingym.policies.validation.checked import checked_rollouts

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

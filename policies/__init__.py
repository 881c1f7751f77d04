"""Placement policies, their trainers, and their off-policy validation."""

from policies.acting import Agent
from policies.base_stock import BaseStock, OrderUpTo, OrderUpToParams
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
    "Historical",
    "NeuralPlacement",
    "Newsvendor",
    "NewsvendorParams",
    "NonFiniteGradientError",
    "OrderUpTo",
    "OrderUpToParams",
    "OrderUpToPerNode",
    "PerNodeParams",
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
    "baseline_suite",
    "catchment_share",
    "checked_rollouts",
    "echelon_position",
    "load_parameters",
    "load_policy",
    "save_parameters",
    "save_policy",
    "serial_suite",
    "simulated_values",
    "store_suite",
    "train_by_gradient",
    "tree_of",
    "tune",
]

"""Placement policies, their trainers, and their off-policy validation."""

from policies.base_stock import BaseStock, OrderUpTo, OrderUpToParams
from policies.dense import DensePolicy
from policies.echelon import CappedBaseStock, CappedParams, EchelonBaseStock, EqualFractile
from policies.evaluate import simulated_values
from policies.historical import Historical
from policies.neural import NeuralPlacement
from policies.train import NonFiniteGradientError, TrainConfig, TrainResult, train_by_gradient
from policies.tree import Tree, catchment_share, echelon_position, tree_of
from policies.tune import TuneConfig, TuneResult, tune

__all__ = [
    "BaseStock",
    "CappedBaseStock",
    "CappedParams",
    "DensePolicy",
    "EchelonBaseStock",
    "EqualFractile",
    "Historical",
    "NeuralPlacement",
    "NonFiniteGradientError",
    "OrderUpTo",
    "OrderUpToParams",
    "TrainConfig",
    "TrainResult",
    "Tree",
    "TuneConfig",
    "TuneResult",
    "catchment_share",
    "echelon_position",
    "simulated_values",
    "train_by_gradient",
    "tree_of",
    "tune",
]

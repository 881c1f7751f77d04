"""Placement policies, their trainers, and their off-policy validation."""

from policies.base_stock import BaseStock, OrderUpTo, OrderUpToParams
from policies.echelon import CappedBaseStock, CappedParams, EchelonBaseStock, EqualFractile
from policies.evaluate import simulated_values
from policies.evolution import EvolutionStrategy
from policies.gaussian import GaussianPolicy
from policies.historical import Historical
from policies.mlp import MLPPolicy
from policies.neural import NeuralPlacement
from policies.ppo import PPO
from policies.score_function import ScoreFunction
from policies.task import SampledTask, Task, WindowTask
from policies.train import PathwiseGradient, TruncatedGradient, train_by_gradient
from policies.training import (
    Evaluated,
    Hyper,
    Method,
    NonFiniteGradientError,
    TrainConfig,
    TrainResult,
    hyper_of,
    train_policies,
    train_policy,
)
from policies.tree import Tree, catchment_share, echelon_position, tree_of
from policies.tune import TuneConfig, TuneResult, tune

__all__ = [
    "PPO",
    "BaseStock",
    "CappedBaseStock",
    "CappedParams",
    "EchelonBaseStock",
    "EqualFractile",
    "Evaluated",
    "EvolutionStrategy",
    "GaussianPolicy",
    "Historical",
    "Hyper",
    "MLPPolicy",
    "Method",
    "NeuralPlacement",
    "NonFiniteGradientError",
    "OrderUpTo",
    "OrderUpToParams",
    "PathwiseGradient",
    "SampledTask",
    "ScoreFunction",
    "Task",
    "TrainConfig",
    "TrainResult",
    "Tree",
    "TruncatedGradient",
    "TuneConfig",
    "TuneResult",
    "WindowTask",
    "catchment_share",
    "echelon_position",
    "hyper_of",
    "simulated_values",
    "train_by_gradient",
    "train_policies",
    "train_policy",
    "tree_of",
    "tune",
]

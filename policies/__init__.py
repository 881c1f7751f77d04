"""Placement policies, their trainers, and their off-policy validation."""

from policies.base_stock import BaseStock, OrderUpTo, OrderUpToParams
from policies.neural import NeuralPlacement
from policies.tree import Tree, catchment_share, echelon_position, tree_of

__all__ = [
    "BaseStock",
    "NeuralPlacement",
    "OrderUpTo",
    "OrderUpToParams",
    "Tree",
    "catchment_share",
    "echelon_position",
    "tree_of",
]

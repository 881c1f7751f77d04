"""Policies by the names of their parameters: which policy a file is of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from policies import NeuralPlacement, OrderUpTo, Tree
from policies.store import load_parameters
from simulator import Policy, PyTree
from world.views import ATTRIBUTES


def known_policies(tree: Tree) -> tuple[Policy, ...]:
    """Return the policies that a file of parameters may be of, for a network."""
    return (OrderUpTo(tree=tree), NeuralPlacement(tree=tree, num_attributes=len(ATTRIBUTES)))


def read_policy(path: Path, known: Sequence[Policy]) -> tuple[Policy, PyTree]:
    """Return the policy that a file's parameters fit, and the parameters.

    Args:
        path: Written by ``policies.store.save_parameters``.
        known: What it may be of.

    Raises:
        ValueError: If it fits none of them, saying why for each.
    """
    reasons = []
    for policy in known:
        try:
            return policy, load_parameters(path, policy)
        except ValueError as error:
            reasons.append(f"{type(policy).__name__}: {error}")
    raise ValueError(f"{path} holds parameters of no known policy. " + "; ".join(reasons))

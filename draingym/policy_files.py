"""Policies by their files: with a header that says which, or by the names of their parameters."""

from __future__ import annotations

from pathlib import Path

from policies import NeuralPlacement, OrderUpTo, Tree, load_policy
from policies.store import load_parameters
from simulator import Policy, PyTree
from world.views import ATTRIBUTES


def read_policy(path: Path, tree: Tree) -> tuple[Policy, PyTree]:
    """Return the policy of a file for a network, and its parameters.

    Args:
        path: Written by ``save_policy``; or by ``save_parameters``, whose names say which policy
            they are of.
        tree: The network that it shall act on.

    Raises:
        ValueError: If the file is of no known policy, or of one for another network.
    """
    try:
        return load_policy(path, tree=tree)
    except ValueError as error:
        if "parameters alone" not in str(error):
            raise
    known = (OrderUpTo(tree=tree), NeuralPlacement(tree=tree, num_attributes=len(ATTRIBUTES)))
    reasons = []
    for policy in known:
        try:
            return policy, load_parameters(path, policy)
        except ValueError as error:
            reasons.append(f"{type(policy).__name__}: {error}")
    raise ValueError(f"{path} holds parameters of no known policy. " + "; ".join(reasons))

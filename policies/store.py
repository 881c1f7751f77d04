"""A policy's parameters as one file."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from simulator import Policy, PyTree
from world.atomic import atomic_file


def save_parameters(path: Path, params: PyTree) -> None:
    """Write a policy's parameters as one ``.npz`` file, or leave no trace.

    Raises:
        ValueError: If a parameter is not finite, naming it.
    """
    leaves = _by_name(params)
    for name, leaf in leaves.items():
        if not np.isfinite(leaf).all():
            raise ValueError(f"policy parameter {name} has an entry that is not finite")
    with atomic_file(path) as fresh, fresh.open("wb") as file:
        np.savez(file, allow_pickle=False, **leaves)


def load_parameters(path: Path, policy: Policy) -> PyTree:
    """Read parameters for a policy.

    Args:
        path: Written by ``save_parameters``.
        policy: Says which parameters there must be, and their shapes.

    Returns:
        The parameters.

    Raises:
        ValueError: If the file cannot be read, or a parameter is missing, unknown, or of another
            shape than the policy's.
    """
    expected = jax.eval_shape(policy.init, jax.random.key(0))
    try:
        with np.load(path) as stored:
            found = dict(stored)
    except Exception as error:
        raise ValueError(f"{path} is no readable file of policy parameters ({error})") from error
    paths, structure = jax.tree_util.tree_flatten_with_path(expected)
    names = [jax.tree_util.keystr(path) for path, _ in paths]
    if set(found) != set(names):
        raise ValueError(f"{path} holds {sorted(found)}, must hold {sorted(names)}")
    leaves = []
    for name, (_, leaf) in zip(names, paths, strict=True):
        if found[name].shape != leaf.shape:
            raise ValueError(f"{path}: {name} has shape {found[name].shape}, must be {leaf.shape}")
        leaves.append(jnp.asarray(found[name], leaf.dtype))
    return jax.tree.unflatten(structure, leaves)


def _by_name(params: PyTree) -> dict[str, np.ndarray]:
    return {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
    }

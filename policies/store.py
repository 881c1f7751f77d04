"""A policy as one file: its class, its settings, its action space and its parameters."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from draingym.common.atomic import atomic_file
from draingym.policies.tree import Tree
from draingym.simulator import Policy, PyTree

# What the header is called in a file; parameters' names come from ``keystr``, and start with none
# of these letters.
HEADER = "policy"
SETTING = "setting:"
Arrays = dict[str, np.ndarray]


def save_policy(path: Path, policy: Policy, params: PyTree) -> None:
    """Write a policy as one ``.npz`` file, or leave no trace; nothing in it is pickled.

    The file holds the policy's class, the settings it was made with (its dataclass fields), the
    nodes it acts on where it knows them, and its parameters.

    Args:
        path: Of the file.
        policy: A dataclass whose fields are plain values, tuples of them, arrays, a ``Tree``, or
            another such policy.
        params: Its parameters.

    Raises:
        ValueError: If a parameter is not finite, or a setting is of a kind that files do not hold,
            naming it.
    """
    arrays: Arrays = {}
    header = {"class": _named(policy), "settings": _settings(policy, SETTING, arrays)}
    _write(path, params, {HEADER: np.array(json.dumps(header))} | arrays)


def load_policy(
    path: Path,
    *,
    tree: Tree | None = None,
    transfer: bool = False,
    classes: Mapping[str, type[Any]] | None = None,
) -> tuple[Policy, PyTree]:
    """Read a policy and its parameters.

    Args:
        path: Written by ``save_policy``.
        tree: The network that it shall act on; its own when not given.
        transfer: Let it act on another network than the one it was made for, such as one with a
            node more; possible where no parameter has an axis over nodes.
        classes: Policies of your own by class name, besides those of ``policies``.

    Returns:
        The policy and its parameters.

    Raises:
        ValueError: If the file cannot be read, names a class that is not known, or was written for
            another network, that is another action space, naming the difference.

    Example:
        >>> from draingym.policies import BaseStock, load_policy, save_policy
        >>> path = getfixture("tmp_path") / "policy.npz"
        >>> save_policy(path, BaseStock(), 12.0)
        >>> float(load_policy(path)[1])
        12.0
    """
    found = _read(path)
    header = _header(path, found)
    if header is None:
        raise ValueError(f"{path} holds parameters alone, must be written by save_policy")
    policy: Policy = _built(path, header, SETTING, found, classes or {})
    own = getattr(policy, "tree", None)
    if tree is not None and own is not None:
        difference = _difference(own, tree)
        if difference and not transfer:
            raise ValueError(
                f"{path} is a policy for another action space: {difference} "
                "(transfer=True lets it act there all the same)"
            )
        policy = dataclasses.replace(policy, tree=tree)  # type: ignore[type-var]
    return policy, _parameters(path, found, policy)


def save_parameters(path: Path, params: PyTree) -> None:
    """Write a policy's parameters alone as one ``.npz`` file, or leave no trace.

    Raises:
        ValueError: If a parameter is not finite, naming it.
    """
    _write(path, params, {})


def load_parameters(path: Path, policy: Policy) -> PyTree:
    """Read parameters for a policy.

    Args:
        path: Written by ``save_parameters`` or ``save_policy``.
        policy: Says which parameters there must be, and their shapes.

    Returns:
        The parameters.

    Raises:
        ValueError: If the file cannot be read, is of another class or action space, or a parameter
            is missing, unknown, or of another shape than the policy's.
    """
    found = _read(path)
    header = _header(path, found)
    if header is not None:
        if header["class"] != _named(policy):
            raise ValueError(f"{path} is of a {header['class']}, must be of a {_named(policy)}")
        there = found.get(f"{SETTING}tree.parent")
        here = getattr(policy, "tree", None)
        if there is not None and here is not None and len(there) != len(here.parent):
            raise ValueError(
                f"{path} is a policy for another action space: it has {len(there)} nodes, must "
                f"have {len(here.parent)}"
            )
    return _parameters(path, found, policy)


def _parameters(path: Path, found: Arrays, policy: Policy) -> PyTree:
    expected = jax.eval_shape(policy.init, jax.random.key(0))
    paths, structure = jax.tree_util.tree_flatten_with_path(expected)
    names = [jax.tree_util.keystr(path) for path, _ in paths]
    given = {k for k in found if k != HEADER and not k.startswith(SETTING)}
    if given != set(names):
        raise ValueError(f"{path} holds {sorted(given)}, must hold {sorted(names)}")
    leaves = []
    for name, (_, leaf) in zip(names, paths, strict=True):
        # A level for all nodes may have become one a node, and the other way round.
        if found[name].shape != leaf.shape:
            raise ValueError(f"{path}: {name} has shape {found[name].shape}, must be {leaf.shape}")
        leaves.append(jnp.asarray(found[name], leaf.dtype))
    return jax.tree.unflatten(structure, leaves)


def _read(path: Path) -> Arrays:
    try:
        with np.load(path) as stored:
            return dict(stored)
    except Exception as error:
        raise ValueError(f"{path} is no readable file of policy parameters ({error})") from error


def _header(path: Path, found: Arrays) -> dict[str, Any] | None:
    if HEADER not in found:
        return None
    try:
        header: dict[str, Any] = json.loads(str(found[HEADER]))
        return {"class": header["class"], "settings": dict(header["settings"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} has a header that is no policy's ({error})") from error


def _named(policy: Any) -> str:
    return type(policy).__name__


def _settings(policy: Any, prefix: str, arrays: Arrays) -> dict[str, Any]:
    """Return a dataclass's fields as plain values; arrays go to ``arrays`` by prefix and name."""
    if not dataclasses.is_dataclass(policy):
        raise ValueError(f"policy is a {_named(policy)}, must be a dataclass to be written")
    plain: dict[str, Any] = {}
    for field in dataclasses.fields(policy):
        value = getattr(policy, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            inner = _settings(value, f"{prefix}{field.name}.", arrays)
            plain[field.name] = {"class": _named(value), "settings": inner}
        elif isinstance(value, np.ndarray | jax.Array):
            arrays[f"{prefix}{field.name}"] = np.asarray(value)
        else:
            try:
                plain[field.name] = json.loads(json.dumps(value))
            except TypeError as error:
                raise ValueError(
                    f"policy setting {field.name} is a {type(value).__name__}, which a file "
                    "cannot hold"
                ) from error
    return plain


def _built(
    path: Path, header: Mapping[str, Any], prefix: str, found: Arrays, own: Mapping[str, type[Any]]
) -> Any:
    """Return the dataclass that a header describes."""
    known = importlib.import_module("draingym.policies")
    name = header["class"]
    cls = own.get(name) or (getattr(known, name, None) if name in known.__all__ else None)
    if not isinstance(cls, type) or not dataclasses.is_dataclass(cls):
        raise ValueError(f"{path} is of a {name}, must be of a class of policies, or of classes")
    fields = {field.name for field in dataclasses.fields(cls)}
    values: dict[str, Any] = {
        k.removeprefix(prefix): array
        for k, array in found.items()
        if k.startswith(prefix) and "." not in k.removeprefix(prefix)
    }
    if cls is Tree:
        values = {k: jnp.asarray(array) for k, array in values.items()}
    for k, value in header["settings"].items():
        inner = isinstance(value, dict) and value.keys() == {"class", "settings"}
        values[k] = _built(path, value, f"{prefix}{k}.", found, own) if inner else _tuples(value)
    if unknown := values.keys() - fields:
        raise ValueError(f"{path}: {name} has no settings {sorted(unknown)}")
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: settings of {name}: {error}") from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value


def _difference(there: Tree, here: Tree) -> str:
    """Return in words how the file's network differs from the one asked for, "" if it does not."""
    if there.parent.shape != here.parent.shape:
        return f"it has {there.parent.shape[0]} nodes, must have {here.parent.shape[0]}"
    for name in ("parent", "serves"):
        first, second = (np.asarray(getattr(tree, name)) for tree in (there, here))
        if (first != second).any():
            n = int(np.argmax(first != second))
            return f"{name} of node {n} is {first[n]}, must be {second[n]}"
    if there.distance.shape != here.distance.shape:
        return f"it has {there.distance.shape[1]} regions, must have {here.distance.shape[1]}"
    if not np.allclose(there.distance, here.distance, atol=1e-4):
        return "its nodes or regions lie elsewhere"
    return ""


def _write(path: Path, params: PyTree, more: Arrays) -> None:
    leaves = {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
    }
    for name, leaf in leaves.items():
        if not np.isfinite(leaf).all():
            raise ValueError(f"policy parameter {name} has an entry that is not finite")
    with atomic_file(path) as fresh, fresh.open("wb") as file:
        np.savez(file, allow_pickle=False, **(leaves | more))

"""A policy as one file: its class, its settings, its action space and its parameters."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from draingym.common.arrays import require, short
from draingym.common.config import require_values
from draingym.common.files import json_text
from draingym.common.npz import Arrays, filled_tree, named_arrays, read_npz, write_npz
from draingym.policies.acting import functional_of
from draingym.policies.tree import Tree, require_tree
from draingym.simulator import Policy, PyTree
from draingym.simulator.adapters.origin import Origin
from draingym.world.identity import WorldIdentity

_PARAMS, _SETTINGS = "params/", "settings/"  # what the arrays of a file begin with
_FIELDS = {"class", "settings"}
_VERSION = 2
_REMEDY = "draingym train-policy makes another"


def save_policy(
    path: Path,
    policy: Policy,
    params: PyTree,
    *,
    env: Any = None,
    world: WorldIdentity | None = None,
) -> None:
    """Write a policy as one ``.npz`` file, or leave no trace; nothing in it is pickled.

    The file holds the policy's class, the settings it was made with (its dataclass fields), the
    nodes it acts on where it knows them, its parameters, and what it was fitted to where that is
    told.

    Args:
        path: Of the file.
        policy: A dataclass whose fields are plain values, tuples of them, arrays, a ``Tree``, or
            another such policy.
        params: Its parameters.
        env: The environment that it was fitted to, where there is one: its id and options go with
            the file. Gymnasium's, a vector, or its ``FunctionalEnv``.
        world: The network, products and periods that it was fitted to, where there are such; see
            ``policy_world``.

    Raises:
        ValueError: If a parameter is not finite, a setting is of a kind that files do not hold,
            ``env`` is no environment of draingym, or the file cannot be written, naming it.
    """
    arrays: Arrays = {}
    header = {"class": _named(policy), "settings": _settings(policy, _SETTINGS, arrays)}
    origin = None if env is None else functional_of(env).origin
    _write(path, params, header, arrays, world, origin)


def policy_world(path: Path) -> WorldIdentity | None:
    """Return the network, products and periods that a policy's file says it was fitted to.

    Raises:
        ValueError: If the file cannot be read, naming it.
    """
    meta, found = read_npz(path, "policy", _REMEDY)
    facts = meta.get("world") if isinstance(meta, dict) else None
    return WorldIdentity.from_file(facts, found, f"policy {path}")


def load_policy(
    path: Path,
    *,
    tree: Tree | None = None,
    env: Any = None,
    transfer: bool = False,
    classes: Mapping[str, type[Any]] | None = None,
) -> tuple[Policy, PyTree]:
    """Read a policy and its parameters.

    Args:
        path: Written by ``save_policy``.
        tree: The network that it shall act on; its own when not given.
        env: The environment that it shall act in, as ``save_policy`` takes it. A file that was
            saved without one, and an environment without an id, are not compared.
        transfer: Let it act on another network than the one it was made for, such as one with a
            node more, or in another environment; possible where no parameter has an axis over
            nodes, or there are as many.
        classes: Policies of your own by class name, besides those of ``policies``.

    Returns:
        The policy and its parameters.

    Raises:
        ValueError: If the file cannot be read, names a class that is not known, was written for
            another network, that is another action space, naming the difference, or for another
            environment, naming both.

    Example:
        >>> from draingym.policies import BaseStock, load_policy, save_policy
        >>> path = getfixture("tmp_path") / "policy.npz"
        >>> save_policy(path, BaseStock(), 12.0)
        >>> float(load_policy(path)[1])
        12.0
    """
    what = f"policy {path}"
    header, found, origin = _read(path)
    if header is None:
        raise ValueError(f"{what} holds parameters alone, must be written by save_policy")
    try:
        policy: Policy = _built(what, header, _SETTINGS, found, classes or {})
    except RecursionError as error:
        raise ValueError(
            f"{what}: settings are nested too deep, must be those of a policy"
        ) from error
    if env is not None and not transfer:
        _require_origin(what, origin, functional_of(env).origin)
    if tree is not None:
        policy = _on(tree, policy, what, transfer)
    return policy, _parameters(what, found, policy)


def save_parameters(path: Path, params: PyTree) -> None:
    """Write a policy's parameters alone as one ``.npz`` file, or leave no trace.

    Raises:
        ValueError: If a parameter is not finite, or the file cannot be written, naming it.
    """
    _write(path, params, None, {})


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
    what = f"policy {path}"
    header, found, _ = _read(path)
    if header is not None:
        if header["class"] != _named(policy):
            raise ValueError(f"{what} is of a {header['class']}, must be of a {_named(policy)}")
        there = found.get(f"{_SETTINGS}tree/parent")
        here = getattr(policy, "tree", None)
        if there is not None and here is not None and there.shape != here.parent.shape:
            raise ValueError(
                f"{what} is for another action space: it has {there.size} nodes, must have "
                f"{here.parent.size}"
            )
    return _parameters(what, found, policy)


def _parameters(what: str, found: Arrays, policy: Policy) -> PyTree:
    try:
        expected = jax.eval_shape(policy.init, jax.random.key(0))
    except Exception as error:  # settings that fit no network fail in any way
        raise ValueError(f"{what}: settings of {_named(policy)} make no parameters") from error
    params = filled_tree(expected, found, what, prefix=_PARAMS, cast=True)
    for name, leaf in named_arrays(params).items():
        require(np.isfinite(leaf), f"{what}: {name or 'parameter'}", leaf, "finite")
    return params


def _read(path: Path) -> tuple[dict[str, Any] | None, Arrays, Origin | None]:
    """Return class and settings, None with parameters alone, all arrays, and the environment."""
    what = f"policy {path}"
    meta, found = read_npz(path, "policy", _REMEDY)
    if meta is None:
        meta, found = _from_first_format(what, found)
    if not isinstance(meta, dict) or meta.get("version") != _VERSION or "policy" not in meta:
        raise ValueError(f"{what}: meta is {short(meta)}, must be of version {_VERSION}")
    header = meta["policy"]
    if header is not None:
        _require_header(what, header)
    return header, found, Origin.from_file(meta.get("environment"), what)


def _require_origin(what: str, there: Origin | None, here: Origin | None) -> None:
    """Raise ``ValueError`` where a policy was saved for another environment than it acts in."""
    if there is not None and here is not None and there != here:
        raise ValueError(
            f"{what} was saved for {there}, must be for {here} "
            "(transfer=True, or --transfer, lets it act there all the same)"
        )


def _require_header(what: str, header: Any) -> None:
    if not isinstance(header, dict) or header.keys() != _FIELDS:
        raise ValueError(f"{what}: policy is {short(header)}, must hold class and settings")
    if not isinstance(header["class"], str):
        raise ValueError(f"{what}: class is {short(header['class'])}, must be a name")
    if not isinstance(header["settings"], dict):
        raise ValueError(
            f"{what}: settings is {short(header['settings'])}, must hold values by name"
        )


def _from_first_format(what: str, found: Arrays) -> tuple[Any, Arrays]:
    """Return plain values and arrays of a file as draingym first wrote them.

    It had a JSON text ``policy``, ``setting:tree.parent``, and parameters by their ``keystr``.
    """
    arrays: Arrays = {}
    for name, values in found.items():
        if name.startswith("setting:"):
            arrays[_SETTINGS + name.removeprefix("setting:").replace(".", "/")] = values
        elif name != "policy":
            keys = re.findall(r"\.(\w+)|\['([^']*)'\]|\[(\d+)\]", name)
            arrays[_PARAMS + "/".join("".join(key) for key in keys)] = values
    try:
        policy = json.loads(str(found["policy"])) if "policy" in found else None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what}: policy is no JSON ({error})") from error
    return {"version": _VERSION, "policy": policy}, arrays


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
            inner = _settings(value, f"{prefix}{field.name}/", arrays)
            plain[field.name] = {"class": _named(value), "settings": inner}
        elif isinstance(value, np.ndarray | jax.Array):
            arrays[f"{prefix}{field.name}"] = np.asarray(value)
        else:
            try:
                plain[field.name] = json.loads(json_text(value))
            except TypeError as error:
                raise ValueError(
                    f"policy setting {field.name} is a {type(value).__name__}, which a file "
                    "cannot hold"
                ) from error
    return plain


def _built(
    what: str, header: Mapping[str, Any], prefix: str, found: Arrays, own: Mapping[str, type[Any]]
) -> Any:
    """Return the dataclass that a header describes."""
    known = importlib.import_module("draingym.policies")
    name = header["class"]
    cls = own.get(name) or (getattr(known, name, None) if name in known.__all__ else None)
    if not isinstance(cls, type) or not dataclasses.is_dataclass(cls):
        raise ValueError(f"{what} is of a {name}, must be of a class of policies, or of classes")
    values: dict[str, Any] = {
        k.removeprefix(prefix): array
        for k, array in found.items()
        if k.startswith(prefix) and "/" not in k.removeprefix(prefix)
    }
    for k, value in header["settings"].items():
        if (name, k, value) == ("BaseStock", "nodes", None):
            continue  # one store, as its first files say
        if isinstance(value, dict) and value.keys() == _FIELDS:
            _require_header(f"{what}: {k}", value)
            values[k] = _built(what, value, f"{prefix}{k}/", found, own)
        else:
            values[k] = _tuples(value)
    if unknown := values.keys() - {field.name for field in dataclasses.fields(cls)}:
        raise ValueError(f"{what}: {name} has no settings {sorted(unknown)}")
    try:
        if cls is Tree:
            values = {k: jnp.asarray(value) for k, value in values.items()}
        if name not in own:
            require_values(cls, values)
        made = cls(**values)
        if isinstance(made, Tree):
            require_tree(made)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what}: settings of {name}: {error}") from error
    return made


def _tuples(value: Any) -> Any:
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value


def _on(tree: Tree, policy: Any, what: str, transfer: bool) -> Any:
    """Return a policy, and those inside it, with a network in place of their own."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(policy):
        own = getattr(policy, field.name)
        if isinstance(own, Tree):
            difference = _difference(own, tree)
            if difference and not transfer:
                raise ValueError(
                    f"{what} is for another action space: {difference} "
                    "(transfer=True lets it act there all the same)"
                )
            changes[field.name] = tree
        elif dataclasses.is_dataclass(own) and not isinstance(own, type):
            changes[field.name] = _on(tree, own, what, transfer)
    try:
        return dataclasses.replace(policy, **changes)
    except ValueError as error:
        raise ValueError(f"{what} is for another action space: {error}") from error


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


def _write(
    path: Path,
    params: PyTree,
    header: dict[str, Any] | None,
    more: Arrays,
    world: WorldIdentity | None = None,
    origin: Origin | None = None,
) -> None:
    leaves = named_arrays(params, _PARAMS)
    for name, leaf in leaves.items():
        if not np.isfinite(leaf).all():
            raise ValueError(f"policy parameter {name} has an entry that is not finite")
    facts, marks = (None, {}) if world is None else world.to_file()
    told = {} if facts is None else {"world": facts}
    told |= {} if origin is None else {"environment": origin.to_file()}
    write_npz(path, leaves | more | marks, {"version": _VERSION, "policy": header, **told})

"""Networks as files: JSON, or YAML where the name ends in .yaml or .yml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from draingym.common.arrays import short
from draingym.common.config import read_config
from draingym.common.files import read_json, write_json
from draingym.common.yaml_files import read_yaml, write_yaml
from draingym.networks.ages import AgeOdds
from draingym.networks.description import Arc, Node, Store
from draingym.networks.plan import Plan
from draingym.simulator import Deterministic, NegativeBinomial, Normal, Poisson

P = TypeVar("P", bound=Plan)

# Distributions by the name that a file gives them.
DISTRIBUTIONS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Poisson, NegativeBinomial, Normal, Deterministic)
}
SEPARATOR = ", "  # between the names of nodes that share a distribution


def save(network: Plan, path: Path) -> None:
    """Write a network to a file; fields at their defaults are left out.

    Raises:
        ImportError: If the file is to be YAML, and PyYAML is not there.
        ValueError: If demand is a distribution that files have no name for, or the names of the
            nodes that share one, in a row, are another node's.
    """
    found = _differing(network)
    for name in ("nodes", "arcs", "stores"):
        if name in found:
            found[name] = [_differing(part) for part in getattr(network, name)]
    names = [node.name for node in network.nodes]
    found["demand"] = {
        _written_key(key, names): _demand(key, what) for key, what in network.demand.items()
    }
    (write_yaml if _is_yaml(path) else write_json)(path, found)


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in (".yaml", ".yml")


def _differing(described: Any) -> dict[str, Any]:
    kept = {}
    for field in fields(described):
        if field.default is MISSING or getattr(described, field.name) != field.default:
            value = getattr(described, field.name)
            kept[field.name] = _differing(value) if isinstance(value, AgeOdds) else value
    return kept


def _demand(key: Any, what: Any) -> Any:
    if not hasattr(what, "sample"):
        return what
    kind = type(what).__name__
    if DISTRIBUTIONS.get(kind) is not type(what):
        raise ValueError(f"demand for {key!r} is {kind}, must be one of {', '.join(DISTRIBUTIONS)}")
    return {kind: asdict(what)}


def load(path: Path, kind: type[P]) -> P:
    """Read a network of a kind from a file, as ``save`` writes it.

    Raises:
        ImportError: If the file is YAML, and PyYAML is not there.
        ValueError: Naming the file, the field, its value and the bound.
    """
    values, where = (read_yaml if _is_yaml(path) else read_json)(path, "network"), str(path)
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} is {short(values)}, must hold fields of Network by name")
    given = dict(values)
    for name, part in (("nodes", Node), ("arcs", Arc), ("stores", Store)):
        rows = given.get(name, [])
        if not isinstance(rows, list):
            raise ValueError(f"{where}: {name} is {short(rows)}, must be a list")
        given[name] = [
            read_config(part, row, f"{where}: {name}[{i}]") for i, row in enumerate(rows)
        ]
    demand = given.get("demand", {})
    if not isinstance(demand, Mapping):
        raise ValueError(f"{where}: demand is {short(demand)}, must hold demand by node")
    names = [node.name for node in given["nodes"]]
    given["demand"] = {
        _read_key(key, names): _read_demand(what, f"{where}: demand for {key!r}")
        for key, what in demand.items()
    }
    known = [field.name for field in fields(Plan)]
    for name in given:
        if name not in known:
            raise ValueError(f"{where}: {name} is no field, must be one of {', '.join(known)}")
    try:
        return kind(**given)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _written_key(key: Any, names: Sequence[str]) -> str:
    """Return the key of a file for a node's name, or those of several."""
    written: str = SEPARATOR.join(key) if isinstance(key, tuple) else key
    read = _read_key(written, names)
    if read != key:
        raise ValueError(
            f"demand for {key!r} would be read as that of {read!r}, must be of nodes whose names "
            "together are no other's"
        )
    return written


def _read_key(key: Any, names: Sequence[str]) -> Any:
    """Return a node's name, or those of several; a name may itself hold the separator."""
    if not isinstance(key, str) or key in names or SEPARATOR not in key:
        return key
    return tuple(_names_in(key, names) or key.split(SEPARATOR))


def _names_in(key: str, names: Sequence[str]) -> list[str]:
    """Return the nodes' names that a key consists of; nothing where it does not."""
    if key in names:
        return [key]
    for name in names:
        rest = key.removeprefix(name + SEPARATOR)
        if rest != key and (after := _names_in(rest, names)):
            return [name, *after]
    return []


def _read_demand(what: Any, where: str) -> Any:
    if not isinstance(what, Mapping):
        return what
    if len(what) != 1 or next(iter(what)) not in DISTRIBUTIONS:
        raise ValueError(
            f"{where} is {short(dict(what))}, must be a list, or one of {', '.join(DISTRIBUTIONS)} "
            "with its fields"
        )
    name, values = next(iter(what.items()))
    return read_config(DISTRIBUTIONS[name], values, where)

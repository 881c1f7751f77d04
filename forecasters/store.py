"""A fitted forecaster as one ``.npz`` file; nothing in it is pickled."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import jax
import numpy as np

from draingym.common.arrays import require, short
from draingym.common.config import read_config, read_value, require_fields
from draingym.common.npz import (
    Arrays,
    filled_tree,
    named_arrays,
    read_npz,
    require_array,
    write_npz,
)
from draingym.forecasters.data.encoding import Encoder
from draingym.forecasters.data.frames import Columns, Rules
from draingym.forecasters.fitted import Fitted
from draingym.forecasters.grouping import ALL, GroupRule, Groups
from draingym.forecasters.training.state import Progress
from draingym.forecasters.training.weights import weights_like

_RULE = ("bounds", "centre", "spread", "centroids")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Meta:
    """The plain values of a forecaster's file."""

    version: Literal[2]
    model: str  # its class
    settings: dict[str, Any]
    columns: Columns
    rules: Rules
    means: dict[str, Any]
    deviations: dict[str, Any]
    vocabularies: dict[str, Any]
    calendar: tuple[str, ...]
    nonnegative: bool
    names: tuple[str, ...]  # of groups with a network
    groups: Groups | None
    members: dict[str, Any]
    history: tuple[Progress, ...]

    def __post_init__(self) -> None:
        """Check the fields."""
        require_fields(self)
        if not self.names or (self.groups is None and ALL not in self.names):
            raise ValueError(
                f"names is {self.names}, must hold one, and {ALL!r} where there are no groups"
            )


def save_forecaster(fitted: Fitted, path: str | Path) -> None:
    """Write a fitted forecaster to one ``.npz`` file; it appears whole or not at all.

    Args:
        fitted: What ``fit`` returned.
        path: The file.

    Raises:
        ValueError: If the file cannot be written, naming it.
    """
    encoder, rule = fitted.encoder, fitted.rule
    meta = _Meta(
        version=2,
        model=type(fitted.model).__name__,
        settings=asdict(cast(Any, fitted.model)),
        columns=fitted.columns,
        rules=fitted.rules,
        means=dict(encoder.means),
        deviations=dict(encoder.deviations),
        vocabularies={name: list(words) for name, words in encoder.vocabularies.items()},
        calendar=encoder.layout.calendar,
        nonnegative=encoder.layout.nonnegative,
        names=tuple(fitted.weights),
        groups=None if rule is None else rule.groups,
        members={} if rule is None else dict(rule.members),
        history=fitted.history,
    )
    arrays: Arrays = {}
    for i, name in enumerate(fitted.weights):
        arrays |= named_arrays(fitted.weights[name], f"weights/{i}/")
        arrays[f"residuals/{i}"] = fitted.residuals[name]
    if rule is not None:
        arrays |= {f"rule/{name}": getattr(rule, name) for name in _RULE}
    write_npz(path, arrays, asdict(meta))


def load_forecaster(path: str | Path, *, models: Mapping[str, type[Any]] | None = None) -> Fitted:
    """Read a fitted forecaster.

    Args:
        path: Written by ``save_forecaster``.
        models: Models of your own by class name, besides those of ``forecasters``.

    Raises:
        ValueError: If there is no such file, it is no forecaster's, or a number in it is not
            finite; naming file, field, value and bound.
    """
    what = f"forecaster {path}"
    values, arrays = read_npz(path, "forecaster")
    meta: _Meta = read_config(_Meta, values, f"{what}: meta")
    model = read_config(_class(meta.model, models or {}, what), meta.settings, f"{what}: settings")
    encoder = Encoder.of(
        _numbers(meta.means, f"{what}: means"),
        _numbers(meta.deviations, f"{what}: deviations"),
        {
            str(name): read_value(tuple[str, ...], words, f"{what}: vocabularies.{name}")
            for name, words in meta.vocabularies.items()
        },
        meta.calendar,
        meta.nonnegative,
    )
    try:
        template = weights_like(model, encoder.layout)
    except Exception as error:  # settings and columns that fit no network fail in any way
        raise ValueError(f"{what}: settings of {meta.model} make no network") from error
    weights, residuals = {}, {}
    for i, name in enumerate(meta.names):
        prefix = f"weights/{i}/"
        weights[name] = filled_tree(template, arrays, what, prefix=prefix, cast=True)
        for key, leaf in named_arrays(weights[name], prefix).items():
            require(np.isfinite(leaf), f"{what}: {key}", leaf, "finite")
        weights[name] = jax.tree.map(np.asarray, weights[name])
        residuals[name] = require_array(
            arrays, f"residuals/{i}", what, shape=(None, model.horizon)
        ).astype(np.float64)
        require(np.isfinite(residuals[name]), f"{what}: residuals/{i}", residuals[name], "finite")
    rule = None
    if meta.groups is not None:
        parts = {name: require_array(arrays, f"rule/{name}", what) for name in _RULE}
        members = {str(k): str(v) for k, v in meta.members.items()}
        rule = GroupRule(groups=meta.groups, members=members, **parts)
    return Fitted(
        model=model,
        encoder=encoder,
        weights=weights,
        residuals=residuals,
        columns=meta.columns,
        rules=meta.rules,
        rule=rule,
        history=meta.history,
    )


def _numbers(values: dict[str, Any], name: str) -> dict[str, float]:
    return {str(k): float(read_value(float, v, f"{name}.{k}")) for k, v in values.items()}


def _class(name: str, own: Mapping[str, type[Any]], what: str) -> type[Any]:
    known = importlib.import_module("draingym.forecasters").MODELS
    found = own.get(name) or known.get(name)
    if found is None:
        raise ValueError(
            f"{what} is of a {short(name)}, must be one of {', '.join(known)}, or of models"
        )
    made: type[Any] = found
    return made

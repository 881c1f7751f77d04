"""Configurations: frozen dataclasses of plain values whose fields are of the types they say.

Python does not check annotations. ``require_fields``, the first line of a ``__post_init__``, does;
``read_config`` makes such a dataclass of what a JSON file holds.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, Union

import numpy as np

from draingym.common.arrays import require_whole, short

_LARGEST_FLOAT = int(sys.float_info.max)


def _hints(cls: type[Any]) -> dict[str, Any]:
    """Return the type of every field of a dataclass."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def require_fields(config: Any, where: str = "") -> None:
    """Raise unless every field of a dataclass is of its annotated type.

    A truth value is no number, a real number is no whole one (16.0), a whole number is a real one,
    and has at most 64 bits; a list is no tuple. NumPy's numbers are numbers.

    Args:
        config: A dataclass of plain values, tuples of them, and other such dataclasses.
        where: What it is called in errors, before the field's name.

    Raises:
        ValueError: Naming the first field that is not, its value and the type.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Size:
        ...     width: int = 16
        >>> require_fields(Size(width=True), "size")
        Traceback (most recent call last):
        ValueError: size.width is True, must be of type int
    """
    kind = type(config)
    require_values(kind, {name: getattr(config, name) for name in _hints(kind)}, where)


def require_values(cls: type[Any], values: Mapping[str, Any], where: str = "") -> None:
    """Raise unless values, by name, are of the types of a dataclass's fields.

    Raises:
        ValueError: As ``require_fields`` does.
    """
    for name, value in values.items():
        _require(_hints(cls)[name], value, f"{where}.{name}" if where else name)


def read_config(cls: type[Any], values: Any, where: str = "config") -> Any:
    """Make a dataclass, and those nested in it, of plain values.

    Args:
        cls: The dataclass.
        values: Fields by name, as JSON has them; a field that is left out keeps its default.
        where: What the values are called in errors.

    Returns:
        An instance of ``cls``.

    Raises:
        ValueError: If a key is no field, a field that has no default is left out, a value is not of
            its field's type, or the class refuses it; naming the field, the value and the bound.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} is {short(values)}, must hold fields of {cls.__name__} by name")
    hints = _hints(cls)
    made: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{where}.{key}"
        if key not in hints:
            raise ValueError(f"{name} is no field, must be one of {', '.join(hints)}")
        made[key] = read_value(hints[key], value, name)
    for field in dataclasses.fields(cls):
        optional = (field.default, field.default_factory) != (dataclasses.MISSING,) * 2
        if field.init and not optional and field.name not in made:
            raise ValueError(f"{where}.{field.name} is missing, must be given")
    try:
        return cls(**made)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def read_value(hint: Any, value: Any, name: str) -> Any:
    """Make a value of a type of what JSON holds; see ``read_config``.

    >>> read_value(tuple[int, ...], [1, 2], "steps")
    (1, 2)
    """
    made = _read(hint, value, name)
    _require(hint, made, name)
    return made


def _read(hint: Any, value: Any, name: str) -> Any:
    """Return a value of JSON as the type has it: tuples, paths, dates and dataclasses are none."""
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        items = _items(hint, len(value))
        return tuple(
            _read(item, entry, f"{name}[{i}]")
            for i, (item, entry) in enumerate(zip(items, value, strict=False))
        ) + tuple(value[len(items) :])
    if typing.get_origin(hint) in (Union, types.UnionType):
        inner = [option for option in typing.get_args(hint) if option is not type(None)]
        return value if value is None or len(inner) > 1 else _read(inner[0], value, name)
    if dataclasses.is_dataclass(hint):
        return read_config(typing.cast(type[Any], hint), value, name)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is date and isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return value
    return value


def _items(hint: Any, length: int) -> list[Any]:
    """Return the types of a tuple's entries."""
    items = list(typing.get_args(hint))
    return items[:1] * length if len(items) == 2 and items[1] is Ellipsis else items


def _require(hint: Any, value: Any, name: str) -> None:
    """Raise unless a value is of a type."""
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        options = typing.get_args(hint)
        if value is None and type(None) in options:
            return
        inner = [option for option in options if option is not type(None)]
        if len(inner) == 1:
            _require(inner[0], value, name)
        elif not any(_is(option, value) for option in inner):
            raise ValueError(f"{name} is {short(value)}, must be of type {_word(hint)}")
    elif origin is Literal:
        choices = typing.get_args(hint)
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            listed = ", ".join(map(str, choices))
            raise ValueError(f"{name} is {short(value)}, must be one of {listed}")
    elif origin is tuple:
        if not isinstance(value, tuple):
            raise ValueError(f"{name} is {short(value)}, must be a tuple, in JSON a list")
        items = _items(hint, len(value))
        if len(items) != len(value):
            raise ValueError(f"{name} has {len(value)} entries, must have {len(items)}")
        for i, (item, entry) in enumerate(zip(items, value, strict=True)):
            _require(item, entry, f"{name}[{i}]")
    elif not _is(hint, value):
        raise ValueError(f"{name} is {short(value)}, must be of type {_word(hint)}")
    elif hint is int:
        require_whole(name, value, low=-(2**63), high=2**63 - 1)


def _is(hint: Any, value: Any) -> bool:
    kind = typing.get_origin(hint) or hint
    if kind is Any or not isinstance(kind, type) or _is_plain_protocol(kind):
        return True
    if isinstance(value, bool | np.bool_):
        return kind in (bool, object)
    if kind is int:
        return isinstance(value, int | np.integer)
    if kind is float:
        real = isinstance(value, int | float | np.integer | np.floating)
        return real and not (isinstance(value, int) and abs(value) > _LARGEST_FLOAT)
    return isinstance(value, kind)


def _word(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _is_plain_protocol(kind: type[Any]) -> bool:
    """Return whether a type is a protocol that ``isinstance`` cannot check."""
    return getattr(kind, "_is_protocol", False) and not getattr(kind, "_is_runtime_protocol", False)

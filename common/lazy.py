"""Public names of a package that load their module when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, where: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Args:
        package: Its ``__name__``.
        where: The names of each module, by the module's full name.

    Raises:
        AttributeError: From ``__getattr__``, if the package has no such name.
        ImportError: From ``__getattr__``, if another package is of a version that does not fit.
    """
    module_of = {name: module for module, names in where.items() for name in names}

    def getattribute(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            value = getattr(import_module(module_of[name]), name)
        except AttributeError as error:
            # ``from package import name`` would say that there is no such name, and not why.
            raise ImportError(f"{module_of[name]} cannot be loaded: {error}") from error
        ask_once_jax_is_there()
        setattr(sys.modules[package], name, value)
        return value

    def directory() -> list[str]:
        return sorted({*vars(sys.modules[package]), *module_of})

    return getattribute, directory


def ask_once_jax_is_there() -> None:
    """Make each core a device, as early as may be: JAX is imported, and has computed nothing."""
    if "jax" in sys.modules:
        import_module("draingym.common.devices")

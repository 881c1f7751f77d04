"""The versions of others' packages that the adapters are tested with."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

# By package: from this version on, below that one.
TESTED = {
    "d3rlpy": ("2.8", "3"),
    "minari": ("0.5", "0.6"),
    "pettingzoo": ("1.25", "2"),
    "stable-baselines3": ("2.7", "3"),
}
# Those that ask for another Gymnasium than ours, of which the adapters use nothing.
ALONE = {"d3rlpy"}


def require_tested(package: str) -> None:
    """Refuse a package that is not there, or of a version that is not tested.

    Raises:
        ImportError: Naming the version, and what to install.
    """
    low, high = TESTED[package]
    alone = "--no-deps " * (package in ALONE)
    install = f"pip install {alone}'{package}>={low},<{high}'"
    try:
        found = version(package)
    except PackageNotFoundError as error:
        raise ImportError(f"{package} is not installed: {install}") from error
    if not _numbers(low) <= _numbers(found) < _numbers(high):
        raise ImportError(f"{package} is {found}, must be in [{low}, {high}): {install}")


def _numbers(name: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with."""
    return tuple(int(number) for number in re.findall(r"\d+", name)[:3])

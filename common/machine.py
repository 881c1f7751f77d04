"""What results were made with: versions of packages, and the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

_PACKAGES = (
    "draingym",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "gymnasium",
    "numpy",
    "scipy",
    "numba",
    "duckdb",
    "ibis-framework",
    "pyarrow",
    "xarray",
    "zarr",
    "matplotlib",
)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on.

    Packages that are not installed are left out.

    >>> sorted({"python", "jax", "numpy"} - versions().keys())
    []
    """
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return the processor's name, the cores this process may use, and the GPU's name or None.

    >>> sorted(machine())
    ['cores', 'cpu', 'gpu']
    """
    gpus = [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    return {
        "cpu": _cpu_name(),
        "cores": _cores(),
        "gpu": f"{len(gpus)} x {gpus[0]}" if len(gpus) > 1 else gpus[0] if gpus else None,
    }


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    """Read the model's name where the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    except OSError:
        pass
    if platform.system() == "Darwin":
        try:
            return subprocess.run(
                ["sysctl", "-n", "machdep.cpu.brand_string"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            pass
    return platform.processor() or platform.machine() or "unknown"

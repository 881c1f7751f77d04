"""The cores of a processor as devices of JAX, which must be asked for before JAX starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jax

VARIABLE = "DRAINGYM_DEVICES"
SHARDY = "JAX_USE_SHARDY_PARTITIONER"  # JAX's own
_PARTITIONER = SHARDY.lower()
# Whether JAX was up before anyone could ask for its cores, and whether they were asked for here.
asked = {"late": False, "here": False}


def cores() -> int:
    """Return how many of the processor's cores this process may use, quotas included."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:  # a container's share of its machine
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        return max(1, min(there or 1, -(-int(quota) // int(period))))
    except (OSError, ValueError):
        return there or 1


def whole_from(name: str, low: int) -> int | None:
    """Return a whole number that the environment names; None where it does not.

    Raises:
        ValueError: If it is none, or below ``low``.
    """
    text = os.environ.get(name, "")
    if text and (not text.isdecimal() or int(text) < low):
        raise ValueError(f"{name} is {text!r}, must be a whole number of at least {low}")
    return int(text) if text else None


def named_devices() -> int | None:
    """Return how many devices the environment names; None where it does not."""
    return whole_from(VARIABLE, 1)


def chosen_devices() -> bool:
    """Return whether a user has told JAX, or XLA, how many devices a processor is."""
    config: Any = jax.config
    flags = os.environ.get("XLA_FLAGS", "")
    return config.jax_num_cpu_devices >= 0 or "host_platform_device_count" in flags


def ask_for_cores() -> None:
    """Make each core a device of JAX, unless JAX is up, or its user chose the devices.

    ``DRAINGYM_DEVICES`` is how many, the cores when not set; 1 leaves JAX as it is.

    Raises:
        ValueError: If ``DRAINGYM_DEVICES`` is no number of devices.
    """
    number = named_devices() or cores()
    if number == 1 or chosen_devices():
        return
    try:
        jax.config.update("jax_num_cpu_devices", number)
        asked["here"] = True
    except RuntimeError:  # JAX's own way to say that it is up
        asked["late"] = True


def avoid_shardy() -> None:
    """Let JAX 0.11 and later partition programs by GSPMD, unless its user chose.

    Its own partitioner, Shardy, crashes on programs of ours that several devices share: a
    segmentation fault where parts of a batch do not use all that they are given (0.11.2, 0.12.0.1).
    """
    config: Any = jax.config
    release = tuple(int(part) for part in jax.__version__.split(".")[:2])
    if release >= (0, 11) and SHARDY not in os.environ and hasattr(config, _PARTITIONER):
        config.update(_PARTITIONER, False)


ask_for_cores()
avoid_shardy()

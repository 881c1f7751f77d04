"""Whether this process is a fork of one that uses JAX, where JAX would wait for ever."""

from __future__ import annotations

import os
from typing import Any

import jax

_here = {"forked": False}


def _jax_is_up() -> bool:
    config: Any = jax.config
    devices = config.jax_num_cpu_devices
    try:  # its own way to say so; a fork that is no worker of ours finds its settings as they were
        config.update("jax_num_cpu_devices", devices + 1)
    except RuntimeError:
        return True
    config.update("jax_num_cpu_devices", devices)
    return False


def _notice() -> None:
    _here["forked"] = _here["forked"] or _jax_is_up()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_notice)


def require_no_fork() -> None:
    """Refuse to go on in a fork of a process that uses JAX: threads that it waits for are not here.

    Raises:
        RuntimeError: Naming what to use instead.
    """
    if _here["forked"]:
        raise RuntimeError(
            "this process is a fork of one that uses JAX, which would wait for ever: the context "
            "of AsyncVectorEnv (or of multiprocessing) is 'fork', must be 'forkserver' or 'spawn', "
            "as in gymnasium.make_vec(id, num_envs=n, vectorization_mode='async', "
            "vector_kwargs={'context': 'forkserver'}); or leave vectorization_mode out: "
            "gymnasium.make_vec(id, num_envs=n) is one jitted call a step"
        )

"""Ready-made environments, registered with Gymnasium under ``draingym/``.

``gymnasium.make("draingym/Placement-v0")`` works once draingym is imported, and
``gymnasium.make("draingym:draingym/Placement-v0")`` imports it. Gymnasium 1.0 took away the plugin
system that loaded the entry points of installed packages; ours is declared for what reads it.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Hashable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

import jax
import numpy as np
from gymnasium.vector import AutoresetMode

from draingym.common.arrays import require_flag, short
from draingym.registration import ENVIRONMENTS
from draingym.simulator import FunctionalEnv, InventoryEnv, InventoryVectorEnv
from draingym.simulator.adapters.gymnasium_env import METADATA


def make_problem(
    problem: str,
    *,
    observation: Literal["box", "dict"] = "box",
    symmetric_actions: bool = False,
    scaled: bool = False,
    **options: Any,
) -> FunctionalEnv:
    """Return a problem by its name.

    Args:
        problem: A key of ``ENVIRONMENTS``.
        observation: ``"box"`` for a flat vector, ``"dict"`` for a vector a field.
        symmetric_actions: Actions in [-1, 1] instead of [0, 1].
        scaled: Observations and rewards near one; see ``simulator.FunctionalEnv``.
        **options: The problem's own.

    Returns:
        The problem. The same arguments give the same object again, and its compiled functions.

    Raises:
        ValueError: If there is no such problem, or an option is out of its bounds.
    """
    if not isinstance(problem, str) or problem not in ENVIRONMENTS:
        raise ValueError(f"problem is {short(problem)}, must be one of {', '.join(ENVIRONMENTS)}")
    require_flag("symmetric_actions", symmetric_actions)
    require_flag("scaled", scaled)
    given = {"observation": observation, "symmetric_actions": symmetric_actions, **options}
    given |= {"scaled": scaled}
    return _make(problem, **{name: _plain(name, value) for name, value in given.items()})


def _plain(name: str, value: Any) -> Any:
    """Return an option as what can be looked up: arrays and lists as tuples.

    Raises:
        ValueError: If it is something else that cannot, naming it.
    """
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        value = np.asarray(value).tolist()
    if isinstance(value, list | tuple):
        return tuple(_plain(f"{name}[{i}]", entry) for i, entry in enumerate(value))
    if not isinstance(value, Hashable):
        raise ValueError(f"{name} is {short(value)}, must be a number, a name, or a list of them")
    return value


@lru_cache(maxsize=32, typed=True)  # True is no horizon of 1
def _make(
    problem: str, observation: Any, symmetric_actions: bool, scaled: bool, **options: Any
) -> FunctionalEnv:
    where = ENVIRONMENTS[problem].make
    try:
        made: FunctionalEnv = pkgutil.resolve_name(where)(**options)
    except TypeError as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if unknown is None:
            raise
        raise TypeError(
            f"{unknown[1]} is no option of {problem}, must be one of those in "
            f"help({where.replace(':', '.')!r}), or observation, symmetric_actions, scaled"
        ) from error
    return replace(
        made, observation=observation, symmetric_actions=symmetric_actions, scaled=scaled
    )


def make_env(
    problem: str, *, render_mode: str | None = None, info: bool = True, **options: Any
) -> InventoryEnv:
    """Return an environment of one trajectory: what ``gymnasium.make`` calls.

    Args:
        problem: A key of ``ENVIRONMENTS``.
        render_mode: ``None``, ``"rgb_array"`` or ``"human"``.
        info: Whether infos hold the period's flows.
        **options: See ``make_problem``.
    """
    return InventoryEnv(make_problem(problem, **options), render_mode=render_mode, info=info)


setattr(make_env, "metadata", METADATA)  # noqa: B010  (where Gymnasium looks for render modes)


def make_vector_env(
    problem: str,
    num_envs: int = 1,
    *,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    to_numpy: bool = True,
    info: bool = False,
    render_mode: str | None = None,
    **options: Any,
) -> InventoryVectorEnv:
    """Return an environment of many trajectories: what ``gymnasium.make_vec`` calls.

    Args:
        problem: A key of ``ENVIRONMENTS``.
        num_envs: How many trajectories.
        autoreset_mode: See ``simulator.InventoryVectorEnv``, as for the next three.
        to_numpy: NumPy arrays, or JAX's.
        info: Whether infos hold the period's flows.
        render_mode: ``None``, ``"rgb_array"`` or ``"human"``.
        **options: See ``make_problem``.
    """
    return InventoryVectorEnv(
        make_problem(problem, **options),
        num_envs,
        autoreset_mode=autoreset_mode,
        to_numpy=to_numpy,
        info=info,
        render_mode=render_mode,
    )

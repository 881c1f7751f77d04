"""Ready-made environments, registered with Gymnasium under ``draingym/``.

``gymnasium.make("draingym/Placement-v0")`` works once draingym is imported, and
``gymnasium.make("draingym:draingym/Placement-v0")`` imports it. Gymnasium 1.0 took away the plugin
system that loaded the entry points of installed packages; ours is declared for what reads it.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Hashable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal

import jax
import numpy as np
from gymnasium.vector import AutoresetMode

from draingym.common.arrays import require_flag, short
from draingym.registration import ENVIRONMENTS, IDS, ZOO
from draingym.simulator import FunctionalEnv, InventoryEnv, InventoryVectorEnv
from draingym.simulator import make as make_registered
from draingym.simulator.adapters.gymnasium_env import METADATA
from draingym.simulator.adapters.origin import Origin


def make(id: str, **options: Any) -> FunctionalEnv:
    """Return an environment as pure functions, for JAX; see ``simulator.make``.

    Args:
        id: What ``gymnasium.make`` takes; of those of draingym the name alone will do, such as
            ``"DualSourcing-v0"``.
        **options: The environment's own.

    Raises:
        gymnasium.error.Error: If there is no such environment.
        TypeError: If it is not one of ours.
        ValueError: If an option is none of it, naming the nearest one, or out of its bounds.

    Example:
        >>> make("DualSourcing-v0", lead_time_regular=3, horizon=20).num_actions
        2
    """
    named = {ours.removeprefix("draingym/"): ours for ours in IDS.values()}
    return make_registered(named.get(id, id), **options)


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
    _require_known(problem, options)
    require_flag("symmetric_actions", symmetric_actions)
    require_flag("scaled", scaled)
    given = {"observation": observation, "symmetric_actions": symmetric_actions, **options}
    given |= {"scaled": scaled}
    return _make(problem, **{name: _plain(name, value) for name, value in given.items()})


def options_of(problem: str) -> tuple[str, ...]:
    """Return the names of a problem's own options.

    Args:
        problem: A key of ``ENVIRONMENTS``.
    """
    make = pkgutil.resolve_name(ENVIRONMENTS[problem].make)
    parameters = inspect.signature(make).parameters.values()
    names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    if len(names) < len(parameters):  # the others are the product's
        product = pkgutil.resolve_name("draingym.envs.us:Product")
        names += [field.name for field in fields(product)]
    return tuple(names)


def _require_known(problem: str, options: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` naming an option that a problem does not have, and the nearest it has.

    Where a name is like no other, all that there are.
    """
    known = options_of(problem)
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            listed = repr(near[0]) if near else f"one of {', '.join(known)}"
            raise ValueError(f"{problem} has no option {name!r}, must be {listed}")


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
    make = pkgutil.resolve_name(ENVIRONMENTS[problem].make)
    defaults = {p.name: p.default for p in inspect.signature(make).parameters.values()}
    described = make(**options)
    of_zoo = problem in ZOO
    made: FunctionalEnv = described.environment() if of_zoo else described
    return replace(
        made,
        observation=observation,
        symmetric_actions=symmetric_actions,
        scaled=scaled,
        origin=Origin.of(IDS[problem], options, defaults),
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

"""Names of what a period computes, and of its axes, from the types that hold it."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any, get_args, get_type_hints

import jax
import jax.numpy as jnp
from jaxtyping import Array

from draingym.simulator.network.charges import Flows, Ledger
from draingym.simulator.types import Observation, PyTree, State, Transition

# What a period computes, in the order in which it does; the rest of a ``Transition`` follows.
_FIRST = (
    *("observation", "action", "ordered", "shipped", "transferred", "owed", "stowed", "available"),
    *("outbound", "lost", "waiting", "ship_cost", "on_hand", "ledger"),
)
_HOLDERS = {"": Transition, "observation": Observation, "ledger": Ledger, "flows": Flows}


def is_real(leaf: Any) -> bool:
    """Return whether a leaf has derivatives."""
    return bool(jnp.issubdtype(leaf.dtype, jnp.inexact))


def real_leaves(tree: PyTree) -> list[Array]:
    """Return the leaves that have derivatives."""
    return [leaf for leaf in jax.tree.leaves(tree) if is_real(leaf)]


def join(tree: PyTree, leaves: list[Array]) -> PyTree:
    """Return a tree with other real leaves."""
    now = iter(leaves)
    return jax.tree.map(lambda leaf: next(now) if is_real(leaf) else leaf, tree)


def not_finite(leaves: list[Array]) -> Array:
    """Return whether any entry is NaN or infinite."""
    flags = [jnp.any(~jnp.isfinite(leaf)) for leaf in leaves]
    return jnp.any(jnp.stack(flags)) if flags else jnp.zeros((), bool)


def named(tree: PyTree, name: str, *, real: bool = False) -> list[tuple[str, Any]]:
    """Return leaves by their names."""
    found = []
    for path, leaf in jax.tree.leaves_with_path(tree):
        if not real or is_real(jnp.asarray(leaf)):
            found.append((name + jax.tree_util.keystr(path), leaf))
    return found


def terms_of_period(moves: Transition, end: State) -> list[tuple[str, Any]]:
    """Return all that a period computes by name, in the order in which it does."""
    found = [(name.lstrip("."), leaf) for name, leaf in named(moves, "")]
    rank = {name: i for i, name in enumerate(_FIRST)}
    found.sort(key=lambda pair: rank.get(pair[0].partition(".")[0], len(rank)))  # it is stable
    return [*found, *named(end, "state")]


def brackets(index: Any) -> str:
    """Return an index as it is written behind a name; empty where there is none."""
    return f"[{', '.join(str(int(i)) for i in index)}]" if len(index) else ""


@cache
def axes_of(name: str) -> tuple[str, ...]:
    """Return the letters of the axes of a term, from its annotation."""
    above, _, field = name.rpartition(".")
    holder = State if above == "state" else _HOLDERS.get(above.rpartition(".")[2])
    if holder is None or field not in {each.name for each in fields(holder)}:
        return ()
    hint = get_type_hints(holder)[field]
    for kind in (hint, *get_args(hint)):
        if hasattr(kind, "dim_str"):
            return tuple(kind.dim_str.split())
    return ()

"""Checks of what a policy asks for, and of what a network holds, on the host."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from draingym.simulator.types import MOST_UNITS, DrainKernel, History


def check_requests(
    requests: ArrayLike,
    *,
    start: int = 0,
    node_names: Sequence[str] | None = None,
    who: str = "policy",
) -> None:
    """Refuse requests that are not finite, or negative; never inside ``jit``.

    Args:
        requests: [..., T, N] units, such as ``Transition.action`` of one rollout or many.
        start: Calendar index of the first period.
        node_names: Of the nodes; numbers when not given.
        who: What the policy is called in the message.

    Raises:
        ValueError: Naming the node, the period and the value of the first such request (and the
            product or trajectory, where there are several).

    Example:
        >>> check_requests([[1.0, 0.0], [2.0, -3.0]], start=7)
        Traceback (most recent call last):
        ValueError: policy requests -3.0 units for node 1 in period 8, must be finite and at least 0
    """
    values = np.asarray(requests)
    good = np.isfinite(values) & (values >= 0)
    if good.all():
        return
    where = np.argwhere(~good)
    first = where[np.lexsort((where[:, -1], where[:, -2]))[0]]  # the earliest period
    *batch, t, n = (int(i) for i in first)
    node = f"node {n}" if node_names is None else f"node {n} ({node_names[n]})"
    of = f" of trajectory {batch[0] if len(batch) == 1 else tuple(batch)}" if batch else ""
    raise ValueError(
        f"{who} requests {float(values[tuple(first)])} units for {node} in period {start + t}{of}, "
        "must be finite and at least 0"
    )


def check_stock(on_hand: ArrayLike, pipeline: ArrayLike) -> None:
    """Refuse more whole units than ``MOST_UNITS``: beyond, float32 would lose some.

    Args:
        on_hand: [..., N] units.
        pipeline: [..., L, N] units in transit.

    Raises:
        ValueError: Naming the units, and the product where there are several.

    Example:
        >>> check_stock([2.0**25], [[0.0]])
        Traceback (most recent call last):
        ValueError: initial holds 33554432 units, must be at most 8388608 where units are whole
    """
    shelves, way = np.asarray(on_hand, np.float64), np.asarray(pipeline, np.float64)
    total = np.atleast_1d(shelves.sum(axis=-1) + way.sum(axis=(-2, -1)))
    if (total <= MOST_UNITS).all():
        return
    most = np.unravel_index(int(np.argmax(total)), total.shape)
    of = f" of product {most[0]}" if shelves.ndim > 1 else ""
    raise ValueError(
        f"initial holds {total[most]:.0f} units{of}, must be at most {MOST_UNITS} where units are "
        "whole"
    )


def check_waiting(kernel: DrainKernel, history: History) -> None:
    """Refuse customers who wait at the start where demand that finds no stock is lost.

    Raises:
        ValueError: Naming the kernel.
    """
    if history.waiting is not None and not kernel.backlog:
        raise ValueError(
            "initial.history.waiting is given, must be None: "
            f"{type(kernel).__name__} loses what finds no stock"
        )


def countable(on_hand: Float[Array, " N"], pipeline: Float[Array, "L N"]) -> Float[Array, " N"]:
    """Return stock of whole units as it is, if float32 can count it; see ``check_stock``.

    Inside ``jit``, where nothing can be raised, stock that cannot be counted becomes NaN.
    """
    total = jnp.sum(on_hand) + jnp.sum(pipeline)
    if isinstance(total, jax.core.Tracer):
        return jnp.where(total <= MOST_UNITS, on_hand, jnp.nan)
    check_stock(on_hand, pipeline)
    return on_hand

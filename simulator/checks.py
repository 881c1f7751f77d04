"""Checks of what a policy asks for, on the host, where a user evaluates it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike


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

"""A policy that looks its order up in a table: how an exact optimum acts."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from draingym.policies.tree import require_fit
from draingym.simulator import Observation


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TabularOrders:
    """One store's order by its state ``(x, q_1, ..., q_(L-1))``; the table is the parameter.

    x is what can be sold in this period (on hand and due now), ``q_k`` what is due k periods
    later, both rounded to whole units and cut off at the table's ends. Gradients with respect to
    the state are zero: an order jumps.

    Raises:
        ValueError: If the table is empty, or holds a negative or no whole number.

    Example:
        >>> policy = TabularOrders(table=np.array([5, 4, 2, 0]))  # orders with 0, 1, 2, 3 on hand
        >>> policy.init(jnp.uint32(0)).tolist()
        [5, 4, 2, 0]
    """

    table: NDArray[np.int64]  # [X, Q, ...] units; one axis a period of lead time

    def __post_init__(self) -> None:
        """Check the table; see the class."""
        table = np.asarray(self.table)
        if table.ndim == 0 or table.size == 0:
            raise ValueError(f"table has shape {table.shape}, must have one axis a period at least")
        if (table < 0).any() or (table != np.rint(table)).any():
            raise ValueError(f"table is {table.min()} at its smallest, must hold whole units >= 0")

    def init(self, key: Array) -> Int[Array, "*states"]:
        """Return the table."""
        del key
        return jnp.asarray(self.table, jnp.int32)

    def apply(
        self, params: Int[Array, "*states"], observation: Observation, key: Array
    ) -> Float[Array, " N"]:
        """Return the units that the store orders."""
        del key
        require_fit(observation, nodes=1)
        periods = max(observation.pipeline.shape[0], 1)
        if params.ndim != periods:
            raise ValueError(
                f"table has {params.ndim} axes, must have {periods}, the periods of lead time"
            )
        due = observation.pipeline[:, 0]
        ready = observation.on_hand[0] + (due[0] if due.shape[0] else 0.0)
        state = [ready, *(due[k] for k in range(1, params.ndim))]
        index = tuple(
            jnp.clip(jnp.round(units).astype(jnp.int32), 0, most - 1)
            for units, most in zip(state, params.shape, strict=True)
        )
        return params[index].astype(jnp.float32)[None]

"""What a replay takes and gives back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from draingym.simulator import Policy, PyTree
from draingym.world.eventlog import EventLog
from draingym.world.panel import build_panel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A policy with its parameters: what to replay a log under."""

    policy: Policy
    params: PyTree


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Replay:
    """What would have happened. ``P`` products, ``T`` periods of the replay, ``N`` nodes."""

    start: int  # the replay's first period, as a period of the log
    values: FloatArray  # [P, T] currency: the reward of each product and period, undiscounted
    # [P, T] currency: revenue less ship and holding costs. What was bought, moved and left does not
    # count, so that replays under policies and on given stock can be compared.
    sales_values: FloatArray
    outbound: IntArray  # [P, T, N] units shipped
    ship_cost: FloatArray  # [P, T, N] currency
    lost: IntArray  # [P, T, N] units wanted that were not shipped, by nearest node
    log: EventLog | None  # counterfactual, of the replay's periods counted from 0; if recorded

    @property
    def period_values(self) -> FloatArray:
        """[T] value of every period over all products."""
        total: FloatArray = self.values.sum(axis=0)
        return total

    def panel(self) -> xr.Dataset:
        """Return the counterfactual log by periods.

        Raises:
            ValueError: If the replay was not recorded.
        """
        if self.log is None:
            raise ValueError("replay has no log, must be made with record=True")
        return build_panel(self.log)

"""The training periods as the oracle would have had them, had other policies kept the stock."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from draingym.drain_model import DrainData
from draingym.oracle.config import OracleConfig
from draingym.oracle.estimates.rates import estimate_rates
from draingym.oracle.replays.setting import setting_from_log
from draingym.policies.validation.fine_tuning import label
from draingym.policies.validation.validate import ReplayedWorld
from draingym.simulator import Economics, Policy, PyTree
from draingym.world.eventlog import EventLog


def replays(
    log: EventLog,
    panel: xr.Dataset,
    history: DrainData,
    policies: Mapping[str, tuple[Policy, PyTree]],
    oracle: OracleConfig | None,
    economics: Economics,
    *,
    products: NDArray[np.int64],
    seed: int,
) -> list[DrainData]:
    """Return a panel of the log's first periods under each policy.

    The oracle's rates, forecasts and attributes are those of these periods.

    Args:
        log: What is replayed.
        panel: The log by periods.
        history: The panel's first periods, as the drain model sees them.
        policies: By name; each meets customers of its own.
        oracle: Numbers of the systems; None for those that are estimated from the log.
        economics: What stock costs.
        products: Indices of those that are returned.
        seed: Of customers, lead times and costs.
    """
    known = history.num_periods
    setting = setting_from_log(
        log,
        oracle,
        economics,
        rates=estimate_rates(log, known_periods=known),
        known_periods=known,
        panel=panel,
    )
    views = [setting.views(seed + k) for k in range(len(policies))]
    return label(
        policies,
        ReplayedWorld(systems=setting.systems, views=views),
        setting.params,
        setting.scenario(0, known, seed),
        history,
        dynamics=setting.dynamics,
        products=products,
        seed=seed,
    )

"""What a replay needs and a log tells: network, customers' places, rates, systems, scenarios."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from draingym.oracle.config import OracleConfig
from draingym.oracle.estimates.rates import PeriodRates, estimate_rates
from draingym.oracle.fitting.findings import FitReport
from draingym.oracle.fitting.systems_fit import FitConfig, fit_systems
from draingym.oracle.replays.latents import sample_latent
from draingym.oracle.systems import Systems, build_systems
from draingym.simulator import (
    HISTORY_LENGTH,
    Dynamics,
    Economics,
    History,
    Initial,
    Observation,
    Params,
    Scenario,
    initial_from_panel,
    market_from_panel,
    params_from_network,
    sample_noise,
)
from draingym.world.eventlog import EventLog, read_log
from draingym.world.network import Network
from draingym.world.panel import build_panel, pipeline_at
from draingym.world.views import ATTRIBUTES, ConversionRates, Places, Products, Views


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplaySetting:
    """A log, and everything that is derived from it once for all replays."""

    log: EventLog
    panel: xr.Dataset
    network: Network
    places: Places
    rates: ConversionRates | PeriodRates
    systems: Systems
    params: Params  # costs and structure for the simulator's dynamics
    # Periods that forecasts and attributes are estimated from. None: attributes from all of them,
    # a forecast from those before its period.
    known_periods: int | None
    dynamics: Dynamics = field(default_factory=Dynamics)  # how shipments between nodes work
    share_boxes: bool = True  # whether the lines of a basket that leave one node share a box
    # What was estimated for the systems and what could not be; None where they were given.
    report: FitReport | None = None

    @property
    def num_periods(self) -> int:
        """How many periods the log covers, ``T``."""
        return int(self.panel.sizes["period"])

    @property
    def stock(self) -> NDArray[np.int64]:
        """[P, T, N] units that customers could buy in each period of the log."""
        available: NDArray[np.int64] = self.panel["available"].to_numpy()
        return available

    @property
    def period_days(self) -> float:
        """Length of a period in days."""
        return float(self.panel.attrs["period_days"])

    @property
    def origin(self) -> float:
        """When period 0 begins, days."""
        return float(self.log.array("calendar", "start")[0])

    def systems_in(self, period: int) -> Systems:
        """Return the systems with the rates of a period."""
        if isinstance(self.rates, ConversionRates):
            return self.systems
        return self.systems.with_rates(self.rates.at(period))

    def views(self, seed: int, *, conditional: bool = True, complete: bool = False) -> Views:
        """Draw the log's views with latents; see ``sample_latent``.

        Args:
            seed: Of the latents and sizes.
            conditional: Given history, or independent of it.
            complete: Whether views that convert under no promise are there, too.
        """
        return sample_latent(
            self.log,
            self.rates,
            self.places,
            seed=seed,
            conditional=conditional,
            complete=complete,
            share_boxes=self.share_boxes,
        )

    @property
    def seen(self) -> Observation:
        """The shapes of what a policy sees of a product in a period."""

        def shape(*sizes: int, kind: Any = jnp.float32) -> Any:
            return jax.ShapeDtypeStruct(sizes, kind)

        there = self.panel.sizes
        nodes, regions = there["node"], there["region"]
        return Observation(
            on_hand=shape(nodes),
            pipeline=shape(there["ahead"], nodes),
            waiting=shape(nodes),
            active=shape(nodes, kind=jnp.bool_),
            forecast=shape(regions),
            price=shape(),
            unit_cost=shape(),
            attributes=shape(len(ATTRIBUTES)),
            calendar=shape(there["feature"]),
            owed=shape(nodes) if self.dynamics.hold_requests else None,
        )

    def scenario(self, start: int, horizon: int, seed: int) -> Scenario:
        """Return the log's exogenous series from a period on, lead times drawn anew.

        Args:
            start: First period; stock and pipeline are the log's when it begins.
            horizon: Periods.
            seed: Of lead times and roundings.

        Raises:
            ValueError: If the periods are not the log's.
        """
        if not (start >= 0 and horizon >= 1 and start + horizon <= self.num_periods):
            msg = (
                f"periods [{start}, {start + horizon}), must be a non-empty part of "
                f"[0, {self.num_periods})"
            )
            raise ValueError(msg)
        lead_time = jnp.asarray(np.asarray(self.panel["lead_time"]), float)
        key = jax.random.key(seed)
        market = market_from_panel(
            self.panel, known_periods=self.known_periods, half_life=7.0 / self.period_days
        )
        market = jax.tree.map(lambda leaf: leaf[:, start : start + horizon], market)
        market = replace(market, last=jnp.zeros_like(market.last).at[:, -1].set(True))
        pipeline = pipeline_at(self.panel, start)
        if start:
            initial = initial_from_panel(self.panel, start, pipeline)
        else:
            first = {n: np.asarray(self.panel[n])[:, 0] for n in ("available", "stowed")}
            opening = (
                first["available"] - first["stowed"] + np.asarray(self.panel["transferred"])[:, 0]
            )
            nothing = jnp.zeros((opening.shape[0], HISTORY_LENGTH, opening.shape[1]))
            initial = Initial(
                on_hand=jnp.asarray(opening, jnp.float32),
                pipeline=jnp.asarray(pipeline, jnp.float32),
                history=History(outbound=nothing, ship_cost=nothing, available=nothing),
            )
        return Scenario(initial=initial, series=sample_noise(market, lead_time, 0, key))


def setting_from_log(
    log: EventLog,
    config: OracleConfig | None = None,
    economics: Economics | None = None,
    *,
    rates: ConversionRates | PeriodRates | None = None,
    known_periods: int | None = None,
    panel: xr.Dataset | None = None,
    fit: FitConfig | None = None,
) -> ReplaySetting:
    """Derive a setting from a log alone.

    Conversion rates are estimated unless given, and so are the systems that promise, ship and bill
    (``fit_systems``); places are the distinct homes of customers; the scale of scarcity is the mean
    daily demand of the log.

    Args:
        log: A valid log.
        config: Numbers of the emulated systems, where these are known to have written the log: then
            nothing but conversion is estimated.
        economics: Costs of the simulator's dynamics.
        rates: Of conversion; ``estimate_rates(log)`` when not given.
        known_periods: Periods that forecasts, attributes and systems are estimated from. When not
            given, a product's attributes and the systems are estimated from all of them, and each
            forecast from the periods before its own.
        panel: What ``build_panel(log, known_periods=known_periods)`` makes, where it is there.
        fit: How much of the log the systems are estimated from.

    Raises:
        ValueError: If the log does not hold what is needed, naming it.
    """
    panel = build_panel(log, known_periods=known_periods) if panel is None else panel
    network = _network(log, panel)
    places = _places(log)
    rates = estimate_rates(log) if rates is None else rates
    first = rates if isinstance(rates, ConversionRates) else rates.at(0)
    products = Products(
        id=tuple(log["products"]["id"].to_pylist()),
        **{
            name: np.asarray(panel[name], np.float64)
            for name in ("price", "unit_cost", "weight_lb", "conversion", "units_per_order")
        },
    )
    days = panel.sizes["period"] * float(panel.attrs["period_days"])
    demand = np.asarray(panel["ordered_units"]).sum(axis=(1, 2)) / days
    report, share_boxes = None, True
    if config is None:
        fitted = fit_systems(
            log, network, places, products, first, demand, fit=fit, known_periods=known_periods
        )
        systems, report, share_boxes = fitted.systems, fitted.report, fitted.share_boxes
    else:
        systems = build_systems(network, places, products, first, demand, config)
    return ReplaySetting(
        log=log,
        panel=panel,
        network=network,
        places=places,
        rates=rates,
        systems=systems,
        params=params_from_network(
            network,
            economics or Economics(),
            None,
            period_days=float(panel.attrs["period_days"]),
        ),
        known_periods=known_periods,
        share_boxes=share_boxes,
        report=report,
    )


def read_setting(folder: str | Path, config: OracleConfig | None = None) -> ReplaySetting:
    """Read and check a log, and derive a setting from it; see ``setting_from_log``.

    Raises:
        ValueError: Naming the folder; as ``read_log`` and ``setting_from_log`` do.
    """
    log = read_log(Path(folder))
    try:
        return setting_from_log(log, config)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error


def _network(log: EventLog, panel: xr.Dataset) -> Network:
    nodes, regions = log["nodes"], log["regions"]
    return Network(
        node_name=tuple(nodes["name"].to_pylist()),
        node_latitude=log.array("nodes", "latitude"),
        node_longitude=log.array("nodes", "longitude"),
        parent=log.array("nodes", "parent").astype(np.int64),
        serves_customers=log.array("nodes", "serves_customers").astype(np.bool_),
        active_from=log.array("nodes", "active_from").astype(np.int64),
        daily_capacity=log.array("nodes", "daily_capacity"),
        region_name=tuple(regions["name"].to_pylist()),
        region_latitude=log.array("regions", "latitude"),
        region_longitude=log.array("regions", "longitude"),
        population=log.array("regions", "population"),
        distance_km=np.asarray(panel["distance_km"]),
        lead_time=np.asarray(panel["lead_time"]),
    )


def _places(log: EventLog) -> Places:
    """Return the distinct homes of the log's customers; as many people as customers.

    Each order of a customer who is not known is one of its region's centre.
    """
    names = ("region", "latitude", "longitude")
    homes = np.stack([log.array("customers", name).astype(np.float64) for name in names], axis=1)
    unknown = log.array("glance_views", "customer") < 0
    if unknown.any():
        region = log.array("glance_views", "region")[unknown]
        order = log.array("glance_views", "order")[unknown]
        ordered = np.unique(np.stack([order, region], axis=1)[order >= 0], axis=0)[:, 1]
        region = np.concatenate([ordered, np.setdiff1d(region, ordered)])
        centre = (log.array("regions", name)[region] for name in names[1:])
        homes = np.concatenate([homes, np.stack([region, *centre], axis=1)])
    if not len(homes):
        msg = "customers is empty, must have at least 1 row"
        raise ValueError(msg)
    place, people = np.unique(homes, axis=0, return_counts=True)
    return Places(
        name=tuple(f"{k}" for k in range(len(place))),
        latitude=place[:, 1],
        longitude=place[:, 2],
        region=place[:, 0].astype(np.int64),
        population=people.astype(np.float64),
    )

"""What a replay needs and a log tells: network, customers' places, rates, systems, scenarios."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from draingym.oracle.config import OracleConfig
from draingym.oracle.rules.conversion import nearest_place, sample_latent
from draingym.oracle.rules.rates import PeriodRates, estimate_rates
from draingym.oracle.systems import Systems, build_systems
from draingym.simulator import (
    HISTORY_LENGTH,
    Dynamics,
    Economics,
    History,
    Initial,
    Params,
    Scenario,
    params_from_network,
    series_from_panel,
)
from draingym.simulator.scenarios.series import initial_from_panel, sample_noise
from draingym.world.eventlog import EventLog, read_log
from draingym.world.network import Network
from draingym.world.panel import build_panel, pipeline_at
from draingym.world.views import ConversionRates, Places, Products, Views

NEVER = np.nextafter(1.0, 0.0)  # the latent of a view that converts under no promise


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A log, and everything that is derived from it once for all replays."""

    log: EventLog
    panel: xr.Dataset
    network: Network
    places: Places
    rates: ConversionRates | PeriodRates
    systems: Systems
    params: Params  # costs and structure for the simulator's dynamics
    known_periods: int  # periods that forecasts and attributes are estimated from
    dynamics: Dynamics = field(default_factory=Dynamics)  # how shipments between nodes work

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
        """Draw views with a latent given what happened.

        Args:
            seed: Of the latents and sizes.
            conditional: Given history, or independent of it (``sample_latent``).
            complete: Whether views that can never convert are there, too. They change nothing but
                the log that a replay writes, and cost most of the time.
        """
        views = sample_latent(self.log, self.rates, self.places, seed=seed, conditional=conditional)
        return with_others(self.log, self.places, views) if complete else views

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
        lead_time = jnp.asarray(np.asarray(self.panel["lead_time"]), jnp.float32)
        key = jax.random.key(seed)
        series = series_from_panel(
            self.panel,
            lead_time,
            0,
            key,
            known_periods=self.known_periods,
            half_life=7.0 / self.period_days,
        )
        series = jax.tree.map(lambda leaf: leaf[:, start : start + horizon], series)
        series = replace(series, last=jnp.zeros_like(series.last).at[:, -1].set(True))
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
        return Scenario(initial=initial, series=sample_noise(series, lead_time, key))


def setting_from_log(
    log: EventLog,
    config: OracleConfig | None = None,
    economics: Economics | None = None,
    *,
    rates: ConversionRates | PeriodRates | None = None,
    known_periods: int | None = None,
) -> Setting:
    """Derive a setting from a log alone.

    Conversion rates are estimated unless given; places are the distinct homes of customers; the
    scale of scarcity and capacity is the mean daily demand of the log.

    Args:
        log: A valid log.
        config: Numbers of the emulated systems.
        economics: Costs of the simulator's dynamics.
        rates: Of conversion; ``estimate_rates(log)`` when not given.
        known_periods: Periods that forecasts and attributes are estimated from; all of them when
            not given.

    Raises:
        ValueError: If the log does not hold what is needed, naming it.
    """
    panel = build_panel(log, known_periods=known_periods)
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
    return Setting(
        log=log,
        panel=panel,
        network=network,
        places=places,
        rates=rates,
        systems=build_systems(network, places, products, first, demand, config),
        params=params_from_network(network, economics or Economics(), None),
        known_periods=panel.sizes["period"] if known_periods is None else known_periods,
    )


def read_setting(folder: str | Path, config: OracleConfig | None = None) -> Setting:
    """Read and check a log, and derive a setting from it; see ``setting_from_log``."""
    return setting_from_log(read_log(Path(folder)), config)


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
    """Return the distinct homes of the log's customers; as many people as customers."""
    names = ("region", "latitude", "longitude")
    homes = np.stack([log.array("customers", name).astype(np.float64) for name in names], axis=1)
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


def with_others(log: EventLog, places: Places, candidates: Views) -> Views:
    """Return all views of a log: the candidates, and between them those that never convert.

    Args:
        log: The log that the candidates were drawn from by ``sample_latent``.
        places: Its places.
        candidates: They keep latents, quantities and sessions.

    Returns:
        Views in the order of ``sample_latent``; others want 0 units.
    """
    columns = {
        name: log.array("glance_views", name) for name in ("time", "customer", "product", "region")
    }
    order = np.lexsort((columns["customer"], columns["time"]))
    time, customer, product, region = (column[order] for column in columns.values())
    change = np.ones(len(order), np.bool_)
    change[1:] = (time[1:] != time[:-1]) | (customer[1:] != customer[:-1])
    session = np.cumsum(change) - 1
    # Views of one product in one basket differ in nothing but what is drawn: the k-th candidate
    # among them may be the k-th view.
    row = _match(
        session * log["products"].num_rows + product,
        candidates.session * log["products"].num_rows + candidates.product,
    )
    home = _home(log, places)
    latent, quantity = np.full(len(order), NEVER), np.zeros(len(order), np.int32)
    latent[row], quantity[row] = candidates.latent, candidates.quantity
    periods = np.bincount(log.array("glance_views", "period"), minlength=log["calendar"].num_rows)
    return Views(
        time=time,
        product=product,
        place=home[customer].astype(np.int32),
        region=region,
        customer=customer,
        quantity=quantity,
        session=session.astype(np.int64),
        latent=latent,
        offsets=np.concatenate([[0], np.cumsum(periods)]).astype(np.int64),
    )


def _match(keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a distinct position in ``keys`` of every entry of ``wanted``."""
    by_key, by_wanted = np.argsort(keys, kind="stable"), np.argsort(wanted, kind="stable")
    ascending = wanted[by_wanted]
    first = np.searchsorted(ascending, ascending, side="left")
    nth = np.arange(len(ascending)) - first
    found = np.empty(len(wanted), np.int64)
    found[by_wanted] = by_key[np.searchsorted(keys[by_key], ascending, side="left") + nth]
    return found


def _home(log: EventLog, places: Places) -> NDArray[np.int64]:
    where = (log.array("customers", name) for name in ("latitude", "longitude", "region"))
    return nearest_place(places, *where)

"""The emulated systems with numbers estimated from a log, for an oracle that knows nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from draingym.common.arrays import require_seed, require_whole
from draingym.common.config import require_fields
from draingym.oracle.config import OracleConfig
from draingym.oracle.fitting.box_bills import box_bills, zones
from draingym.oracle.fitting.box_merging import box_merging
from draingym.oracle.fitting.choices import node_choices
from draingym.oracle.fitting.findings import FitReport
from draingym.oracle.fitting.lane_fit import LaneFit, fit_lanes
from draingym.oracle.fitting.promise_fit import PromiseFit, fit_promise, promise_views
from draingym.oracle.fitting.shelf_history import shelf_history
from draingym.oracle.systems import Systems, build_systems
from draingym.world.eventlog import EventLog
from draingym.world.network import Network
from draingym.world.views import ConversionRates, Places, Products
from draingym.world.weights import weight_unit


@dataclass(frozen=True, kw_only=True, slots=True)
class FitConfig:
    """How much of a log is looked at; more is slower, and seldom better.

    >>> FitConfig(views=20_000, boxes=10_000).lines
    30000
    """

    views: int = 100_000
    lines: int = 30_000
    boxes: int = 60_000
    seed: int = 0  # of what is drawn

    def __post_init__(self) -> None:
        """Check types and bounds."""
        require_fields(self)
        for name in ("views", "lines", "boxes"):
            require_whole(name, getattr(self, name), low=1, high=10**9)
        require_seed(self.seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemsFit:
    """Systems estimated from a log, and what could be."""

    systems: Systems
    promise: PromiseFit
    lanes: LaneFit
    share_boxes: bool  # whether the lines of a basket that leave one node go in one box
    report: FitReport


def fit_systems(
    log: EventLog,
    network: Network,
    places: Places,
    products: Products,
    rates: ConversionRates,
    mean_daily_demand: ArrayLike,
    *,
    config: OracleConfig | None = None,
    fit: FitConfig | None = None,
    known_periods: int | None = None,
) -> SystemsFit:
    """Estimate promise, fulfilment and ship cost from a log.

    1. Shelves: what was free at every view, from inventory, boxes and the times of orders.
    2. Promise: days by distance, cut-off hour, capacity, and lanes of their own (``fit_promise``).
    3. Rate card: its form, by boxes left out of the fit (``choose_form``).
    4. Rates, lanes, scarcity and preferences: from bills and choices of nodes together
       (``fit_lanes``).
    5. Boxes: whether the lines of a basket share them (``box_merging``).

    Args:
        log: A valid log.
        network: Its nodes and regions.
        places: Where customers live.
        products: For their weight.
        rates: Of conversion.
        mean_daily_demand: [P] units a day; with the places, the scale of scarcity.
        config: What stands where the log tells nothing: bands of a carrier to choose from, and a
            rate card for logs without bills.
        fit: How much of the log is looked at.
        known_periods: Views of later periods do not count; all count when not given.

    Returns:
        Systems that replay the log, and a report.

    Raises:
        ValueError: If a table has the wrong shape.
    """
    config = OracleConfig() if config is None else config
    fit = FitConfig() if fit is None else fit
    base = build_systems(network, places, products, rates, mean_daily_demand, config)
    if base.distance_km is None:  # never: ``build_systems`` knows them
        raise ValueError("systems.distance_km is None, must be [N, K] km")
    regions = network.num_regions
    history = shelf_history(log, stop=known_periods)
    views = promise_views(log, history, most=fit.views, seed=fit.seed)
    promise = fit_promise(views, regions, network.daily_capacity)
    choices = node_choices(log, history, promise, most=fit.lines, seed=fit.seed)
    bills = box_bills(log, history)
    lanes = fit_lanes(
        bills,
        choices,
        base.weight_lb,
        base.scarcity_units / max(config.scarcity_days, 1e-9),
        regions,
        config,
        most_boxes=fit.boxes,
        weight_unit=weight_unit(log.tables),
        seed=fit.seed,
    )
    merging = box_merging(history)
    systems = replace(
        base,
        transit_days=promise.transit_days(base.distance_km, places.region),
        zone=zones(lanes.form, base.distance_km, config.zone_bands_miles),
        lane_effect=lanes.lane_effect,
        lane_preference=lanes.preference,
        scarcity_units=np.maximum(
            base.scarcity_units * lanes.scarcity_days / max(config.scarcity_days, 1e-9), 1e-3
        ),
        daily_capacity=promise.daily_capacity,
        rates=lanes.rates,
        processing_days=0,
        cutoff_hour=promise.cutoff_hour,
        two_days=promise.two_days,
        opportunity_cost=lanes.opportunity_cost,
        cost_noise_sd=lanes.cost_noise_sd,
        choice_noise=lanes.choice_noise,
        basket_noise=lanes.basket_noise,
    )
    report = FitReport(findings=(*promise.findings, *lanes.findings, *merging.findings))
    return SystemsFit(
        systems=systems,
        promise=promise,
        lanes=lanes,
        share_boxes=merging.share_boxes,
        report=report,
    )

"""What the emulated production systems are made of: every number, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

from draingym.common.arrays import require_seed, short
from draingym.common.config import require_fields

_LARGEST = 1e9


@dataclass(frozen=True, kw_only=True, slots=True)
class OracleConfig:
    """Numbers of the emulated promise, fulfilment and cost systems.

    Values are chosen for realism; the source stands beside each.
    """

    # Promise. Next-day delivery needs an order before the cut-off and a node within a day's drive.
    processing_days: int = 0  # days from order to dispatch; 0: same-day dispatch, usual for retail
    cutoff_hour: float = 16.0  # orders after it leave a day later; carriers collect 16:00 to 19:00
    # Transit of 1, 2, ... days up to these distances, km, and one day more beyond the last.
    # US ground parcel takes 1 to 5 days and adds a day about every two carrier zones: after 250,
    # 600, 1000 and 1800 miles (carriers' ground maps; bands are ours).
    transit_bands_km: tuple[float, ...] = (402.0, 966.0, 1609.0, 2897.0)
    # A node's daily capacity as a multiple of its market's mean daily demand: daily peaks of a
    # retail week are about a third above the mean, so that only those overflow.
    capacity_factor: float = 1.3

    # Fulfilment. A unit that is sold where it is scarce is missed by the next customer nearby.
    # Acimovic and Graves (2015) price it by the dual values of a transport problem; an exponential
    # in the days of local demand covered has the same shape and needs no solver (ours).
    opportunity_cost: float = 2.0  # USD per unit at no cover; a zone or two of extra freight
    scarcity_days: float = 3.0  # cover, in days of local demand, at which it fell to 1/e

    # Ship cost, USD. US ground parcel list rates 2025, fitted (R2 .969):
    # 5.70 + 0.320 lb + 1.157 zone + 0.270 lb zone, zones 1..8 by distance, miles.
    box_cost: float = 5.70
    box_cost_per_lb: float = 0.320
    box_cost_per_zone: float = 1.157
    box_cost_per_lb_zone: float = 0.270
    zone_bands_miles: tuple[float, ...] = (50.0, 150.0, 300.0, 600.0, 1000.0, 1400.0, 1800.0)
    rate_scale: float = 0.5  # contract price over list price; large shippers get 30 to 60% off
    # Carrier contracts and line hauls make a lane (node to region) dear or cheap for years; labour
    # and the balance of freight in a node's market do so for all of its lanes.
    lane_effect_sd: float = 0.25  # sd of the logarithm (ours)
    lane_node_share: float = 0.3  # share of its variance that a node's lanes have in common (ours)
    # Dimensional weight, surcharges and returns: so that the regression of a box's cost on its
    # shipment has an R2 of about .51, as in the paper's Table 11.
    cost_noise_sd: float = 0.35  # sd of the logarithm

    seed: int = 0  # of the lanes

    def __post_init__(self) -> None:
        """Check every field."""
        require_fields(self)
        for field in fields(self):
            value = getattr(self, field.name)
            for number in value if isinstance(value, tuple) else (value,):
                if not 0 <= number <= _LARGEST:
                    raise ValueError(
                        f"{field.name} is {short(value)}, must be finite and in [0, {_LARGEST:g}]"
                    )
        for name in ("transit_bands_km", "zone_bands_miles"):
            bands = getattr(self, name)
            if any(low >= high for low, high in pairwise(bands)):
                msg = f"{name} is {bands}, must increase"
                raise ValueError(msg)
        for name, bound in (
            ("cutoff_hour", 24),
            ("lane_node_share", 1),
            ("processing_days", 366),
            ("lane_effect_sd", 5),  # of a logarithm
            ("cost_noise_sd", 5),
        ):
            if getattr(self, name) > bound:
                msg = f"{name} is {getattr(self, name)}, must be at most {bound}"
                raise ValueError(msg)
        for name in ("capacity_factor", "scarcity_days", "box_cost", "rate_scale"):
            if getattr(self, name) <= 0:
                msg = f"{name} is {getattr(self, name)}, must be above 0"
                raise ValueError(msg)
        require_seed(self.seed)

"""What boxes cost, learned from a log: ordinary least squares on the features of a shipment."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from draingym.common.arrays import require
from draingym.oracle.config import OracleConfig
from draingym.oracle.rules.ship_cost import zone_of
from draingym.world.eventlog import EventLog
from draingym.world.geography import great_circle_km
from draingym.world.homes import view_homes
from draingym.world.weights import product_pounds

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FEATURES = ("const", "zone", "billable_lb", "zone_x_billable_lb", "distance_1000km", "items")


@dataclass(frozen=True, kw_only=True, slots=True)
class BoxTable:
    """The boxes of a log: their features and their bills. ``B`` boxes."""

    zone: IntArray  # [B] carrier zone
    billable_lb: FloatArray  # [B] weight, or what its volume counts as if that is more
    distance_km: FloatArray  # [B] great circle from node to customer
    items: IntArray  # [B] units
    cost: FloatArray  # [B] USD

    @property
    def num_boxes(self) -> int:
        """How many boxes there are, ``B``."""
        return int(self.cost.size)


def box_table(
    log: EventLog,
    *,
    zone_bands_miles: tuple[float, ...] | None = None,
    volume: ArrayLike | None = None,
    dimensional_lb: float = 12.4,
) -> BoxTable:
    """Put the boxes of a log together, with what their bill may depend on.

    Args:
        log: Any log in the project's schema.
        zone_bands_miles: Upper ends of the carrier's zones; the emulated ones if not given.
        volume: [P] cubic feet per unit, for the billable weight; weight alone counts if not given.
        dimensional_lb: Pounds that a cubic foot is billed as at least.

    Returns:
        One row per box.

    Raises:
        ValueError: If a volume is not above 0, or its shape is not that of the products.
    """
    bands = OracleConfig().zone_bands_miles if zone_bands_miles is None else zone_bands_miles
    weight = product_pounds(log.tables)
    space = np.zeros_like(weight) if volume is None else np.asarray(volume, np.float64)
    if space.shape != weight.shape:
        msg = f"volume has shape {space.shape}, must be {weight.shape}"
        raise ValueError(msg)
    if volume is not None:
        require(np.isfinite(space) & (space > 0), "volume", space, "finite and above 0")
    names = ("box", "order_line", "node", "units", "cost_share")
    box, line, node, units, share = (log.array("boxes", name) for name in names)
    row = np.searchsorted(log.array("order_lines", "order_line"), line)
    product, view = (log.array("order_lines", name)[row] for name in ("product", "view"))
    seen = np.searchsorted(log.array("glance_views", "view"), view)
    homes = view_homes(log)
    _, first, index = np.unique(box, return_index=True, return_inverse=True)

    def total(values: FloatArray | IntArray) -> FloatArray:
        return np.bincount(index, weights=values, minlength=len(first)).astype(np.float64)

    distance = great_circle_km(
        log.array("nodes", "latitude")[node[first]],
        log.array("nodes", "longitude")[node[first]],
        homes.latitude[seen[first]],
        homes.longitude[seen[first]],
    )
    pounds = np.maximum(
        total(units * weight[product]), dimensional_lb * total(units * space[product])
    )
    return BoxTable(
        zone=zone_of(distance, bands),
        billable_lb=pounds,
        distance_km=np.asarray(distance, np.float64),
        items=np.rint(total(units)).astype(np.int64),
        cost=total(share),
    )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ShipCostFit:
    """A box's expected cost by its features, with the statistics of the regression."""

    coefficient: FloatArray  # [6] USD per unit of each of ``FEATURES``
    std_error: FloatArray  # [6]
    p_value: FloatArray  # [6] two-sided, of a coefficient of zero
    r_squared: float
    r_squared_adjusted: float
    num_boxes: int
    residual_sd: float  # USD
    table: str  # the summary, as the paper's Table 11 has it

    def __repr__(self) -> str:
        """Return R squared and the number of boxes."""
        return f"ShipCostFit(r_squared={self.r_squared:.3f}, num_boxes={self.num_boxes})"

    def predict(
        self, zone: ArrayLike, billable_lb: ArrayLike, distance_km: ArrayLike, items: ArrayLike
    ) -> FloatArray:
        """Return the expected cost of boxes, USD."""
        return np.asarray(_design(zone, billable_lb, distance_km, items) @ self.coefficient)


def _design(
    zone: ArrayLike, billable_lb: ArrayLike, distance_km: ArrayLike, items: ArrayLike
) -> FloatArray:
    """Return [B, 6] the columns of ``FEATURES``."""
    band, pounds, km, units = np.broadcast_arrays(
        *(np.asarray(x, np.float64) for x in (zone, billable_lb, distance_km, items))
    )
    columns = (np.ones_like(band), band, pounds, band * pounds, km / 1000.0, units)
    return np.stack(columns, axis=-1)


def fit_ship_cost(boxes: BoxTable) -> ShipCostFit:
    """Regress the bills of boxes on zone, billable weight, their product, distance and items.

    Needs the package statsmodels: ``pip install "draingym[oracle]"``.

    Args:
        boxes: ``box_table(log)``.

    Returns:
        The fit, with a summary table.

    Raises:
        ValueError: If there are too few boxes, or features from which the coefficients cannot be
            told apart.

    Source:
        The paper's appendix D.1 and Table 11, which mask features and coefficients.
    """
    import statsmodels.api as sm

    design = _design(boxes.zone, boxes.billable_lb, boxes.distance_km, boxes.items)
    if len(design) <= len(FEATURES):
        msg = f"boxes has {len(design)} rows, must have more than {len(FEATURES)}"
        raise ValueError(msg)
    for field in fields(boxes):
        values = getattr(boxes, field.name)
        require(np.isfinite(values), f"boxes.{field.name}", values, "finite")
    if np.linalg.matrix_rank(design) < len(FEATURES):
        constant = [
            name for name, column in zip(FEATURES, design.T, strict=True) if np.ptp(column) == 0.0
        ]
        msg = (
            f"boxes is constant in {constant[1:] or 'a combination of features'}, must differ in "
            f"all of {FEATURES[1:]} independently"
        )
        raise ValueError(msg)
    found: Any = sm.OLS(boxes.cost, design).fit()
    return ShipCostFit(
        coefficient=np.asarray(found.params, np.float64),
        std_error=np.asarray(found.bse, np.float64),
        p_value=np.asarray(found.pvalues, np.float64),
        r_squared=float(found.rsquared),
        r_squared_adjusted=float(found.rsquared_adj),
        num_boxes=int(found.nobs),
        residual_sd=float(np.sqrt(found.mse_resid)),
        table=str(found.summary(yname="box_cost_usd", xname=list(FEATURES), slim=False)),
    )

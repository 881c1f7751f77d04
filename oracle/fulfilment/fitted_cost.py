"""Bills by the regression of a log's boxes, where nobody knows the rates that made them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from draingym.common.arrays import require
from draingym.oracle.estimates.ship_cost_fit import ShipCostFit
from draingym.oracle.protocols import Parcel
from draingym.oracle.rules.attribution import attribute
from draingym.oracle.rules.ship_cost import COST_QUANTUM, whole_bill
from draingym.oracle.systems import Systems

FloatArray = NDArray[np.float64]


class FittedShipCost:
    """A ``ShipCostModel``: a box costs what the regression expects of its features.

    Unbiased for the boxes of the log that it was fitted to, without their noise. The bill is at
    least a tenth of a cent, and shared by weight and volume.
    """

    def __init__(
        self,
        fit: ShipCostFit,
        systems: Systems,
        *,
        volume: ArrayLike | None = None,
        volume_share: float = 0.0,
        dimensional_lb: float = 12.4,
    ) -> None:
        """Take the fit, and zones, distances and weights.

        Args:
            fit: ``fit_ship_cost(box_table(log))``.
            systems: Tables made by ``build_systems``, which know distances.
            volume: [P] cubic feet per unit, if the fit's boxes had them.
            volume_share: How much volume counts when the bill is shared, in [0, 1].
            dimensional_lb: Pounds that a cubic foot is billed as at least, as in ``box_table``.

        Raises:
            ValueError: If the systems know no distances, or volumes are missing or not above 0.
        """
        if systems.distance_km is None:
            raise ValueError("systems.distance_km is None, must be [N, K] km")
        if volume is None and volume_share > 0:
            raise ValueError(f"volume is None, must be [P] with volume_share = {volume_share}")
        # Without volumes a unit's is its weight, which changes neither bills nor shares.
        self.volume = np.asarray(systems.weight_lb if volume is None else volume, np.float64)
        if self.volume.shape != systems.weight_lb.shape:
            msg = f"volume has shape {self.volume.shape}, must be {systems.weight_lb.shape}"
            raise ValueError(msg)
        require(self.volume > 0, "volume", self.volume, "above 0")
        self.fit, self.volume_share = fit, volume_share
        self.zone, self.distance_km = systems.zone, systems.distance_km
        self.weight_lb = systems.weight_lb
        self.dimensional_lb = 0.0 if volume is None else dimensional_lb

    def charge(self, parcel: Parcel) -> Sequence[float]:
        """Return the cost of each of the parcel's items, USD; together they are its bill."""
        node, place = parcel.node, parcel.items[0].view.place
        product = np.array([item.view.product for item in parcel.items])
        units = np.array([item.units for item in parcel.items])
        weight, volume = units * self.weight_lb[product], units * self.volume[product]
        pounds = max(weight.sum(), self.dimensional_lb * volume.sum())
        expected = self.fit.predict(
            self.zone[node, place], pounds, self.distance_km[node, place], units.sum()
        )
        bill = whole_bill(float(expected)) * COST_QUANTUM
        box = np.zeros(len(units), np.int64)
        shares = attribute([bill], box, weight, volume, volume_share=self.volume_share)
        return [float(share) for share in shares]

"""The bills of a period's boxes, shared anew among the lines that were in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from draingym.oracle.fulfilment.period import PeriodOutcome
from draingym.oracle.rules.attribution import attribute
from draingym.world.views import Views

FloatArray = NDArray[np.float64]


def attribute_outcome(
    outcome: PeriodOutcome,
    views: Views,
    weight_lb: FloatArray,
    volume: FloatArray,
    *,
    volume_share: float = 0.5,
) -> PeriodOutcome:
    """Return a period's outcome with its bills shared by weight and volume.

    The bills stay as they are; who pays changes, and with it ``shipment_cost`` and ``ship_cost``.

    Args:
        outcome: What the systems did.
        views: The views that they served.
        weight_lb: [P] weight of a unit.
        volume: [P] volume of a unit.
        volume_share: How much volume counts, in [0, 1].

    Raises:
        ValueError: As ``attribute`` does.
    """
    product = views.product[outcome.shipment_view]
    units = outcome.shipment_units
    cost = attribute(
        outcome.box_cost,
        outcome.shipment_box,
        units * weight_lb[product],
        units * volume[product],
        volume_share=volume_share,
    )
    total = np.zeros_like(outcome.ship_cost)
    np.add.at(total, (product, outcome.shipment_node), cost)
    return replace(outcome, shipment_cost=cost, ship_cost=total)

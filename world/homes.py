"""Where the views of a log come from: customers' homes, and the regions of those not known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from draingym.common.arrays import FloatArray, IntArray
from draingym.world.eventlog import EventLog


@dataclass(frozen=True, kw_only=True, slots=True)
class Homes:
    """Who saw each view of a log, and where they are. ``V`` views."""

    customer: IntArray  # [V] those not known get numbers of their own, after the customers
    latitude: FloatArray  # [V] degrees
    longitude: FloatArray  # [V] degrees


def in_order(log: EventLog, homes: Homes) -> IntArray:
    """Return [V] the rows of a log's views in the order in which customers are served.

    By time, then customer: the views of a basket are neighbours.
    """
    return np.lexsort((homes.customer, log.array("glance_views", "time")))


def view_homes(log: EventLog) -> Homes:
    """Return the customer of each view, and where that customer is.

    One who is not known is at the centre of the view's region. The views of one order have one
    customer; each other view of an unknown one is a customer's of its own.

    Args:
        log: A log whose customers and regions exist (``validate_log``).
    """
    customer = log.array("glance_views", "customer").astype(np.int64)
    order, region = (log.array("glance_views", name) for name in ("order", "region"))
    unknown = customer < 0
    known = np.where(unknown, 0, customer)
    at = []
    for name in ("latitude", "longitude"):
        homes, centres = log.array("customers", name), log.array("regions", name)
        found = centres[region]
        if homes.size:
            found = np.where(unknown, found, homes[known])
        at.append(found.astype(np.float64))
    number = log["customers"].num_rows
    alone = number + np.arange(customer.size)
    if unknown.any():
        _, first, which = np.unique(order[unknown], return_index=True, return_inverse=True)
        shared = alone[unknown][first][which]  # the number of the order's first view
        alone[unknown] = np.where(order[unknown] >= 0, shared, alone[unknown])
    return Homes(customer=np.where(unknown, alone, customer), latitude=at[0], longitude=at[1])

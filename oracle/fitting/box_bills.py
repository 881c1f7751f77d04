"""What a log's boxes cost: which form of a rate card explains them, and by how much they scatter.

A form says what counts as the zone in ``a + b lb + c zone + d lb zone``
(``draingym.oracle.rules.ship_cost``): the bands of a carrier, the distance in whole km, or nothing.
The form is chosen by boxes that were left out of its fit; one that needs less stands unless another
one is better by more than its standard error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from draingym.common.arrays import FloatArray, IntArray
from draingym.oracle.fitting.shelf_history import ShelfHistory
from draingym.oracle.rules.ship_cost import zone_of
from draingym.world.eventlog import EventLog
from draingym.world.geography import great_circle_km
from draingym.world.weights import product_pounds

Form = Literal["flat", "distance", "bands"]
FORMS: tuple[Form, ...] = ("flat", "distance", "bands")  # the one that needs least first
MOST_BOXES = 50_000  # that a form is chosen by
FOLDS = 5
ROUNDS = 5  # of weighted least squares


@dataclass(frozen=True, kw_only=True, slots=True)
class Bills:
    """Boxes that left within the periods looked at. ``B`` boxes."""

    node: IntArray  # [B]
    region: IntArray  # [B] of the customer
    distance_km: FloatArray  # [B] node to customer
    weight_lb: FloatArray  # [B]
    units: IntArray  # [B]
    cost: FloatArray  # [B] currency

    @property
    def num_boxes(self) -> int:
        """How many boxes there are, ``B``."""
        return int(self.cost.size)


def box_bills(log: EventLog, history: ShelfHistory) -> Bills:
    """Put together the boxes of a log that hold the parts of a history."""
    weight = product_pounds(log.tables)[history.part_product] * history.part_units
    _, first, index = np.unique(history.part_box, return_index=True, return_inverse=True)
    node = history.part_node[first]
    view = history.part_view[first]
    return Bills(
        node=node,
        region=history.view_region[view],
        distance_km=great_circle_km(*history.node_place[:, node], *history.view_place[:, view]),
        weight_lb=np.bincount(index, weight, first.size).astype(np.float64),
        units=np.bincount(index, history.part_units, first.size).astype(np.int64),
        cost=np.bincount(index, history.part_cost, first.size).astype(np.float64),
    )


def zones(form: Form, distance_km: ArrayLike, bands_miles: tuple[float, ...]) -> IntArray:
    """Return what counts as the zone of a distance, of the same shape."""
    km = np.asarray(distance_km, np.float64)
    if form == "bands":
        return zone_of(km, bands_miles)
    return np.asarray(np.rint(km) if form == "distance" else np.zeros_like(km), np.int64)


def design(zone: ArrayLike, weight_lb: ArrayLike) -> FloatArray:
    """Return [..., 4] what each of the four rates is multiplied by."""
    band, pounds = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in (zone, weight_lb)))
    return np.stack([np.ones_like(band), pounds, band, band * pounds], axis=-1)


def fit_rates(columns: FloatArray, cost: FloatArray) -> FloatArray:
    """Return [4] rates of at least 0 whose errors are relative ones, by reweighted least squares.

    Args:
        columns: [B, 4] ``design``.
        cost: [B] currency, not all 0.
    """
    scale = np.maximum(columns.max(axis=0), 1e-12)
    expected = np.full(cost.size, cost.mean())
    rates = np.zeros(columns.shape[1])
    for _ in range(ROUNDS):
        weighted = columns / expected[:, None] / scale
        rates = nnls(weighted, cost / expected)[0] / scale
        expected = np.maximum(columns @ rates, 1e-3 * cost.mean())
    return np.asarray(rates, np.float64)


def choose_form(
    bills: Bills, bands_miles: tuple[float, ...], *, seed: int = 0
) -> tuple[Form, dict[Form, float]]:
    """Choose the form of the rate card by boxes left out of the fit.

    Args:
        bills: Of a log, at least one with a cost above 0.
        bands_miles: Upper ends of the carrier's zones, for the form ``bands``.
        seed: Of the boxes that are looked at, ``MOST_BOXES`` at most, and of the folds.

    Returns:
        The form, and each form's mean gamma deviance on the boxes left out.
    """
    rng = np.random.default_rng([seed, 11])
    some = rng.permutation(bills.num_boxes)[:MOST_BOXES]
    fold = np.arange(some.size) % FOLDS
    cost, weight, km = bills.cost[some], bills.weight_lb[some], bills.distance_km[some]
    lost: dict[Form, FloatArray] = {}
    for form in FORMS:
        columns = design(zones(form, km, bands_miles), weight)
        expected = np.empty(some.size)
        for k in range(FOLDS):
            out = fold == k
            rest = ~out if (cost[~out] > 0).any() else np.ones_like(out)
            rates = fit_rates(columns[rest], cost[rest])
            expected[out] = columns[out] @ rates
        expected = np.maximum(expected, 1e-3 * cost.mean())
        lost[form] = cost / expected + np.log(expected)
    chosen = FORMS[0]
    for form in FORMS[1:]:
        gain = lost[chosen] - lost[form]
        if gain.mean() > gain.std() / np.sqrt(max(gain.size, 1)):
            chosen = form
    return chosen, {form: float(values.mean()) for form, values in lost.items()}

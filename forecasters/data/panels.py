"""Series of a panel: the views, orders or units of its products and places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from draingym.common.arrays import FloatArray
from draingym.forecasters.data.grid import Grid, Step
from draingym.forecasters.data.series import SeriesData

if TYPE_CHECKING:
    import xarray as xr

NUMBERED = Grid(0, Step("whole", 1))  # periods without dates
EVENT = "event_"  # what the panel's distances to yearly events are called
_ATTRIBUTES = ("price", "unit_cost", "weight_lb")


def read_panel(
    panel: xr.Dataset,
    variable: str = "ordered_units",
    *,
    by_place: bool = False,
    past: Sequence[str] = (),
    yearly: bool = True,
) -> SeriesData:
    """Return a variable of a panel as series.

    Args:
        panel: As ``draingym.world.panel`` has it.
        variable: Of products, periods and regions or nodes, such as ``glance_views``.
        by_place: A series for each product and place, called ``product/place``; otherwise one for
            each product, its sum over places.
        past: Further variables as columns that are known once a period is over, such as ``on_hand``
            beside ``outbound``; by place, of the same places.
        yearly: Whether the series tell the time of the year, by dates and distances to events. A
            network extrapolates it where a log covers less than a year: then periods are better
            numbered, and of the calendar the weekday is left.

    Returns:
        ``S`` series over the panel's periods, with the products' price, cost and weight as static
        numbers and the calendar as columns that are known ahead.

    Raises:
        ValueError: If the panel has no such variable, or one has other dimensions, or is by other
            places.
    """
    place = _place_of(panel, variable)
    products = _names(panel, "product")
    places = panel.sizes[place] if by_place else 1
    ids = tuple(products)
    if by_place:
        ids = tuple(f"{p}/{q}" for p in products for q in _names(panel, place))
        for name in past:
            if _place_of(panel, name) != place:
                raise ValueError(f"{name} is by {_place_of(panel, name)}, must be by {place}")
    target = _series(panel, variable, by_place)
    static = {
        name: np.repeat(np.asarray(panel[name], np.float64), places)
        for name in _ATTRIBUTES
        if name in panel
    }
    known: dict[str, Any] = {}
    if "calendar" in panel:
        for k, name in enumerate(_names(panel, "feature")):
            if name.startswith(EVENT) and not yearly:
                continue
            feature = np.asarray(panel["calendar"], np.float64)[:, k]
            known[name] = np.broadcast_to(feature, target.shape).copy()
    labels = {"product": np.repeat(np.array(products, np.str_), places)}
    if by_place:
        labels[place] = np.tile(np.array(_names(panel, place), np.str_), len(products))
    return SeriesData(
        ids=ids,
        grid=_grid(panel) if yearly else NUMBERED,
        target=target,
        past={name: _series(panel, name, by_place) for name in past},
        known=known,
        static=static,
        labels=labels,
    )


def _place_of(panel: xr.Dataset, variable: str) -> str:
    """Return what a variable's third dimension is."""
    if variable not in panel:
        raise ValueError(f"panel has no {variable!r}, must be one of {sorted(map(str, panel))}")
    dims = tuple(map(str, panel[variable].dims))
    if len(dims) != 3 or dims[:2] != ("product", "period"):
        raise ValueError(f"{variable} has dimensions {dims}, must be (product, period, place)")
    return dims[2]


def _series(panel: xr.Dataset, variable: str, by_place: bool) -> FloatArray:
    """Return [S, T] a variable by product, or by product and place."""
    _place_of(panel, variable)
    values = np.moveaxis(np.asarray(panel[variable], np.float64), 2, 1)  # [P, place, T]
    return values.reshape(-1, values.shape[2]) if by_place else values.sum(axis=1)


def _names(panel: xr.Dataset, dimension: str) -> list[str]:
    if dimension in panel.coords:
        return [str(name) for name in np.asarray(panel[dimension])]
    return [str(i) for i in range(panel.sizes[dimension])]


def _grid(panel: xr.Dataset) -> Grid:
    """Return the panel's periods: dates where it has them, numbers otherwise."""
    if "date" not in panel:
        return NUMBERED
    dates = np.asarray(panel["date"]).astype("datetime64[s]").astype(np.int64)
    days = int(panel.attrs.get("period_days", 1))
    grid = Grid(int(dates[0]), Step("second", days * 86_400))
    if not np.array_equal(grid.stamps(np.arange(len(dates))), dates):
        return NUMBERED  # as the periods of a log that leaves days out
    return grid

"""Series of a panel: the views, orders or units of its products and places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from draingym.forecasters.data.grid import Grid, Step
from draingym.forecasters.data.series import SeriesData

if TYPE_CHECKING:
    import xarray as xr

_ATTRIBUTES = ("price", "unit_cost", "weight_lb")


def read_panel(
    panel: xr.Dataset, variable: str = "ordered_units", *, by_place: bool = False
) -> SeriesData:
    """Return a variable of a panel as series.

    Args:
        panel: As ``draingym.world.panel`` has it.
        variable: Of products, periods and regions or nodes, such as ``glance_views``.
        by_place: A series for each product and place, called ``product/place``; otherwise one for
            each product, its sum over places.

    Returns:
        ``S`` series over the panel's periods, with the products' price, cost and weight as static
        numbers and the calendar as columns that are known ahead.

    Raises:
        ValueError: If the panel has no such variable, or it has other dimensions.
    """
    if variable not in panel:
        raise ValueError(f"panel has no {variable!r}, must be one of {sorted(map(str, panel))}")
    values = panel[variable]
    dims = tuple(map(str, values.dims))
    if len(dims) != 3 or dims[:2] != ("product", "period"):
        raise ValueError(f"{variable} has dimensions {dims}, must be (product, period, place)")
    products = _names(panel, "product")
    target = np.moveaxis(np.asarray(values, np.float64), 2, 1)  # [P, place, T]
    places = target.shape[1]
    if by_place:
        ids = tuple(f"{p}/{q}" for p in products for q in _names(panel, dims[2]))
        target = target.reshape(-1, target.shape[2])
    else:
        ids, target, places = tuple(products), target.sum(axis=1), 1
    static = {
        name: np.repeat(np.asarray(panel[name], np.float64), places)
        for name in _ATTRIBUTES
        if name in panel
    }
    known: dict[str, Any] = {}
    if "calendar" in panel:
        for k, name in enumerate(_names(panel, "feature")):
            feature = np.asarray(panel["calendar"], np.float64)[:, k]
            known[name] = np.broadcast_to(feature, target.shape).copy()
    labels = {"product": np.repeat(np.array(products, np.str_), places)}
    if by_place:
        labels[dims[2]] = np.tile(np.array(_names(panel, dims[2]), np.str_), len(products))
    return SeriesData(
        ids=ids,
        grid=_grid(panel),
        target=target,
        known=known,
        static=static,
        labels=labels,
    )


def _names(panel: xr.Dataset, dimension: str) -> list[str]:
    if dimension in panel.coords:
        return [str(name) for name in np.asarray(panel[dimension])]
    return [str(i) for i in range(panel.sizes[dimension])]


def _grid(panel: xr.Dataset) -> Grid:
    """Return the panel's periods: dates where it has them, numbers otherwise."""
    if "date" not in panel:
        return Grid(0, Step("whole", 1))
    dates = np.asarray(panel["date"]).astype("datetime64[s]").astype(np.int64)
    days = int(panel.attrs.get("period_days", 1))
    grid = Grid(int(dates[0]), Step("second", days * 86_400))
    if not np.array_equal(grid.stamps(np.arange(len(dates))), dates):
        return Grid(0, Step("whole", 1))  # as the periods of a log that leaves days out
    return grid

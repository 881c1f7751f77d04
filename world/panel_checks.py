"""The checks of a panel: that every variable is there and sound, and that units are conserved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from draingym.common.arrays import BoolArray, require
from draingym.world.lanes import LANE
from draingym.world.panel_sums import DEMAND, FLOW

MAX_UNITS = 2**53  # above it, a float64 does not hold every whole number

Check = Callable[[NDArray[Any]], BoolArray]
Variable = tuple[tuple[str, ...], str, Check, str]  # dimensions, kinds of type, check, bound


def _flows(*names: str) -> dict[str, Variable]:
    return {name: (FLOW, "i", _units, f"in [0, {MAX_UNITS}]") for name in names}


def _units(x: NDArray[Any]) -> BoolArray:
    return (x >= 0) & (x <= MAX_UNITS)


def _positive(x: NDArray[Any]) -> BoolArray:
    return (x > 0) & (x < np.inf)


def _not_negative(x: NDArray[Any]) -> BoolArray:
    return (x >= 0) & (x < np.inf)


def _degrees(limit: float) -> Check:
    return lambda x: np.abs(x) <= limit


def _any(x: NDArray[Any]) -> BoolArray:
    return np.ones(x.shape, np.bool_)


# What every panel has. Kinds of type: i integer, f float, b truth value, M date.
_VARIABLES: dict[str, Variable] = {
    **_flows("outbound", "stowed", "transferred", "on_hand", "available"),
    "ship_cost": (FLOW, "f", _not_negative, "finite and at least 0"),
    "active": (FLOW, "b", _any, ""),
    **{
        name: (DEMAND, "i", _units, f"in [0, {MAX_UNITS}]")
        for name in ("glance_views", "orders", "ordered_units")
    },
    **{
        name: (("product",), "f", _positive, "finite and above 0")
        for name in ("price", "weight_lb", "units_per_order")
    },
    "unit_cost": (("product",), "f", _not_negative, "finite and at least 0"),
    "conversion": (("product",), "f", lambda x: (x > 0) & (x < 1), "in (0, 1)"),
    "calendar": (("period", "feature"), "f", np.isfinite, "finite"),
    "date": (("period",), "M", lambda x: ~np.isnat(x), "a date"),
    **{
        f"{place}_{axis}": ((place,), "f", _degrees(limit), f"in [-{limit}, {limit}]")
        for place in ("node", "region")
        for axis, limit in (("latitude", 90.0), ("longitude", 180.0))
    },
    "parent": (
        ("node",),
        "i",
        lambda x: (x >= -1) & (x < np.arange(x.size)),
        "-1 (vendor) or an earlier node",
    ),
    "serves_customers": (
        ("node",),
        "b",
        lambda x: np.full(x.shape, x.any()),
        "true for at least 1 node",
    ),
    "active_from": (("node",), "i", lambda x: x >= 0, "at least 0"),
    "daily_capacity": (("node",), "f", lambda x: x > 0, "above 0"),
    "population": (("region",), "f", _positive, "finite and above 0"),
    "distance_km": (("node", "region"), "f", _not_negative, "finite and at least 0"),
    "lead_time": (
        ("node", "lead"),
        "f",
        lambda x: (x >= 0) & (np.abs(x.sum(axis=1, keepdims=True) - 1) < 1e-9),
        "probabilities that sum to 1",
    ),
}
# What a panel of a log with shipments has besides: all of it, or nothing.
_SHIPMENTS: dict[str, Variable] = {
    **_flows("in_transit"),
    "shipped": ((*FLOW, "lead"), "i", _units, f"in [0, {MAX_UNITS}]"),
    "initial_pipeline": (("product", "ahead", "node"), "i", _units, f"in [0, {MAX_UNITS}]"),
}
# Panels of earlier versions lack these: all of them, or none.
_LANES: dict[str, Variable] = {
    f"lane_{name}": (LANE, "i", _units, f"in [0, {MAX_UNITS}]")
    for name in ("node", "region", "units")
}
# What a panel has where its log says so, each by itself.
_EXTRA: dict[str, Variable] = {
    "adjusted": (FLOW, "i", lambda x: np.abs(x) <= MAX_UNITS, f"in [-{MAX_UNITS}, {MAX_UNITS}]"),
    "price_path": (("product", "period"), "f", _positive, "finite and above 0"),
}
_KINDS = {"i": "int64", "f": "float64", "b": "bool", "M": "datetime64"}


def check_panel(panel: xr.Dataset) -> None:
    """Check that a panel has all its variables, that they are sound, and that units are conserved.

    Args:
        panel: As ``draingym.world.panel.build_panel`` makes it.

    Raises:
        ValueError: Naming the variable, its first bad entry, the value and the bound.
    """
    check_structure(panel)
    variables = _expected(panel)
    for name, (_, _, ok, bound) in variables.items():
        values = panel[name].to_numpy()
        with np.errstate(all="ignore"):  # what is not a number is no error but a bad value
            fine = ok(values)
        require(fine, f"panel.{name}", values, bound)
    check_conservation(panel)


def _expected(panel: xr.Dataset) -> dict[str, Variable]:
    """Return the variables that a panel must have: of a group that it has one of, all."""
    variables = dict(_VARIABLES)
    for group in (_SHIPMENTS, _LANES):
        if any(name in panel for name in group):
            variables |= group
    return variables | {name: kind for name, kind in _EXTRA.items() if name in panel}


def check_structure(panel: xr.Dataset) -> None:
    """Check variables, dimensions and types, which needs no variable's values.

    Raises:
        ValueError: Naming the variable, what it has, and what it must have.
    """
    for name, (dims, kind, _, _) in _expected(panel).items():
        if name not in panel.data_vars:
            raise ValueError(f"panel.{name} is missing, must have the dimensions {dims}")
        if panel[name].dims != dims:
            raise ValueError(f"panel.{name} has the dimensions {panel[name].dims}, must be {dims}")
        if panel[name].dtype.kind != kind:
            raise ValueError(
                f"panel.{name} is of type {panel[name].dtype}, must be of kind {_KINDS[kind]}"
            )
    for name in ("product", "period", "node", "region"):
        if not panel.sizes[name]:
            raise ValueError(f"panel.{name} is empty, must hold at least 1")
        if name not in panel.coords:
            raise ValueError(f"panel.{name} is missing, must name what the dimension counts")
    if "shipped" in panel:
        ahead, longest = panel.sizes["ahead"], panel.sizes["lead"] - 1
        if ahead != max(longest, 1):
            raise ValueError(
                f"panel.initial_pipeline reaches {ahead} periods ahead, must be "
                f"{max(longest, 1)}, the longest lead time"
            )
    days = panel.attrs.get("period_days")
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 < days < np.inf:
        raise ValueError(f"panel.period_days is {days!r}, must be finite and above 0 days")


def check_conservation(panel: xr.Dataset) -> None:
    """Check that no unit appears from nowhere or vanishes.

    In every period and at every node::

        on_hand   = available - outbound
        available = on_hand of the period before + stowed - transferred + adjusted

    and, where the log had shipments::

        stowed      = what was shipped to the node and arrives
        transferred = what was shipped to the node's children
        in_transit  = in_transit of the period before + shipped - stowed

    What a node shipped is what it shipped to all regions. Nothing is negative, no node ships or
    holds units before it exists, and only what was shipped costs anything.

    Args:
        panel: Made by ``build_panel``.

    Raises:
        ValueError: Naming the variable, product, period, node and both values.
    """
    units = [name for name in _UNITS if name in panel]
    for name in units:
        if panel[name].dtype.kind != "i":
            raise ValueError(f"panel.{name} is of type {panel[name].dtype}, must be int64")
    flow = {name: panel[name].transpose(*FLOW).to_numpy() for name in units if name in _FLOWS}
    for name, values in flow.items():
        _same(panel, name, values, np.maximum(values, 0), "at least 0")
        if name != "in_transit":  # a node may be stocked up in advance
            open_now = values * panel["active"].to_numpy()
            _same(panel, name, values, open_now, "0 before the node exists")
    on_hand, available, outbound = (flow[x] for x in ("on_hand", "available", "outbound"))
    stowed, transferred = flow["stowed"], flow["transferred"]
    _same(panel, "on_hand", on_hand, available - outbound, "available - outbound")
    due, adjusted = available.copy(), np.zeros_like(available[:, 1:])
    rule = "on_hand of the period before + stowed - transferred"
    if "adjusted" in panel:
        adjusted = panel["adjusted"].transpose(*FLOW).to_numpy()[:, 1:]
        rule += " + adjusted"
    due[:, 1:] = on_hand[:, :-1] + stowed[:, 1:] - transferred[:, 1:] + adjusted
    _same(panel, "available", available, due, rule)
    free = np.where(outbound == 0, 0.0, panel["ship_cost"].to_numpy())
    cost = panel["ship_cost"].to_numpy()
    _same(panel, "ship_cost", cost, np.maximum(free, 0.0), "at least 0, and 0 without outbound")
    for name in ("glance_views", "orders", "ordered_units"):
        values = panel[name].to_numpy()
        _same(panel, name, values, np.maximum(values, 0), "at least 0", where="region")
    views, orders = panel["glance_views"].to_numpy(), panel["orders"].to_numpy()
    _same(panel, "orders", orders, np.minimum(orders, views), "at most views", where="region")
    if "lane_units" in panel:
        _check_lanes(panel, outbound)
    if "shipped" not in panel:
        return
    shipped, pipeline = panel["shipped"].to_numpy(), panel["initial_pipeline"].to_numpy()
    for name, values in (("shipped", shipped), ("initial_pipeline", pipeline)):
        if (values < 0).any():
            raise ValueError(f"panel.{name} holds {int(values.min())}, must be at least 0")
    num_periods = shipped.shape[1]
    arrived = np.zeros_like(stowed)
    ahead = min(pipeline.shape[1], num_periods)
    arrived[:, :ahead] = pipeline[:, :ahead]
    for lead in range(min(shipped.shape[3], num_periods)):
        arrived[:, lead:] += shipped[:, : num_periods - lead, :, lead]
    _same(panel, "stowed", stowed, arrived, "the units shipped to the node that arrive")
    left = np.zeros_like(transferred)
    parent = panel["parent"].to_numpy()
    sent = shipped.sum(axis=3)
    for child in np.flatnonzero(parent >= 0):
        left[:, :, parent[child]] += sent[:, :, child]
    _same(panel, "transferred", transferred, left, "the units shipped to the node's children")
    on_the_way = pipeline.sum(axis=1)[:, None] + (sent - stowed).cumsum(axis=1)
    rule = "in_transit of the period before + shipped - stowed"
    _same(panel, "in_transit", flow["in_transit"], on_the_way, rule)


def _check_lanes(panel: xr.Dataset, outbound: NDArray[Any]) -> None:
    """Check that lanes lead from nodes to regions that there are, and sum to what was shipped."""
    lane = {name: panel[f"lane_{name}"].to_numpy() for name in ("node", "region", "units")}
    for name in ("node", "region"):
        values, size = lane[name], panel.sizes[name]
        require(
            (values >= 0) & (values < size), f"panel.lane_{name}", values, f"in [0, {size - 1}]"
        )
    totals = np.zeros_like(outbound)
    products, periods = np.ogrid[: outbound.shape[0], : outbound.shape[1]]
    at = (products[..., None], periods[..., None], lane["node"])
    np.add.at(totals, at, lane["units"])
    _same(panel, "outbound", outbound, totals, "the units of its lanes")


_FLOWS = ("outbound", "stowed", "transferred", "on_hand", "available", "in_transit")
_UNITS = (*_FLOWS, "glance_views", "orders", "ordered_units", "shipped", "initial_pipeline")


def _same(
    panel: xr.Dataset,
    name: str,
    found: NDArray[Any],
    due: NDArray[Any],
    rule: str,
    *,
    where: str = "node",
) -> None:
    if np.array_equal(found, due):
        return
    i, t, n = (int(k) for k in np.argwhere(found != due)[0])
    product, place = (str(panel[d].to_numpy()[k]) for d, k in (("product", i), (where, n)))
    raise ValueError(
        f"panel.{name} of product {i} ({product!r}), period {t}, {where} {n} ({place!r}) is "
        f"{found[i, t, n].item()}, must be {due[i, t, n].item()}, {rule}"
    )

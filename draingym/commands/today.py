"""Today: what is on hand, on its way and expected, as CSV files, and the periods that follow."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from draingym.common.files import reading
from draingym.simulator import MOST_UNITS, smoothed
from draingym.simulator.scenarios.series import units_a_view
from draingym.world.calendar import calendar_features

_ARRIVING = "arriving_"
_FIRST_BLOCK = 4  # periods after which past forecasts are compared with what came
_MOST_RATIO = 5.0  # of what came to what was expected, in a future


@dataclass(frozen=True, kw_only=True, slots=True)
class Today:
    """Where products stand when the next period begins. ``P`` products, ``N`` nodes, ``L`` leads.

    Pairs of product and node that the file leaves out hold nothing.
    """

    on_hand: NDArray[np.int64]  # [P, N] units
    arriving: NDArray[np.int64]  # [P, L, N] units; row k arrives k periods on
    forecast: NDArray[np.float64] | None = None  # [P, Z] units a period; the log's when None


def read_today(
    stock: Path,
    forecast: Path | None,
    *,
    products: Sequence[str],
    nodes: Sequence[str],
    regions: Sequence[str],
    leads: int,
) -> Today:
    """Read today's stock and transit, and a forecast where there is one.

    Args:
        stock: CSV with the columns product, node and on_hand, and arriving_0, arriving_1, ...:
            units that arrive when the next period begins, a period later, and so on. They may be
            left out where nothing is on its way.
        forecast: CSV with the columns product, region and units: expected in a period.
        products: Ids.
        nodes: Names.
        regions: Names.
        leads: Periods within which all arrives, ``L``.

    Raises:
        ValueError: Naming file, row, column, value and bound: an id that the log does not have, a
            pair that is there twice, or a number that is none, negative, or no whole unit.
    """
    at = {name: k for k, name in enumerate(products)}
    where = {name: k for k, name in enumerate(nodes)}
    shape = (len(products), len(nodes))
    on_hand, seen = np.zeros(shape, np.int64), np.zeros(shape, bool)
    arriving = np.zeros((len(products), leads, len(nodes)), np.int64)
    for row, values in _rows(stock, "stock", ("product", "node", "on_hand")):
        p = _key(stock, row, "product", values, at)
        n = _key(stock, row, "node", values, where)
        if seen[p, n]:
            raise ValueError(
                f"{stock}, row {row}: product {products[p]!r} at node {nodes[n]!r} is there twice, "
                "must be there once"
            )
        seen[p, n] = True
        on_hand[p, n] = _number(stock, row, "on_hand", values["on_hand"], whole=True)
        for name, value in values.items():
            if name.startswith(_ARRIVING):
                arriving[p, _ahead(stock, name, leads), n] = _number(
                    stock, row, name, value or "0", whole=True
                )
    expected = None
    if forecast is not None:
        there = {name: k for k, name in enumerate(regions)}
        expected = np.full((len(products), len(regions)), np.nan)
        for row, values in _rows(forecast, "forecast", ("product", "region", "units")):
            p = _key(forecast, row, "product", values, at)
            z = _key(forecast, row, "region", values, there)
            expected[p, z] = _number(forecast, row, "units", values["units"], whole=False)
        missing = np.argwhere(np.isnan(expected))
        if len(missing):
            p, z = (int(i) for i in missing[0])
            raise ValueError(
                f"{forecast} has no row for product {products[p]!r} in region {regions[z]!r}, must "
                f"have one for each of both ({len(missing)} are missing)"
            )
    return Today(on_hand=on_hand, arriving=arriving, forecast=expected)


def _rows(path: Path, what: str, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file by column, with their numbers as an editor counts lines.

    Columns are parted by commas, or by semicolons or tabs where its first row has no comma.
    """
    with reading(what, path, "a CSV file"), path.open(newline="", encoding="utf-8-sig") as file:
        head = file.readline()
        file.seek(0)
        separator = next((sign for sign in ",;\t" if sign in head), ",")
        table = csv.DictReader(file, delimiter=separator)
        names = list(table.fieldnames or [])
        rows = [(table.line_num, row) for row in table]
    missing = [name for name in needed if name not in names]
    if missing:
        raise ValueError(
            f"{path} lacks the column {missing[0]!r}, must have {', '.join(needed)}; it has "
            f"{', '.join(names) or 'none'}"
        )
    for number, row in rows:
        if None in row or any(row[name] is None for name in names):
            raise ValueError(
                f"{path}, row {number} has another number of cells than the {len(names)} columns"
            )
        yield number, row


def _key(path: Path, row: int, name: str, values: dict[str, str], known: dict[str, int]) -> int:
    value = values[name].strip()
    if value not in known:
        examples = ", ".join(map(repr, list(known)[:3]))
        raise ValueError(
            f"{path}, row {row}: {name} is {value!r}, must be one of the log's {len(known)} "
            f"({examples}, ...)"
        )
    return known[value]


def _number(path: Path, row: int, name: str, text: str, *, whole: bool) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not 0 <= value <= MOST_UNITS or (whole and value != np.floor(value)):
        kind = "a whole number" if whole else "a number"
        raise ValueError(
            f"{path}, row {row}: {name} is {text!r}, must be {kind} in [0, {MOST_UNITS}]"
        )
    return value


def _ahead(path: Path, name: str, leads: int) -> int:
    text = name.removeprefix(_ARRIVING)
    if not (text.isascii() and text.isdigit()) or int(text) >= leads:
        raise ValueError(
            f"{path} has the column {name!r}, must be one of {_ARRIVING}0 to {_ARRIVING}{leads - 1}"
            ": lead times are no longer"
        )
    return int(text)


def panel_ahead(
    panel: xr.Dataset,
    today: Today,
    known_periods: int,
    horizon: int,
    half_life: float,
    random: np.random.Generator,
) -> tuple[xr.Dataset, str]:
    """Return a panel that goes on for the next periods: today's stock, and a future of views.

    A future is what was expected times how a block of past periods came out against what was
    expected then, the same block for all products, and Poisson around it. Prices stay as they are
    in the last period. Nothing but these, views and the calendar is known of the periods to come;
    the others hold zeros, which nothing reads.

    Args:
        panel: The log's, of ``T`` periods.
        today: Stock, which stands at the end of the panel.
        known_periods: Periods that the worth of a view is estimated from.
        horizon: Periods to come.
        half_life: Of the forecast, periods.
        random: Draws the block, and views.

    Returns:
        A panel of ``T + horizon`` periods, and a sentence on its calendar, or an empty one.
    """
    views = np.asarray(panel["glance_views"], np.float64)
    expected = smoothed(np.pad(views, ((0, 0), (0, 1), (0, 0))), half_life, views[:, 0])
    level = expected[:, -1]  # [P, Z] views a period
    if today.forecast is not None:
        sold = units_a_view(panel, known_periods)[:, -1]
        usual = np.asarray(panel["conversion"]) * np.asarray(panel["units_per_order"])
        level = today.forecast / np.where(sold > 0, sold, usual)[:, None]
    ratio = _block(views, expected, horizon, random)
    ahead = random.poisson(level[:, None, :] * ratio[:, :, None]).astype(np.int64)
    calendar, note = _calendar_ahead(panel, horizon)

    def longer(name: str, more: NDArray[np.int64] | None = None) -> xr.DataArray:
        values = panel[name].to_numpy()
        if more is None:
            more = np.zeros((values.shape[0], horizon, values.shape[2]), values.dtype)
        return xr.DataArray(np.concatenate([values, more], axis=1), dims=panel[name].dims)

    on_hand = longer("on_hand")
    on_hand[:, panel.sizes["period"] - 1] = today.on_hand
    flows = {name: longer(name) for name in ("outbound", "ship_cost", "available")}
    alone = {
        str(name): values
        for name, values in panel.data_vars.items()
        if "period" not in values.dims and "ahead" not in values.dims
    }
    made = {**alone, **flows, "on_hand": on_hand, "glance_views": longer("glance_views", ahead)}
    if "price_path" in panel:  # the prices of today go on
        path = panel["price_path"].transpose("product", "period").to_numpy()
        held = np.concatenate([path, np.repeat(path[:, -1:], horizon, axis=1)], axis=1)
        made["price_path"] = xr.DataArray(held, dims=("product", "period"))
    made["calendar"] = xr.DataArray(calendar, dims=("period", "feature"))
    return xr.Dataset(made, attrs=panel.attrs), note


def _block(
    views: NDArray[np.float64],
    expected: NDArray[np.float64],
    horizon: int,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """Return [P, H] how views of a past block came out against what was expected before it."""
    last = views.shape[1] - horizon
    if last <= _FIRST_BLOCK:
        return np.ones((views.shape[0], horizon))
    start = int(random.integers(_FIRST_BLOCK, last + 1))
    came = views[:, start : start + horizon].sum(axis=2)
    hoped = expected[:, start].sum(axis=1)[:, None]
    ratio = np.where(hoped > 0, came / np.maximum(hoped, 1e-9), 1.0)
    return np.clip(ratio, 0.0, _MOST_RATIO)


def _calendar_ahead(panel: xr.Dataset, horizon: int) -> tuple[NDArray[np.float64], str]:
    """Return [T + H, E] features; those of our own calendar are known, others stand still."""
    known = panel["calendar"].to_numpy()
    periods, days = panel.sizes["period"], float(panel.attrs["period_days"])
    names = tuple(map(str, panel["feature"].to_numpy()))
    first = np.asarray(panel["date"].to_numpy()[0], "datetime64[D]").item()
    if days == int(days):
        try:
            own, features = calendar_features(first, periods + horizon, int(days))
        except ValueError:  # a year beyond the calendar's
            own, features = (), known
        if own == names and np.allclose(features[:periods], known, atol=1e-6):
            return features, ""
    held = np.concatenate([known, np.repeat(known[-1:], horizon, axis=0)])
    note = f"The calendar's features ({', '.join(names)}) are held at their last values."
    return held, note if names else ""

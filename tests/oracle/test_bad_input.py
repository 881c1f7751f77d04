"""Logs, rates and stock that cannot be: each is refused with table and row, value and bound."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from draingym.oracle import (
    build_systems,
    drain_period,
    estimate_period_rates,
    estimate_rates,
    sample_latent,
    to_event_log,
)
from draingym.oracle.replays.environment import whole
from draingym.world.eventlog import EventLog, read_log, validate_log, write_log
from draingym.world.schema import SCHEMA
from draingym.world.views import ConversionRates, Products


@pytest.fixture(scope="module")
def log(small_world, history):
    return to_event_log(small_world, history)


def changed(log, table, column, row, value):
    """The log with one cell changed, in the column's own type."""
    field = SCHEMA[table].field(column).with_nullable(True)  # as others may write it
    values = log[table][column].to_pylist()
    values[row] = value
    position = log[table].column_names.index(column)
    kind = field.type
    array = (
        pa.array(values, kind.value_type).dictionary_encode().cast(kind)
        if pa.types.is_dictionary(kind)
        else pa.array(values, kind)
    )
    return EventLog(tables={**log.tables, table: log[table].set_column(position, field, array)})


def row_of(log, promise, option):
    """The first view with a promise and an option, as codes."""
    shown, chosen = (log.array("glance_views", c) for c in ("promise", "ship_option"))
    return int(np.flatnonzero((shown == promise) & (chosen == option))[0])


def refused_everywhere(log, message, folder):
    """The log is not valid, cannot be written, and cannot be read where someone else wrote it."""
    with pytest.raises(ValueError, match=message):
        validate_log(log)
    with pytest.raises(ValueError, match=message):
        write_log(log, folder / "log")
    assert not (folder / "log").exists()
    other = folder / "other"
    other.mkdir()
    for name, table in log.tables.items():
        pq.write_table(table, other / f"{name}.parquet")
    with pytest.raises(ValueError, match=message):
        read_log(other)


def test_the_log_itself_is_fine(log, small_world):
    validate_log(log)
    assert sample_latent(log, estimate_rates(log), small_world.places).num_views > 0


# 1. Orders that have no view


def test_an_order_line_of_no_view(log, tmp_path):
    last = int(log.array("glance_views", "view")[-1])
    bad = changed(log, "order_lines", "view", 3, last + 7)
    refused_everywhere(
        bad, rf"order_lines\.view, row 3 is {last + 7}, must be a view of the log", tmp_path
    )


def test_an_order_line_of_a_view_that_bought_nothing(log):
    row = row_of(log, 0, 3)
    view = int(log.array("glance_views", "view")[row])
    bad = changed(log, "order_lines", "view", 5, view)
    with pytest.raises(ValueError, match=r"order_lines\.order, row 5 is \d+, must be the order of"):
        validate_log(bad)


def test_an_order_whose_view_is_gone(log):
    # All tables but this one are as they were.
    lost = int(log.array("order_lines", "view")[4])
    keep = log.array("glance_views", "view") != lost
    views = log["glance_views"].filter(pa.array(keep))
    bad = EventLog(tables={**log.tables, "glance_views": views})
    with pytest.raises(ValueError, match=rf"order_lines\.view, row 4 is {lost}, must be a view"):
        validate_log(bad)


# 2. A promise outside the set


def test_an_unknown_promise(log, small_world, tmp_path):
    bad = changed(log, "glance_views", "promise", 8, "4h")
    message = r"glance_views\.promise, row 8 is '4h', must be one of \('1d', '2d', '3d\+', 'oos'\)"
    refused_everywhere(bad, message, tmp_path)
    for use in (
        estimate_rates,
        lambda log: estimate_period_rates(log, 2),
        lambda log: sample_latent(log, small_world.rates, small_world.places),
        lambda log: sample_latent(log, small_world.rates, small_world.places, conditional=False),
    ):
        with pytest.raises(ValueError, match=message):
            use(bad)


# 3. A ship option faster than its promise


def test_an_option_faster_than_its_promise(log, small_world, tmp_path):
    row = row_of(log, 1, 1)
    bad = changed(log, "glance_views", "ship_option", row, "1d")
    message = rf"glance_views\.ship_option, row {row} is '1d', must be no faster than the promise"
    refused_everywhere(bad, message, tmp_path)
    for use in (
        estimate_rates,
        lambda log: sample_latent(log, small_world.rates, small_world.places),
    ):
        with pytest.raises(ValueError, match=message):
            use(bad)


def test_an_option_that_the_rates_rule_out(log, small_world):
    # Nobody takes 3d+ under a promise of 1d at these rates, but somebody did.
    pmf = small_world.rates.pmf.copy()
    pmf[:, 0, 1] += pmf[:, 0, 2]
    pmf[:, 0, 2] = 0.0
    row = row_of(log, 0, 2)
    message = (
        rf"glance_views\.ship_option, row {row} is '3d\+', which has no probability .* promise '1d'"
    )
    with pytest.raises(ValueError, match=message):
        sample_latent(log, ConversionRates(pmf=pmf), small_world.places)


# 4. Conversion rates that do not sum to one


@pytest.mark.parametrize("extra", [1e-3, -1e-3])
def test_rates_that_do_not_sum_to_one(extra, small_world):
    pmf = small_world.rates.pmf.copy()
    pmf[2, 1, 3] += extra
    with pytest.raises(
        ValueError,
        match=r"product 2, promise '2d', .* is [01]\.\d+, must be 1 as the sum over options",
    ):
        ConversionRates(pmf=pmf)


def test_rates_that_are_not_numbers(small_world):
    pmf = small_world.rates.pmf.copy()
    pmf[1, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"rates of product 1, promise '1d', option '1d' is nan"):
        ConversionRates(pmf=pmf)


def test_rates_of_other_products_or_periods(log, small_world):
    fewer = ConversionRates(pmf=small_world.rates.pmf[:4])
    with pytest.raises(ValueError, match="rates are of 4 products, must be the 6 of products"):
        sample_latent(log, fewer, small_world.places)
    rates = estimate_period_rates(log, 3)
    longer = replace(rates, block=np.append(rates.block, 0))
    with pytest.raises(ValueError, match="rates are of 13 periods, must be the 12 of calendar"):
        sample_latent(log, longer, small_world.places)
    calendar = log["calendar"].slice(0, 9)
    shorter = EventLog(tables={**log.tables, "calendar": calendar})
    with pytest.raises(
        ValueError, match=r"glance_views\.period, row \d+ is 9, must be in \[0, 9\)"
    ):
        estimate_period_rates(shorter, 3)


# 5. A product without weight


@pytest.mark.parametrize(
    ("weight", "bound"),
    [
        pytest.param(None, r"null, must be double", id="null"),
        pytest.param(float("nan"), r"nan, must be finite", id="nan"),
        pytest.param(0.0, r"0\.0, must be > 0", id="zero"),
        pytest.param(-2.0, r"-2\.0, must be > 0", id="negative"),
    ],
)
def test_a_product_without_weight(weight, bound, log, tmp_path):
    bad = changed(log, "products", "weight", 4, weight)
    refused_everywhere(bad, rf"products\.weight, row 4 is {bound}", tmp_path)


def test_a_product_without_weight_in_a_world(small_world):
    w = small_world
    columns = {f: getattr(w.products, f) for f in Products.__dataclass_fields__}
    weight = w.products.weight_lb.copy()
    weight[3] = 0.0
    with pytest.raises(ValueError, match=r"products\.weight_lb\[3\] is 0\.0, must be > 0"):
        Products(**{**columns, "weight_lb": weight})
    demand = w.mean_daily_demand.copy()
    demand[2] = -1.0
    with pytest.raises(ValueError, match=r"mean_daily_demand\[2\] is -1\.0, must be at least 0"):
        build_systems(w.network, w.places, w.products, w.rates, demand)


# 6. Stock that goes negative


@pytest.mark.parametrize("column", ["on_hand", "available", "stowed", "transferred"])
def test_negative_stock_in_a_log(column, log, tmp_path):
    bad = changed(log, "inventory", column, 17, -1)
    refused_everywhere(bad, rf"inventory\.{column}, row 17 is -1, must be >= 0", tmp_path)


def test_boxes_that_hold_more_than_the_shelf_did(log):
    # A unit more in a box and in its line: the shelf would have gone below what it says.
    line = int(log.array("boxes", "order_line")[0])
    row = int(np.flatnonzero(log.array("order_lines", "order_line") == line)[0])
    view = int(log.array("order_lines", "view")[row])
    at = int(np.flatnonzero(log.array("glance_views", "view") == view)[0])
    bad = log
    for table, column, where in (
        ("boxes", "units", 0),
        ("order_lines", "filled", row),
        ("order_lines", "quantity", row),
        ("glance_views", "quantity", at),
    ):
        more = int(log.array(table, column)[where]) + 1
        bad = changed(bad, table, column, where, more)
    with pytest.raises(ValueError, match=r"inventory\.on_hand, row \d+ .* is off by 1"):
        validate_log(bad)


def test_negative_stock_in_a_period(small_world, true_systems):
    stock = np.full((6, 4), 5)
    stock[3, 2] = -1
    with pytest.raises(ValueError, match=r"stock\[3, 2\] is -1, must be at least 0"):
        drain_period(true_systems, small_world.views, 0, stock)


def test_negative_stock_from_a_policy():
    with pytest.raises(
        ValueError, match=r"available\[1, 0\] is -2.0, must be whole and at least 0"
    ):
        whole("available", np.array([[3.0, 1.0], [-2.0, 0.0]]))

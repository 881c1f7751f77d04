"""Long frames in, and what is wrong with them."""

import re

import numpy as np
import pandas as pd
import pytest

from draingym.forecasters.data.frames import Columns, Rules, read_frame
from draingym.forecasters.data.future import require_known, with_future
from draingym.forecasters.data.grid import Step
from tests.forecasters.frames import long_frame

COLUMNS = Columns(static=("kind",), past=("stock",), known=("price",))


@pytest.mark.parametrize("backend", ["pandas", "pyarrow", "polars"])
def test_a_frame_of_any_library_is_read_alike(backend):
    library = pytest.importorskip(backend)
    frame = long_frame()
    if backend == "pyarrow":
        frame = library.Table.from_pandas(frame)
    if backend == "polars":
        frame = library.from_dict(frame.to_dict(orient="list"))
    data = read_frame(frame, COLUMNS)
    assert data.ids == ("a", "b")
    np.testing.assert_array_equal(data.target, [[1, 2, 3, 4], [10, 20, 30, 40]])
    np.testing.assert_array_equal(data.known["price"][0], [1.0, 1.5, 2.0, 2.5])
    np.testing.assert_array_equal(data.past["stock"], np.full((2, 4), 5.0))
    assert data.labels["kind"].tolist() == ["x", "y"]
    assert str(data.times[0]) == "2024-01-01T00:00:00"
    assert data.grid.step == Step.parse("D")


def test_the_order_of_rows_does_not_count():
    frame = long_frame()
    data = read_frame(frame.sample(frac=1.0, random_state=3), COLUMNS)
    np.testing.assert_array_equal(data.target, read_frame(frame, COLUMNS).target)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param(Rules(), [np.nan, np.nan], id="missing"),
        pytest.param(Rules(gaps="zero"), [0.0, 0.0], id="zero"),
    ],
)
def test_gaps_are_missing_or_zero_until_the_end_of_the_data(rules, expected):
    frame = long_frame().drop(index=[5, 7])  # b lacks its second and its last day
    data = read_frame(frame, COLUMNS, rules)
    np.testing.assert_array_equal(data.target[1, [1, 3]], expected)


def test_nothing_is_filled_before_a_series_begins():
    data = read_frame(long_frame().drop(index=[4, 5]), COLUMNS, Rules(gaps="zero"))
    np.testing.assert_array_equal(data.target[1], [np.nan, np.nan, 30.0, 40.0])


def test_order_lines_add_up_by_period_and_returns_are_taken_off():
    lines = pd.DataFrame(
        {
            "unique_id": ["a"] * 4,
            "ds": pd.to_datetime(
                ["2024-01-01 09:00", "2024-01-01 17:00", "2024-01-03 10:00", "2024-01-03 11:00"]
            ),
            "y": [5.0, -2.0, 1.0, 4.0],
            "price": [1.0, 3.0, 2.0, 2.0],
        }
    )
    rules = Rules(freq="D", duplicates="sum", gaps="zero")
    data = read_frame(lines, Columns(known=("price",)), rules)
    np.testing.assert_array_equal(data.target, [[3.0, 0.0, 5.0]])
    np.testing.assert_array_equal(data.known["price"], [[2.0, np.nan, 2.0]])


@pytest.mark.parametrize(("rule", "expected"), [("zero", 0.0), ("missing", np.nan), ("keep", -2.0)])
def test_negative_demand(rule, expected):
    frame = long_frame(y=[1.0, -2.0, 3, 4, 5, 6, 7, 8])
    data = read_frame(frame, COLUMNS, Rules(negative=rule))
    np.testing.assert_array_equal(data.target[0, 1], expected)


def bad(name, message, columns=COLUMNS, rules=None, **changes):
    """A frame with some columns changed, and what is said of it."""
    return pytest.param(changes, columns, rules, message, id=name)


DAYS = [f"2024-01-0{d}" for d in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("changes", "columns", "rules", "message"),
    [
        bad(
            "negative",
            "series 'a', column 'y', 2024-01-02 is -2, must be at least 0",
            y=[1.0, -2.0, 3, 4, 5, 6, 7, 8],
        ),
        bad(
            "duplicate",
            "series 'a' has two rows for 2024-01-01, must have one",
            rules=Rules(freq="D"),
            ds=pd.to_datetime(["2024-01-01"] * 2 + ["2024-01-02", "2024-01-03"] * 3),
        ),
        bad(
            "static-that-changes",
            "series 'a', column 'kind', 2024-01-03 is 'z', must be 'x' throughout",
            kind=list("xxzxyyyy"),
        ),
        bad(
            "two-zones",
            "series 'b', column 'ds' is in two time zones, 2024-01-01T00:00:00+01:00 and "
            "2024-01-02T00:00:00+02:00, must be in one",
            ds=["2024-01-01T00:00:00+01:00"] * 4
            + [f"{day}T00:00:00+0{d}:00" for d, day in enumerate(DAYS, 1)],
        ),
        bad(
            "no-date",
            "series 'a', column 'ds' is 'soon', must be a date",
            ds=["2024-01-01", "soon", *["2024-01-02"] * 6],
        ),
        bad(
            "off-the-grid",
            "series 'b', column 'ds' is 2024-01-03T06:00:00, must be a multiple of 1 days from "
            "2024-01-01 on",
            ds=pd.to_datetime(DAYS + DAYS[:2] + ["2024-01-03 06:00", DAYS[3]], format="mixed"),
        ),
        bad("text", "series 'a', column 'y' is '1', must be a number", y=list("12345678")),
        bad(
            "infinite",
            "series 'a', column 'target', 2024-01-02 is inf, must be finite",
            y=[1.0, np.inf, 3, 4, 5, 6, 7, 8],
        ),
        bad(
            "no-id",
            "column 'unique_id' is missing in row 2",
            unique_id=["a", "a", None, *"abbbb"],
        ),
        bad("empty", "column 'y' has no value", y=[np.nan] * 8),
        bad("no-column", "column 'rebate' is missing", Columns(known=("rebate",))),
        bad("past-text", "column 'kind' is of text", Columns(past=("kind",))),
    ],
)
def test_bad_input_is_named(changes, columns, rules, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read_frame(long_frame(**changes), columns, rules)


def test_gaps_are_refused_where_they_must_not_be():
    with pytest.raises(ValueError, match="series 'b', column 'y', 2024-01-02 has no row"):
        read_frame(long_frame().drop(index=5), COLUMNS, Rules(gaps="error"))


def test_text_with_offsets_is_wall_time_of_each_series():
    stamps = [f"2024-01-0{d}T00:00:00+0{z}:00" for z in (1, 5) for d in (1, 2, 3, 4)]
    data = read_frame(long_frame(ds=stamps), COLUMNS)
    np.testing.assert_array_equal(data.times, read_frame(long_frame(), COLUMNS).times)


def test_days_of_a_zone_are_its_days_and_hours_are_utc():
    days = pd.date_range("2024-03-29", periods=4, tz="Europe/Berlin")  # the clock changes within
    data = read_frame(long_frame(ds=[*days, *days]), COLUMNS)
    assert data.grid.step == Step.parse("D")
    hours = pd.date_range("2024-10-27", periods=4, freq="h", tz="Europe/Berlin")
    data = read_frame(long_frame(ds=[*hours, *hours]), COLUMNS)  # 2 o'clock is met twice
    assert data.grid.step == Step.parse("h")
    assert data.num_periods == 4


@pytest.mark.parametrize(
    ("stamps", "step"),
    [
        pytest.param(pd.date_range("2024-01-31", periods=4, freq="ME"), "M", id="month-ends"),
        pytest.param(pd.date_range("2024-01-15", periods=4, freq="W-MON"), "W", id="weeks"),
        pytest.param(pd.date_range("2024-01-01", periods=4, freq="QS"), "Q", id="quarters"),
        pytest.param(pd.date_range("2024-01-01", periods=4, freq="15min"), "15min", id="quarter-h"),
        pytest.param([3, 4, 5, 6], 1, id="whole-numbers"),
    ],
)
def test_the_grid_is_told_from_the_stamps(stamps, step):
    data = read_frame(long_frame(ds=[*stamps, *stamps]), COLUMNS)
    assert data.grid.step == Step.parse(step)
    expected = np.array(list(stamps))
    if not isinstance(step, int):
        expected = pd.DatetimeIndex(stamps).to_numpy().astype("datetime64[s]")
    np.testing.assert_array_equal(data.times, expected)


def test_what_is_known_ahead_comes_with_rows_without_demand_or_from_a_second_frame():
    frame = long_frame(y=[1.0, 2.0, np.nan, np.nan, 5.0, 6.0, np.nan, np.nan])
    data = read_frame(frame, COLUMNS)
    assert (data.num_periods, data.num_known) == (2, 4)
    require_known(data, 2)
    history = read_frame(long_frame().iloc[[0, 1, 4, 5]], COLUMNS)
    longer = with_future(history, frame.drop(columns=["y", "stock"]), COLUMNS, 2)
    np.testing.assert_array_equal(longer.known["price"], data.known["price"])


@pytest.mark.parametrize(
    ("future", "message"),
    [
        pytest.param(
            lambda frame: frame.drop(columns="price"), "column 'price' is missing", id="no-column"
        ),
        pytest.param(
            lambda frame: frame.drop(index=7),
            "series 'b', column 'price', 2024-01-04 is missing in future, must be given for 2 "
            "periods from 2024-01-03 on",
            id="too-short",
        ),
        pytest.param(
            lambda frame: frame[frame.unique_id == "a"],
            "series 'b', column 'price', 2024-01-03 is missing in future",
            id="no-series",
        ),
    ],
)
def test_a_future_that_is_missing_or_short_is_named(future, message):
    history = read_frame(long_frame().iloc[[0, 1, 4, 5]], COLUMNS)
    with pytest.raises(ValueError, match=re.escape(message)):
        with_future(history, future(long_frame()), COLUMNS, 2)


def test_a_gap_in_what_is_known_ahead_is_named():
    prices = [1.0, 1.5, 2.0, 2.5, 1.0, 1.5, np.nan, 2.5]
    frame = long_frame(y=[1.0, 2.0, np.nan, np.nan, 5.0, 6.0, np.nan, np.nan], price=prices)
    with pytest.raises(ValueError, match="series 'b', column 'price', 2024-01-03 is missing"):
        require_known(read_frame(frame, COLUMNS), 2)

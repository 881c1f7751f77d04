from datetime import date, timedelta

import numpy as np
import pytest

from draingym.world.calendar import calendar_features, chinese_new_year, thanksgiving


@pytest.mark.parametrize(
    ("year", "day"), [(2000, 23), (2001, 22), (2012, 22), (2018, 22), (2024, 28), (2028, 23)]
)
def test_thanksgiving(year: int, day: int) -> None:
    assert thanksgiving(year) == date(year, 11, day)


@pytest.mark.parametrize(
    ("year", "month", "day"), [(1990, 1, 27), (2001, 1, 24), (2015, 2, 19), (2024, 2, 10)]
)
def test_chinese_new_year(year: int, month: int, day: int) -> None:
    assert chinese_new_year(year) == date(year, month, day)


def test_chinese_years_are_twelve_or_thirteen_months() -> None:
    days = [chinese_new_year(year) for year in range(1990, 2031)]
    assert all(date(d.year, 1, 21) <= d <= date(d.year, 2, 20) for d in days)
    months = np.diff([d.toordinal() for d in days]) / 29.530588853
    assert np.abs(months - np.round(months)).max() < 0.04  # a day at most
    assert set(np.round(months).astype(int).tolist()) == {12, 13}


def test_features_by_hand() -> None:
    names, calendar = calendar_features(date(2000, 12, 20), 10, 1)
    assert names[:2] == ("weekday_sin", "weekday_cos")
    column = {name: calendar[:, i] for i, name in enumerate(names)}
    np.testing.assert_allclose(column["event_christmas"] * 30, np.arange(-5, 5))
    np.testing.assert_allclose(column["event_new_year"] * 30, np.arange(-12, -2))
    np.testing.assert_allclose(column["event_thanksgiving"] * 30, np.arange(27, 37))
    np.testing.assert_allclose(column["event_chinese_new_year"] * 30, np.arange(-35, -25))
    # 20 December 2000 was a Wednesday.
    angle = 2 * np.pi * (2 + np.arange(10)) / 7
    np.testing.assert_allclose(column["weekday_sin"], np.sin(angle), atol=1e-12)
    np.testing.assert_allclose(column["weekday_cos"], np.cos(angle), atol=1e-12)


def test_distances_are_clipped_and_weeks_take_their_middle() -> None:
    names, calendar = calendar_features(date(2000, 6, 1), 3, 7)
    assert np.abs(calendar[:, 2:]).max() == 2.0
    _, daily = calendar_features(date(2000, 6, 1) + timedelta(days=3), 1, 1)
    np.testing.assert_array_equal(calendar[0], daily[0])
    assert len(names) == calendar.shape[1]


@pytest.mark.parametrize("day", [date(1990, 12, 31), date(2029, 12, 25), date(1850, 1, 1)])
def test_years_outside_the_table_are_refused(day: date) -> None:
    with pytest.raises(ValueError, match=r"calendar date .*, must be in the years \[1991, 2029\]"):
        calendar_features(day, 10, 1)
    with pytest.raises(ValueError, match=r"year is 2031, must be in \[1990, 2030\]"):
        chinese_new_year(2031)

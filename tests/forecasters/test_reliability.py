"""Probabilities beside what happened: a table worked out by hand."""

import numpy as np
import pytest

from draingym.forecasters.results.reliability import plot_reliability, reliability

# Two bins of four and one of one: 0.1, 0.2, 0.2, 0.3 with one event; 0.5, 0.6, 0.7, 0.6 with
# three; 1 with one. The bin from 0.75 on holds the upper end; that from 0.4 on half of the second.
SAID = [0.1, 0.2, 0.2, 0.3, 0.5, 0.6, 0.7, 0.6, 1.0]
CAME = [0, 0, 1, 0, 1, 1, 0, 1, 1]


def test_the_table_is_that_worked_out_by_hand():
    table = reliability(SAID, CAME, bins=4).table()
    np.testing.assert_allclose(table["low"], [0.0, 0.25, 0.5, 0.75])
    assert table["number"].tolist() == [3, 1, 4, 1]
    np.testing.assert_allclose(table["predicted"], [0.5 / 3, 0.3, 0.6, 1.0])
    np.testing.assert_allclose(table["happened"], [1 / 3, 0.0, 0.75, 1.0])


def test_scores_are_those_worked_out_by_hand():
    found = reliability(SAID, CAME, bins=4)
    square = 0.01 + 0.04 + 0.64 + 0.09 + 0.25 + 0.16 + 0.49 + 0.16 + 0.0
    assert found.brier == pytest.approx(square / 9)
    assert found.base == pytest.approx(5 / 9 * 4 / 9)
    assert found.gap == pytest.approx((3 * 0.5 / 3 + 0.3 + 4 * 0.15 + 0.0) / 9)


def test_what_nobody_knows_is_left_out_and_empty_bins_are_nan():
    found = reliability([[0.1, 0.9], [0.1, 0.5]], [[1, np.nan], [0, np.nan]], bins=2)
    assert found.number.tolist() == [2, 0]
    assert found.happened[0] == 0.5
    assert np.isnan(found.predicted[1])


@pytest.mark.parametrize(
    ("said", "came", "message"),
    [
        ([0.2, 1.5], [0, 1], r"probability.*is 1.5, must be in \[0, 1\]"),
        ([0.2], [0, 1], "event has shape"),
        ([0.2], [np.nan], "event is missing everywhere"),
    ],
    ids=["above one", "shapes", "unknown"],
)
def test_what_is_no_probability_is_refused(said, came, message):
    with pytest.raises(ValueError, match=message):
        reliability(said, came)


def test_the_curve_is_drawn_with_its_score():
    pytest.importorskip("matplotlib")
    figure = plot_reliability({"model": reliability(SAID, CAME, bins=4)})
    axes = figure.axes[0]
    assert axes.get_legend().get_texts()[0].get_text() == "model (Brier 0.204)"
    np.testing.assert_allclose(axes.lines[1].get_ydata(), [1 / 3, 0.0, 0.75, 1.0])

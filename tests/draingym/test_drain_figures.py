from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from draingym.drain_model.evaluation.comparison import compare
from draingym.drain_model.evaluation.evaluate import Evaluation, evaluate
from draingym.report import drain_figures as figures
from tests.drain_model.conftest import Process, make_process


@pytest.fixture(scope="module")
def made() -> Process:
    return make_process(num_products=5, num_periods=6)


@pytest.fixture(scope="module")
def truth(made: Process) -> Evaluation:
    drawn = [made.resample(seed) for seed in range(12)]
    units, cost = (np.stack([d[i] for d in drawn]) for i in (0, 1))
    return evaluate("floor", units, cost, made.data, resamples=20)


def test_lines_over_time_are_the_evaluation_s(truth: Evaluation) -> None:
    axes = Figure().subplots(1, 2)
    figures.quantiles_over_time(axes[0], truth, "total")
    curves = [line.get_ydata() for line in axes[0].lines if len(line.get_ydata()) == 6]
    np.testing.assert_allclose(np.stack(curves, 1), truth.coverage_over_time["total"])
    figures.classes_over_time(axes[1], truth)
    drawn = np.stack([line.get_ydata() for line in axes[1].lines], axis=1)
    np.testing.assert_allclose(drawn[:, 0::2], truth.predicted_over_time)
    np.testing.assert_allclose(drawn[:, 1::2], truth.observed_over_time)


def test_bars_are_ratios_to_the_floor(truth: Evaluation) -> None:
    axes = Figure().subplots()
    found = compare(truth, truth, truth)
    figures.ratio_bars(axes, {"a": found, "b": found}, ("crps_node", "energy"))
    assert [bar.get_width() for bar in axes.patches] == [1.0] * 4


def test_the_map_s_discs_are_shares(made: Process, truth: Evaluation) -> None:
    axes = Figure().subplots()
    figures.drain_map(axes, made.data, truth.node_share, "model")
    areas = [float(disc.get_sizes()[0]) for disc in axes.collections]
    serving = made.data.active.any(axis=0)
    np.testing.assert_allclose(areas, 1400.0 * truth.node_share[serving])
    share = figures.actual_share(made.data)
    assert share.sum() == pytest.approx(1.0)
    nothing = replace(made.data, outbound=0 * made.data.outbound, lane=None, lane_units=None)
    assert figures.actual_share(nothing).tolist() == [0.0] * 4


def test_all_panels_draw(truth: Evaluation, tmp_path) -> None:
    canvas = Figure(layout="constrained")
    axes = canvas.subplots(1, 2)
    figures.reliability_diagram(axes[0], truth)
    figures.pit_histogram(axes[1], truth)
    canvas.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000
    points = sum(len(c.get_offsets()) for c in axes[0].collections)
    assert points == int((truth.reliability[2] > 0).sum())

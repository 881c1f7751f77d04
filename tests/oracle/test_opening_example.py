"""The paper's opening example, through the emulated systems."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from draingym.oracle.config import OracleConfig
from draingym.oracle.rules.ship_cost import box_rate, rate_card

FILE = Path(__file__).parents[2] / "examples" / "opening_example.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("opening_example", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("stock", "left", "node", "zone", "promise"),
    [
        pytest.param([10, 0], [6, 0], 0, 8, 2, id="all in New York"),
        pytest.param([5, 5], [5, 1], 1, 1, 0, id="half in Los Angeles"),
    ],
)
def test_four_units_of_demand_in_los_angeles(example, stock, left, node, zone, promise):
    outcome = example.serve(stock)
    assert outcome.stock.tolist() == [left]
    assert outcome.outbound[0].tolist() == [4 * (node == 0), 4 * (node == 1)]
    assert outcome.promise.tolist() == [promise] * 4
    assert outcome.filled.tolist() == [1] * 4
    # Four boxes of 2.5 lb to zone 8 across the country, or to zone 1 across town.
    bill = 4 * box_rate(rate_card(OracleConfig()), zone, 2.5)
    assert outcome.ship_cost.sum() == pytest.approx(bill, abs=4 / 1024)
    assert outcome.ship_cost[0, 1 - node] == 0


def test_across_the_country_costs_several_times_as_much(example):
    high, low = (example.serve(stock).ship_cost.sum() for stock in ([10, 0], [5, 5]))
    # 5.70 + .32 * 2.5 + 8 * (1.157 + .27 * 2.5) against the same with zone 1.
    assert high / low == pytest.approx(21.156 / 8.332, rel=1e-3)


def test_it_prints_what_is_left(example, capsys):
    example.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(example.SCENARIOS)
    assert "6 / 0" in lines[1]
    assert "5 / 1" in lines[2]
    assert np.char.find(lines, "USD").tolist()[1:] == [np.char.find(lines[1], "USD")] * 2

"""The example that plugs in a rule of the user's own."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from draingym.oracle import replay, setting_from_log, to_event_log
from draingym.world.eventlog import validate_log, write_log

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_fulfilment.py"


@pytest.fixture(scope="module")
def log(small_world, history):
    return to_event_log(small_world, history)


def test_it_runs_and_is_short(log, tmp_path, monkeypatch, capsys):
    assert len(EXAMPLE.read_text().splitlines()) < 40
    write_log(log, tmp_path / "log")
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(tmp_path / "log")])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    greedy, own = (float(line.split()[-4]) for line in capsys.readouterr().out.splitlines())
    # The fullest node is neither near nor in the habit of sharing boxes.
    assert own > 1.2 * greedy > 0


def test_its_replay_is_a_log_of_boxes_from_the_fullest_nodes(log):
    rule = runpy.run_path(str(EXAMPLE))["fullest"]
    setting = setting_from_log(log)
    result = replay(setting, setting.stock, planner=rule)
    validate_log(result.log)
    boxes = result.log.array("boxes", "box")
    assert np.unique(boxes).size == boxes.size
    first = int(result.log.array("boxes", "order_line").argmin())
    product = result.log.array("order_lines", "product")[0]
    nodes = np.flatnonzero(setting.network.serves_customers)
    fullest = nodes[setting.stock[product, 0, nodes].argmax()]
    assert result.log.array("boxes", "node")[first] == fullest

"""The checks of the self-test hold here, and notice what is wrong."""

import numpy as np
import pytest

from draingym.selftest import checks, speed

pytestmark = pytest.mark.slow


def test_a_store_costs_what_theory_says_and_the_gradient_is_its_slope():
    for check in (checks.optimum, checks.gradient):
        found = check()
        assert found.passes, found.says


def test_a_wrong_optimum_and_a_wrong_slope_are_noticed(monkeypatch):
    right = checks.costs
    monkeypatch.setattr(checks, "costs", lambda level: (1.02 * np.asarray(right(level))).tolist())
    assert checks.optimum().passes is False
    assert checks.gradient().passes is False


def test_two_devices_find_the_same():
    found = checks.two_devices()
    assert found.passes, found.says


def test_speed_is_told_beside_what_was_recorded():
    found = speed.speed()
    assert found.passes is None
    assert found.figures["steps_a_second"] > 0
    assert "recorded" in found.says

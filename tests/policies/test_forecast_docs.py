"""The examples of docs/forecasters.md, "In the gym", run on a small panel."""

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from draingym.forecasters.monotone_transformer import PriceCurves
from draingym.forecasters.monotone_transformer.types import DemandCurves
from tests.policies.forecast_world import small_panel, small_simulator, small_windows

PAGE = Path(__file__).parents[2] / "docs" / "forecasters.md"
SECTION = re.search(r"## In the gym\n(.*?)\n## ", PAGE.read_text(encoding="utf-8"), re.DOTALL)
BLOCKS = re.findall(r"```python\n(.*?)```", SECTION.group(1) if SECTION else "", re.DOTALL)


@pytest.mark.slow
def test_the_examples_run_one_after_the_other(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    panel = small_panel()
    simulator, params = small_simulator()
    one = jnp.ones((1, 3))
    curves = DemandCurves(base=one, scale=one, delta=0.1 * jnp.ones((1, 3, 7)))
    prices = PriceCurves(ids=("shirt",), times=np.arange(3), curves=curves, scale=jnp.ones(1))
    names = {"panel": panel, "windows": small_windows(panel), "prices": prices}
    names |= {"simulator": simulator, "params": params}
    assert len(BLOCKS) == 6
    for block in BLOCKS:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["generated"].num_products == 3 * 2 * 8
    assert names["task"].periods == 5
    assert (tmp_path / "forecast.png").stat().st_size > 5000

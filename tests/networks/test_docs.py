"""The page about networks does what it says."""

import re
from pathlib import Path

import gymnasium
import pytest

from draingym.networks.description import Arc, Node

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.slow
def test_the_examples_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in BLOCKS:
        quick = block
        for long, short in (
            ("52, 256", "10, 8"),
            ("range(100)", "range(2)"),
            ("52, 1024", "10, 8"),
            ("environment(horizon=52)", "environment(horizon=6)"),
            ("generations=20", "generations=1, population=1"),
            ("updates=500, batch_products=64", "updates=2, batch_products=4"),
        ):
            quick = quick.replace(long, short)
        exec(compile(quick, str(PAGE), "exec"), names)
    del gymnasium.registry["mine/Chain-v0"]
    said = r"worth \S+ a year, \S+ \+- \S+ more .*\ntuned \S+, neural \S+ a year\n"
    assert re.fullmatch(said, capsys.readouterr().out)
    assert names["neural"].arcs == 4
    assert names["image"].shape == (440, 720, 3)
    assert len(BLOCKS[0].strip().splitlines()) <= 20


@pytest.mark.parametrize("kind", [Node, Arc])
def test_the_fields_it_names_exist(kind):
    named = re.findall(rf"`{kind.__name__}\.(\w+)`", TEXT)
    assert named
    assert set(named) <= set(kind.__dataclass_fields__)


def test_its_picture_is_there():
    assert 0 < (PAGE.parent / "images" / "network.png").stat().st_size < 150_000

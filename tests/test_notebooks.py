"""The notebooks run from top to bottom, at a small size, and are committed without outputs."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# What is written, and what runs in its place.
SMALLER = {
    "1_gym_and_ppo": {
        "ENVS = 1024": "ENVS = 8",
        "UPDATES = 150": "UPDATES = 2",
        "batch_products=64": "batch_products=4",
        "GENERATIONS = 10": "GENERATIONS = 1",
        "task_of(env)": "task_of(env, evaluation_batch=8)",
    },
    "2_gradients": {
        "UPDATES = 60": "UPDATES = 1",
        "batch_products=16": "batch_products=2",
        "evaluation_batch=64": "evaluation_batch=4",
    },
    "3_trust": {
        '"samples": 32': '"samples": 8',
        '"floor_samples": 32': '"floor_samples": 8',
        '"num_products": 12': '"num_products": 6',
        '"updates": 40, "evaluate_every": 20': '"updates": 2, "evaluate_every": 2',
        '"generations": 4': '"generations": 1, "population": 1',
    },
    "4_own_data": {
        '"updates": 30, "evaluate_every": 10': '"updates": 2, "evaluate_every": 2',
        '"generations": 3': '"generations": 1, "population": 1',
        '"epochs": 2': '"epochs": 1',
    },
    "5_forecasts_and_prices": {
        "EPOCHS = 20": "EPOCHS = 1",
        "epochs=EPOCHS": "epochs=EPOCHS, windows=64, batch=32",
        'discount="discount")': 'discount="discount", context=14, near=2, layers=1, heads=2, '
        "near_epochs=1, far_epochs=1)",
    },
}
# Two notebooks are made of commands, most of whose time would be compiling: LLVM may be quick.
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def cells(path: Path, kind: str) -> list[str]:
    """Return the cells of a kind."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", f"{os.environ.get('XLA_FLAGS', '')} {QUICK}".strip())
    names: dict[str, object] = {"__name__": path.stem}
    for number, code in enumerate(cells(path, "code")):
        for long, short in SMALLER[path.stem].items():
            code = code.replace(long, short)
        exec(compile(code, f"{path.name}, code {number}", "exec"), names)
    pyplot.close("all")


def test_there_is_one_for_each_kind_of_user():
    assert {path.stem for path in NOTEBOOKS} == set(SMALLER)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_plain_python_without_outputs_and_installs_what_is_missing(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    assert all(cell.get("execution_count") is None for cell in notebook["cells"])
    code = cells(path, "code")
    for each in code:
        ast.parse(each)
    assert '"pip", "install"' in code[0]
    assert cells(path, "markdown")[0].startswith("# ")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_made_smaller_is_in_it(path):
    text = "\n".join(cells(path, "code"))
    assert [long for long in SMALLER[path.stem] if long not in text] == []

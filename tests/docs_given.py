"""What the pages' code takes as given, and what the tests make smaller in it."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]

# Pages whose code takes more than a second or so.
SLOW = {
    *("coming_from.md", "gym.md", "how_to.md", "oracle.md", "policies.md"),
    *("quickstart.md", "recipes.md", "forecasters.md", "scale_out.md", "validation.md"),
    "gallery_simulator.md",
}
# Pages whose code takes minutes.
LONG = {
    *("gallery_drain_model.md", "gallery_forecasters.md", "gallery_oracle.md"),
    *("gallery_policies.md", "tour.md"),
}
# By page: what is written, and what is run in its place. Each must be in the page.
SHORTER: dict[str, dict[str, str]] = {
    "how_to.md": {
        "generations=10": "generations=1, population=2",
        "updates=100, batch_products=32": "updates=2, batch_products=4",
        "updates=20, batch_products=16": "updates=2, batch_products=4",
        "sample=sample)": "sample=sample, evaluation_batch=16)",
    },
    "quickstart.md": {"updates=60, batch_products=32": "updates=2, batch_products=4"},
    "policies.md": {
        "updates=1500, batch_products=16": "updates=2, batch_products=4",
        "periods=40, warm_up=4": "periods=8, warm_up=4, evaluation_batch=16",
        "in suite.items()": "in list(suite.items())[:1]",
        "TuneConfig(rollouts=6000)": "TuneConfig(generations=1, population=2)",
        'draingym/Placement-v0")': 'draingym/Placement-v0", horizon=4)',
    },
    "forecasters.md": {
        "columns=columns)": "columns=columns, config=BRIEF)",
        'discount="discount", stock="stock"': 'discount="discount", stock="stock", context=14, '
        "near=2, layers=1, heads=2, near_epochs=1, far_epochs=1",
        'inventory="inventory"': 'inventory="inventory", context=14, width=8, heads=2',
    },
    "oracle.md": {'planner="batch_milp", ': ""},
    "scale_out.md": {"ProcessPoolExecutor(mp": "ProcessPoolExecutor(1, mp"},
    "validation.md": {"rounds=2": "rounds=1, drain=brief"},
}


def given(page: str) -> dict[str, Any]:
    """Return the names that a page's code takes as given."""
    made: dict[str, Callable[[], dict[str, Any]]] = {
        "differentiability.md": _store,
        "forecasters.md": _sales,
        "oracle.md": _two_cities,
        "scale_out.md": _log,
        "validation.md": _run,
    }
    return made[page]() if page in made else {}


def _store() -> dict[str, Any]:
    """Return a store, a policy with a level that is no number, and eight trajectories."""
    import draingym

    simulator, params, sample = draingym.single_store(lead_time=1)
    return {
        "draingym": draingym,
        "simulator": simulator,
        "params": params,
        "policy": draingym.BaseStock(),
        "policy_params": float("nan"),
        "scenarios": sample(jax.random.key(0), 5, 8),
    }


def _two_cities() -> dict[str, Any]:
    """Return the systems, places and stock of the opening example, beside a finished run."""
    example = runpy.run_path(str(ROOT / "examples" / "opening_example.py"))
    _finished()
    systems = example["make_systems"]()
    places = SimpleNamespace(
        name=("100", "900"), region=np.array([0, 1]), population=np.array([8.3e6, 3.8e6])
    )
    return {"systems": systems, "places": places, "stock": np.array([10, 0])}


def _sales() -> dict[str, Any]:
    """Write a table of sales; return plans of the days to come, and a short training."""
    pandas = pytest.importorskip("pandas")
    from draingym.forecasters import TrainConfig

    random = np.random.default_rng(0)
    days, ahead, series = 60, 14, ("a", "b")
    number = len(series) * (days + ahead)
    rows = pandas.DataFrame(
        {
            "unique_id": np.repeat(series, days + ahead),
            "ds": np.tile(pandas.date_range("2026-01-01", periods=days + ahead), len(series)),
            "y": random.poisson(5.0, number),
            "price": random.choice([2.0, 3.0], number),
            "discount": random.choice([0.0, 0.3], number),
            "promotion": random.integers(0, 2, number),
            "stock": 9.0,
            "inventory": random.poisson(8.0, number),
            "category": np.repeat(["shirts", "shoes"], days + ahead),
            "brand": "one",
        }
    )
    known = rows["ds"] < rows["ds"].min() + pandas.Timedelta(days=days)
    rows[known].to_csv("sales.csv", index=False)
    coming = rows[~known]
    return {
        "BRIEF": TrainConfig(epochs=1, batch=16, windows=16),
        "prices_to_come": coming[["unique_id", "ds", "price"]],
        "discounts_to_come": coming[["unique_id", "ds", "discount"]],
        "plans": coming[["unique_id", "ds", "price", "promotion"]],
    }


def _finished() -> Path:
    """Return the folder of a run in which nothing was trained."""
    from tests.draingym.damage import make_folder

    folder = Path("runs/demo")
    folder.mkdir(parents=True)
    make_folder(folder)
    return folder


def _log() -> dict[str, Any]:
    """Write a log, and the file of a policy."""
    folder = _finished()
    shutil.copytree(folder / "log", "log")
    shutil.copy(folder / "neural.npz", "neural.npz")
    return {}


def _run() -> dict[str, Any]:
    """Return what a run validates, and what fine-tuning goes on from."""
    from draingym.demo.run import Run
    from draingym.oracle import read_setting
    from tests.draingym.damage import CONFIG

    run = Run(CONFIG, _finished())
    setting, tuned = run.setting, run.parameters["order up to"]

    def retrained(checkpoint: Any, policies: Any, k: int) -> Any:
        del checkpoint, policies, k
        other = jax.tree.map(lambda number: 0.9 * number, tuned)
        return {"leaner": (run.policies["order up to"], other)}

    return {
        "policies": {"order up to": (run.policies["order up to"], tuned)},
        "simulator": setting.simulator,
        "params": setting.params,
        "windows": setting.test,
        "horizon": run.test_horizon,
        "oracle": run.oracle(1),
        "truth": run.truth(1),
        "checkpoint": run.checkpoint,
        "history": run.drain_data.periods(0, run.split),
        "scenario": read_setting(run.out / "log").scenario(0, run.split, 0),
        "retrained": retrained,
        "brief": replace(CONFIG.drain, epochs=1),
    }

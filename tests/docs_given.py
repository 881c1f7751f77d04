"""What the pages' code takes as given, and what the tests make smaller in it."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np

ROOT = Path(__file__).parents[1]

# Pages whose code takes more than a second or so.
SLOW = {
    *("coming_from.md", "gym.md", "how_to.md", "oracle.md", "policies.md"),
    *("quickstart.md", "recipes.md"),
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
    },
}


def given(page: str) -> dict[str, Any]:
    """Return the names that a page's code takes as given."""
    if page == "differentiability.md":
        return _store()
    if page == "oracle.md":
        return _two_cities()
    return {}


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
    """Return the systems, places and stock of the opening example."""
    example = runpy.run_path(str(ROOT / "examples" / "opening_example.py"))
    systems = example["make_systems"]()
    places = SimpleNamespace(
        name=("100", "900"), region=np.array([0, 1]), population=np.array([8.3e6, 3.8e6])
    )
    return {"systems": systems, "places": places, "stock": np.array([10, 0])}

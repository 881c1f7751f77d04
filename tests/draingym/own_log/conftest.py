"""The log of a small run in which nothing was trained, as a log of one's own."""

import json
import sys

import pytest

from draingym.cli import main
from draingym.commands.log_run import LogRun

SETTINGS = {
    "training_horizon": 3,
    "training_starts": 2,
    "train": {"updates": 2, "batch_products": 3, "evaluate_every": 1},
    "tune": {"population": 1, "generations": 1},
}


@pytest.fixture
def call(monkeypatch):
    """Runs a verb."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["draingym", *map(str, words)])
        main()

    return run


@pytest.fixture(scope="session")
def settings(tmp_path_factory):
    """File of settings with which fits are short."""
    path = tmp_path_factory.mktemp("settings") / "settings.json"
    path.write_text(json.dumps(SETTINGS))
    return path


@pytest.fixture(scope="session")
def log_run(whole_folder, settings):
    """The log with its panel and model; tests do not change it."""
    return LogRun(
        whole_folder / "log",
        settings,
        drain=whole_folder / "drain_model.npz",
        panel=whole_folder / "panel.zarr",
    )

"""Fine-tuning rounds: which labels and policies each of them sees."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from draingym.drain_model import DrainData
from draingym.drain_model.data.dataset import Geography
from draingym.policies.validation.fine_tuning import FineTuneConfig, fine_tune

FIT = "draingym.policies.validation.fine_tuning.train"


def history(products=6) -> DrainData:
    """Products that nobody looks at, in one period, at one node and in one region."""
    empty = np.zeros((products, 1, 1), np.float32)
    place = jnp.zeros((1, 2))
    return DrainData(
        **dict.fromkeys(("outbound", "ship_cost", "available", "glance_views"), empty),
        active=np.ones((1, 1), bool),
        calendar=np.zeros((1, 0), np.float32),
        attributes=np.zeros((products, 3), np.float32),
        geography=Geography(
            node_coordinates=place, region_coordinates=place, distance_km=jnp.ones((1, 1))
        ),
    )


def test_rounds_add_labels_and_never_label_the_last_policies(monkeypatch) -> None:
    log, seen, folders = history(), [], []

    def fitted(data, config, *, seed, initial, folder):
        folders.append(folder)
        seen.append((data.num_products, initial.train_periods))
        checkpoint = SimpleNamespace(train_periods=initial.train_periods + 1)
        progress = SimpleNamespace(best_loss=1.0)
        return SimpleNamespace(checkpoint=checkpoint, history=(progress,))

    monkeypatch.setattr(FIT, fitted)
    asked = []

    def labelled(policies, k):
        asked.append((k, tuple(policies)))
        return [replace(log, sales=None)] * len(policies)

    found = fine_tune(
        SimpleNamespace(train_periods=100),
        log,
        {"first": (None, 0), "second": (None, 1)},
        labelled,
        lambda checkpoint, policies, k: {f"made in {k}": (None, checkpoint.train_periods)},
        FineTuneConfig(rounds=3),
        folder=Path("kept"),
    )
    assert folders == [Path("kept") / f"round_{k}" for k in (1, 2, 3)]  # each fit goes on by itself
    assert asked == [(0, ("first", "second")), (1, ("made in 0",)), (2, ("made in 1",))]
    # Six products: the log, and the panels of all rounds so far; every fit goes on from the last.
    assert seen == [(18, 100), (24, 101), (30, 102)]
    assert found.policies == {"made in 2": (None, 103)}
    assert [r.panels for r in found.rounds] == [2, 3, 4]
    # Training that finds nothing better than where it began returns a policy that was labelled.
    with pytest.raises(ValueError, match="policy 'first' of the last round is one whose states"):
        fine_tune(
            SimpleNamespace(train_periods=100),
            log,
            {"first": (None, {"cover": np.ones(2)})},
            labelled,
            lambda checkpoint, policies, k: {"first": (None, {"cover": np.ones(2)})},
        )
    with pytest.raises(ValueError, match=r"rounds is 5, must be in \[1, 4\]"):
        FineTuneConfig(rounds=5)

"""The benchmark of scale, whole, at a size that says nothing about accuracy."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks._common import Clock
from benchmarks.scale_parts.cells import FLOOR, LEVELS
from draingym.drain_model import DrainConfig

LEAST = DrainConfig(width=4, heads=1, pair_width=4, frequencies=1, epochs=1, validate_every=1)


@pytest.mark.long
def test_every_model_is_scored_in_every_cell_and_every_bar_has_its_claim(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = replace(LEAST, joint="coherent")
    monkeypatch.setattr(scale, "CONFIGS", {"tiny": config})
    monkeypatch.setattr(scale, "GAPS", {"tiny": {"seen": 0.8, "new": 0.85, "off policy": 0.75}})
    monkeypatch.setattr(scale, "SHARES", (0.5, 1.0))
    found = {
        "accuracy-tiny": scale.accuracy("tiny", 0, 4, Clock(), tmp_path / "a"),
        "products-tiny": scale.products("tiny", 0, 4, Clock(), tmp_path / "b"),
    }
    json.dumps(found)
    cells = found["accuracy-tiny"]["rows"]
    models = {row["model"] for row in cells}
    other, _ = scale.other_joint(config)
    assert other == "default, independent nodes"
    assert models >= {FLOOR, scale.DEFAULT, scale.NO_BOXES, scale.NO_STOCK, other}
    assert len(cells) == len(models) * 4 * len(LEVELS)
    for row in cells:
        if row["model"] == FLOOR:
            assert (row["to_floor"], row["closed"]) == (1.0, 1.0)
        if row["model"] == scale.CLOSEST:
            assert row["closed"] == 0.0
    claims = scale.claims_of(found)
    assert {claim.bar for claim in claims} == {1, 2, 3, 4}
    assert sum(claim.bar == 1 for claim in claims) == 2 * 4 * len(LEVELS)
    closed = [claim.needs for claim in claims if "gap" in claim.what]
    assert closed == [">= 0.8", ">= 0.85", ">= 0.75", ">= 0.75"]
    assert [row["products"] for row in found["products-tiny"]["rows"]][:: len(LEVELS)] == [5, 10]

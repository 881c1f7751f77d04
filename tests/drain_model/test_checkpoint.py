import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.drain_model import (
    Checkpoint,
    DrainConfig,
    DrainData,
    Statistics,
    load_checkpoint,
    sample_panel,
    save_checkpoint,
)
from draingym.drain_model.checkpoint import initial_weights

TINY = DrainConfig(width=8, heads=2, pair_width=8, frequencies=2)


@pytest.fixture(scope="module")
def data(process) -> DrainData:
    return process.data


@pytest.fixture(scope="module")
def checkpoint(data: DrainData) -> Checkpoint:
    return Checkpoint(
        config=TINY,
        weights=initial_weights(TINY, 2, 3, seed=4),
        statistics=Statistics.from_data(data),
        node_coordinates=np.asarray(data.geography.node_coordinates),
        train_periods=17,
    )


@pytest.fixture
def path(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    save_checkpoint(checkpoint, tmp_path / "model.npz")
    return tmp_path / "model.npz"


def test_a_checkpoint_comes_back_as_it_was(checkpoint: Checkpoint, path: Path) -> None:
    found = load_checkpoint(path, config=TINY)
    assert found.config == checkpoint.config
    assert found.train_periods == 17
    for a, b in (
        (found.weights, checkpoint.weights),
        (found.statistics, checkpoint.statistics),
        (found.node_coordinates, checkpoint.node_coordinates),
    ):
        jax.tree.map(np.testing.assert_array_equal, a, b)
    assert [p.name for p in path.parent.iterdir()] == ["model.npz"]


def test_another_config_is_named(path: Path) -> None:
    with pytest.raises(ValueError, match=r"config\.heads is 2, must be 4"):
        load_checkpoint(path, config=replace(TINY, heads=4))


def test_more_periods_than_the_data_has_are_named(checkpoint: Checkpoint, data: DrainData) -> None:
    with pytest.raises(ValueError, match=r"periods \[16, 21\), must be .* part of \[0, 20\)"):
        sample_panel(checkpoint, data, (16, 21), 4, jax.random.key(0))


def test_arrays_that_are_not_there_are_named(path: Path) -> None:
    rewrite(path, lambda arrays: arrays.pop("node_coordinates"))
    with pytest.raises(ValueError, match=r"model\.npz: node_coordinates is missing"):
        load_checkpoint(path)


def rewrite(path: Path, change) -> None:
    with np.load(path) as file:
        arrays = dict(file.items())
    change(arrays)
    np.savez(path, **arrays)


def test_arrays_that_do_not_fit_the_config_are_named(path: Path) -> None:
    def cut(arrays: dict) -> None:
        arrays["weights/context/bias"] = arrays["weights/context/bias"][:3]

    rewrite(path, cut)
    with pytest.raises(ValueError, match=r"weights/context/bias has shape \(3,\), must be \(8,\)"):
        load_checkpoint(path)


def test_an_unknown_config_key_is_named(path: Path) -> None:
    def add(arrays: dict) -> None:
        meta = json.loads(str(arrays["meta"]))
        meta["config"]["depth"] = 7
        arrays["meta"] = np.array(json.dumps(meta))

    rewrite(path, add)
    with pytest.raises(ValueError, match=r"config\.depth is 7, must be one of"):
        load_checkpoint(path)


@pytest.mark.parametrize("kept", [0, 100, 3000])
def test_half_a_file_is_no_checkpoint(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"model\.npz, must be a whole \.npz file"):
        load_checkpoint(path)


def test_a_failed_write_leaves_the_old_file(
    checkpoint: Checkpoint, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(checkpoint, path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["model.npz"]


def test_data_of_other_features_or_nodes_is_named(checkpoint: Checkpoint, data: DrainData) -> None:
    checkpoint.require(data)
    with pytest.raises(ValueError, match=r"data\.calendar has 1 features, must be 2"):
        checkpoint.require(replace(data, calendar=data.calendar[:, :1]))
    moved = replace(
        data,
        geography=replace(
            data.geography,
            node_coordinates=jnp.asarray(data.geography.node_coordinates).at[2].add(1.0),
        ),
    )
    with pytest.raises(ValueError, match=r"node_coordinates\[2\] is .*, must be"):
        checkpoint.require(moved)
    checkpoint.require(moved, new_nodes=True)
    fewer = replace(
        data,
        geography=replace(
            data.geography,
            node_coordinates=data.geography.node_coordinates[:3],
            distance_km=data.geography.distance_km[:3],
        ),
        active=data.active[:, :3],
        **{n: getattr(data, n)[..., :3] for n in ("outbound", "ship_cost", "available")},
    )
    with pytest.raises(ValueError, match="data has 3 nodes, must be 4"):
        checkpoint.require(fewer)

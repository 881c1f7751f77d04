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
from draingym.drain_model.outside import outside_notes

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


def meta(value: object, *where: str):
    """A change of the plain values of a file: the value goes where the keys lead to."""

    def change(arrays: dict) -> None:
        found = json.loads(str(arrays["meta"]))
        inner = found
        for key in where[:-1]:
            inner = inner[key]
        if where:
            inner[where[-1]] = value
        arrays["meta"] = np.array(json.dumps(found if where else value))

    return change


def without(name: str):
    return lambda arrays: arrays.pop(name)


def put(name: str, values: np.ndarray):
    return lambda arrays: arrays.__setitem__(name, values)


HOSTILE = {
    "null": (meta(None), "meta is None, must hold fields of"),
    "a list": (meta([1]), r"meta is \[1\], must hold fields of"),
    "another version": (meta(2, "version"), "meta.version is 2, must be one of 1"),
    "no config": (meta({"version": 1}), "meta.config is missing"),
    "a config that is a list": (meta([], "config"), r"meta.config is \[\], must hold fields of"),
    "an unknown key": (meta(7, "config", "depth"), "meta.config.depth is no field, must be one of"),
    "a width that is text": (meta("8", "config", "width"), "config.width is '8', must be of type"),
    "a width that is real": (meta(8.0, "config", "width"), "config.width is 8.0, must be of type"),
    "a width of millions": (meta(2**40, "config", "width"), "config.width is 1099511627776, must"),
    "dilations of millions": (meta([10**6], "config", "dilations"), "look back 2000000 periods"),
    "another joint": (meta("joint", "config", "joint"), "config.joint is 'joint', must be one of"),
    "periods that are text": (meta("17", "train_periods"), "meta.train_periods is '17', must be"),
    "periods below none": (meta(-1, "train_periods"), "train_periods is -1, must be"),
    "no text": (put("meta", np.zeros(3)), "must be a whole"),
    "no nodes": (without("node_coordinates"), "node_coordinates is missing"),
    "nodes of another rank": (put("node_coordinates", np.zeros(4)), r"\(4,\), must be \(any, 2\)"),
    "nodes that are text": (put("node_coordinates", np.full((4, 2), "x")), "is of type <U1"),
    "nodes nowhere": (put("node_coordinates", np.full((4, 2), np.nan)), "must be finite"),
    "no statistics": (without("statistics/calendar_mean"), "statistics/calendar_mean is missing"),
    "statistics of another rank": (
        put("statistics/calendar_mean", np.float32(1)),
        r"must be \(any",
    ),
    "statistics of another size": (put("statistics/calendar_scale", np.ones(7)), r"must be \(2,\)"),
    "a scale of nothing": (put("statistics/distance_scale", np.float32(0)), "must be above 0"),
    "weights that are text": (put("weights/context/bias", np.full(8, "x")), "is of type <U1"),
    "weights that are not finite": (
        put("weights/context/bias", np.full(8, np.inf, np.float32)),
        r"weights/context/bias\[0\] is inf, must be finite",
    ),
    "an array too many": (put("weights/other", np.zeros(1)), "weights/other is unknown"),
    "an array elsewhere": (put("other", np.zeros(1)), "other is unknown"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_file_that_is_no_checkpoint_is_named(path: Path, change, message: str) -> None:
    rewrite(path, change)
    with pytest.raises(ValueError, match=rf"^checkpoint .*model\.npz.*{message}"):
        load_checkpoint(path)


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^checkpoint .*x\.npz cannot be read \(No such file"):
        load_checkpoint(tmp_path / "x.npz")


def test_the_shipped_checkpoint_loads() -> None:
    from draingym.envs.shipped import shipped_checkpoint

    assert shipped_checkpoint().train_periods == 80
    assert shipped_checkpoint().config == DrainConfig(epochs=4, validate_every=1)


@pytest.mark.parametrize("kept", [0, 100, 3000])
def test_half_a_file_is_no_checkpoint(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    message = (
        r"model\.npz cannot be read \(.*\), must be a whole \.npz file; draingym train-drain makes "
        "another$"
    )
    with pytest.raises(ValueError, match=message):
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
        lane=None,
        lane_units=None,
    )
    with pytest.raises(ValueError, match="data has 3 nodes, must be 4"):
        checkpoint.require(fewer)


def test_places_outside_of_the_geography_are_named(checkpoint: Checkpoint, data: DrainData) -> None:
    places = data.geography
    node, region = (np.array(getattr(places, f"{name}_coordinates")) for name in ("node", "region"))
    high = max(node[:, 0].max(), region[:, 0].max())
    node[1, 0] = high + 5.0
    region[3] = [high + 7.0, region[:, 1].mean()]
    far = replace(
        data,
        geography=replace(places, node_coordinates=node, region_coordinates=region),
        node_name=("a", "Anchorage", "c", "d"),
    )
    first, second = found = checkpoint.outside(far)
    assert (first.kind, first.name, first.attribute) == ("node", "'Anchorage'", "latitude")
    assert (first.value, first.high) == pytest.approx((high + 5.0, high))
    assert (second.kind, second.name, second.attribute) == ("region", "3", "latitude")
    notes = outside_notes(found, far)
    counts = [note[: note.index(" outside")] for note in notes]
    assert counts == ["1 of 4 nodes lie", "1 of 5 regions lie"]
    assert "latitude of node 'Anchorage' is" in notes[0]
    # A place within the span is no news, wherever it is.
    inside = np.array(places.region_coordinates)
    inside[3] = inside.mean(axis=0)
    near = replace(data, geography=replace(places, region_coordinates=inside))
    assert checkpoint.outside(near) == ()


def test_notes_count_products_and_name_the_first(checkpoint: Checkpoint, data: DrainData) -> None:
    far = data.attributes.copy()
    far[:4, 0] += 100.0
    far[0, 1] -= 100.0
    moved = replace(data, attributes=far)
    (note,) = outside_notes(checkpoint.outside(moved), moved, most=3)
    assert note.startswith("4 of 6 products have attributes beyond those that the drain model was")
    assert note.endswith("; 2 more.")
    assert outside_notes((), data) == ()
    with pytest.raises(ValueError, match=r"data.region_name has 1 names, must be 5"):
        replace(data, region_name=("a",))


def test_products_beyond_the_range_are_named_and_taken_to_its_edge(
    checkpoint: Checkpoint, data: DrainData
) -> None:
    assert checkpoint.outside(data) == ()
    high = float(data.attributes[:, 0].max())
    far = data.attributes.copy()
    far[2, 0] = high + 3.0
    product_id = tuple(f"P{i}" for i in range(data.num_products))
    moved = replace(data, attributes=far, product_id=product_id)
    (found,) = checkpoint.outside(moved)
    assert (found.kind, found.name, found.attribute) == ("product", "'P2'", "log_price")
    assert found.value == pytest.approx(high + 3.0)
    assert str(found).startswith(f"log_price of product 'P2' is {high + 3.0:g}, trained on from")
    # A price beyond the range is as good as the highest there was.
    edge = far.copy()
    edge[2, 0] = high
    drawn = [
        sample_panel(checkpoint, replace(data, attributes=a), (10, 12), 4, jax.random.key(0))[0]
        for a in (far, edge)
    ]
    np.testing.assert_array_equal(*drawn)

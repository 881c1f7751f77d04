"""Products read from a panel on disk: the same data, batches and losses as in memory."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest
import zarr

from draingym.drain_model import DrainData, PanelStream, train
from draingym.drain_model.data.source import summarise
from draingym.world.panel import load_panel
from tests.drain_model import panels
from tests.drain_model.conftest import LEAST


@pytest.fixture(scope="module")
def folder(process, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return panels.write(process.data, tmp_path_factory.mktemp("panel"))


@pytest.fixture(scope="module")
def data(folder: Path) -> DrainData:
    return DrainData.from_panel(load_panel(folder)).periods(0, 18)


@pytest.fixture
def stream(folder: Path) -> PanelStream:
    return PanelStream(folder, periods=18)


def test_a_stream_holds_what_memory_holds(data: DrainData, stream: PanelStream) -> None:
    assert (stream.num_products, stream.num_periods) == (6, 18)
    assert stream.name_of(4) == data.name_of(4) == "'p4'"
    rows = np.array([[5, 0, 3], [1, 1, 2], [4, 5, 0]])
    batches = list(stream.batches(rows))
    assert len(batches) == 3
    for row, batch in zip(rows, batches, strict=True):
        jax.tree.map(np.testing.assert_array_equal, batch, data.products(row).arrays())
    a, b = summarise(data, 15), summarise(stream, 15)
    assert a.fingerprint == b.fingerprint
    jax.tree.map(np.testing.assert_array_equal, a.statistics, b.statistics)
    assert summarise(data.periods(0, 17), 15).fingerprint != a.fingerprint


@pytest.mark.slow
def test_a_stream_trains_as_memory_does(process, folder: Path, tmp_path: Path) -> None:
    memory = train(process.data, LEAST, seed=1)
    streamed = train(PanelStream(folder), LEAST, seed=1, folder=tmp_path)
    for a, b in zip(memory.history, streamed.history, strict=True):
        np.testing.assert_allclose(
            (a.train_loss, a.validation_loss, a.gradient_norm),
            (b.train_loss, b.validation_loss, b.gradient_norm),
            rtol=1e-4,
        )
    assert streamed.checkpoint.train_periods == 20
    # A run that began with a stream may go on, or here only end, in memory.
    data = DrainData.from_panel(load_panel(folder))
    assert train(data, LEAST, seed=1, folder=tmp_path).history == streamed.history


def test_a_window_of_chunks_is_shuffled_and_each_chunk_read_once(
    process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = PanelStream(panels.write(process.data, tmp_path, 1), window=2, threads=1)
    orders = [stream.shuffled(np.random.default_rng(seed)) for seed in range(20)]
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert len({tuple(order) for order in orders}) > 10
    reads: Counter[int] = Counter()
    read = PanelStream._read

    def count(self: PanelStream, chunk: int) -> DrainData:
        reads[chunk] += 1
        return read(self, chunk)

    monkeypatch.setattr(PanelStream, "_read", count)
    list(stream.batches(orders[0].reshape(3, 2)))
    assert reads == dict.fromkeys(range(6), 1)


def test_a_whole_window_is_shuffled_as_in_memory(stream: PanelStream) -> None:
    found = stream.shuffled(np.random.default_rng(8))
    np.testing.assert_array_equal(found, np.random.default_rng(8).permutation(6))


def test_a_value_that_is_not_finite_is_named_where_it_is_read(process, tmp_path: Path) -> None:
    folder = panels.write(process.data, tmp_path)
    stored = zarr.open_group(folder)["ship_cost"]
    stored[3, 5, 1] = np.nan
    stream = PanelStream(folder)
    message = r"products 2 to 3 of the panel, .*: data\.ship_cost\[1, 5, 1\] is nan, must be finite"
    with pytest.raises(ValueError, match=message):
        list(stream.batches(np.array([[0, 1], [2, 3]])))
    with pytest.raises(ValueError, match=message):
        train(stream, LEAST)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"periods": 21}, r"periods is 21, must be in \[1, 20\]"),
        ({"periods": 0}, r"periods is 0, must be in \[1, 20\]"),
        ({"window": 0}, r"window is 0"),
        ({"threads": 0}, r"threads is 0"),
    ],
)
def test_bad_arguments_are_named(folder: Path, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PanelStream(folder, **arguments)


def test_what_is_no_panel_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere is no folder, must be a folder with a panel"):
        PanelStream(tmp_path / "nowhere")
    zarr.create_group(tmp_path / "other", zarr_format=2)
    with pytest.raises(ValueError, match=r"other: panel\.outbound is missing, must have the dim"):
        PanelStream(tmp_path / "other")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10])


def of_text(path: Path) -> None:
    path.write_text(path.read_text().replace('"<f8"', '"<U4"'))


@pytest.mark.parametrize(
    ("where", "damage", "message"),
    [
        ("parent", shutil.rmtree, r"panel\.zarr: panel\.parent is missing, must have the dim"),
        ("product", shutil.rmtree, r"panel\.zarr: panel\.product is missing, must name what the"),
        (
            "price/.zarray",
            of_text,
            r"panel\.zarr: panel\.price is of type .*, must be of kind flo",
        ),
        (
            "price/.zarray",
            cut,
            r"panel .*panel\.zarr cannot be read \(.*\), must be a panel in Zarr",
        ),
        ("price/0", cut, r"panel .*panel\.zarr cannot be read \(.*\), must be a panel in Zarr"),
        (
            "active/1.0.0",
            cut,
            r"panel .*panel\.zarr cannot be read \(.*\), must be a panel in Zarr",
        ),
        ("outbound/0.0.0", cut, r"panel .*panel\.zarr cannot be read \(.*\), must be a panel in"),
    ],
)
def test_a_damaged_panel_is_named_when_it_is_opened(
    process, tmp_path: Path, where: str, damage: Callable[[Path], None], message: str
) -> None:
    folder = panels.write(process.data, tmp_path)
    damage(folder / where)
    for read in (PanelStream, load_panel):
        with pytest.raises(ValueError, match=message):
            read(folder)


def test_a_damaged_chunk_is_named_when_it_is_read(process, tmp_path: Path) -> None:
    folder = panels.write(process.data, tmp_path)
    stream = PanelStream(folder)
    for name in ("outbound", "ship_cost", "available", "glance_views", "lane_node", "lane_units"):
        chunk = folder / name / "2.0.0"
        kept = chunk.read_bytes()
        cut(chunk)
        with pytest.raises(ValueError, match=r"panel .*panel\.zarr cannot be read \(.*\), must be"):
            list(stream.batches(np.array([[0, 5]])))
        chunk.write_bytes(kept)
    assert len(list(stream.batches(np.array([[0, 5]])))) == 1

import json
import pickle
import zipfile
from collections import namedtuple
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.common.npz import filled_tree, named_arrays, read_npz, require_array, write_npz

Pair = namedtuple("Pair", ["left", "right"])
TREE = {
    "layers": [jnp.arange(6.0).reshape(2, 3), jnp.array([True, False])],
    "pair": Pair(jnp.int32(4), None),
    "scale": jnp.float32(0.1),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_npz(tmp_path / "x.npz", named_arrays(TREE, "tree/"), {"seed": 3, "names": ["a"]})
    return tmp_path / "x.npz"


def rewrite(path: Path, **changes: np.ndarray | None) -> None:
    with np.load(path) as file:
        arrays = dict(file.items()) | {k.replace("__", "/"): v for k, v in changes.items()}
    np.savez(path, **{name: values for name, values in arrays.items() if values is not None})


def test_names_are_paths() -> None:
    assert sorted(named_arrays(TREE, "tree/")) == [
        "tree/layers/0",
        "tree/layers/1",
        "tree/pair/left",
        "tree/scale",
    ]
    assert list(named_arrays(jnp.float32(1.0))) == [""]


def test_a_tree_comes_back_bit_for_bit(path: Path) -> None:
    meta, arrays = read_npz(path, "state")
    assert meta == {"seed": 3, "names": ["a"]}
    found = filled_tree(jax.tree.map(jnp.zeros_like, TREE), arrays, "state", prefix="tree/")
    assert jax.tree.structure(found) == jax.tree.structure(TREE)
    for new, old in zip(jax.tree.leaves(found), jax.tree.leaves(TREE), strict=True):
        assert new.dtype == old.dtype
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tree__scale": None}, r"state: tree/scale is missing"),
        ({"tree__scale": np.zeros((1, 1), "f4")}, r"tree/scale has shape \(1, 1\), must be \(\)"),
        ({"tree__scale": np.float64(1)}, r"tree/scale is of type float64, must be float32"),
        ({"tree__scale": np.array("x")}, r"tree/scale is of type <U1, must be float32"),
        ({"tree__other": np.zeros(2)}, r"tree/other is unknown, must be the path of a leaf"),
    ],
)
def test_arrays_that_do_not_fit_are_named(path: Path, changes: dict, message: str) -> None:
    rewrite(path, **changes, elsewhere=np.zeros(1))  # of another prefix: left alone
    with pytest.raises(ValueError, match=message):
        filled_tree(TREE, read_npz(path, "state")[1], "state", prefix="tree/")


def test_another_precision_is_cast_where_that_is_allowed() -> None:
    wide = {"": np.float64(0.1)}
    found = filled_tree(jnp.float32(0), wide, "policy", cast=True)
    assert (found.dtype, float(found)) == (jnp.float32, float(np.float32(0.1)))
    with pytest.raises(ValueError, match=r"policy:  is of type float64, must be int32"):
        filled_tree(jnp.int32(0), wide, "policy", cast=True)


def test_a_length_may_be_any() -> None:
    arrays = {"place": np.zeros((4, 2))}
    assert require_array(arrays, "place", "x", shape=(None, 2)) is arrays["place"]
    with pytest.raises(ValueError, match=r"x: place has shape \(4, 2\), must be \(any, 3\)"):
        require_array(arrays, "place", "x", shape=(None, 3))


def test_paths_that_meet_are_refused() -> None:
    with pytest.raises(ValueError, match="a/b is the path of two leaves"):
        named_arrays({"a/b": jnp.zeros(1), "a": {"b": jnp.zeros(1)}})


@pytest.mark.parametrize("name", ["meta", "file", "allow_pickle"])
def test_reserved_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"an array is called '{name}'"):
        write_npz(tmp_path / "x.npz", {name: np.zeros(1)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("values", [np.array([{}]), jnp.zeros(2, jnp.bfloat16)])
def test_types_that_need_pickle_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"values is of type .*, must be of numbers or text"):
        write_npz(tmp_path / "x.npz", {"values": values})


class Trap:
    """Marks a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        """Remember the file."""
        self.path = path

    def __reduce__(self) -> tuple:
        """Make the file."""
        return Path.touch, (self.path,)


def pickled(folder: Path) -> bytes:
    np.save(folder / "trap.npy", np.array([Trap(folder / "sprung")]), allow_pickle=True)
    return (folder / "trap.npy").read_bytes()


def archive(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, raw in members.items():
            file.writestr(f"{name}.npy", raw)


def nothing_there(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def a_flipped_bit(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[150] ^= 1
    path.write_bytes(bytes(raw))


def one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def text(path: Path) -> None:
    path.write_text("not an archive")


def deep(path: Path) -> None:
    rewrite(path, meta=np.array("[" * 10_000))


def no_json(path: Path) -> None:
    rewrite(path, meta=np.array("{"))


def a_pickle(path: Path) -> None:
    archive(path, a=pickled(path.parent))


def a_raw_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Trap(path.parent / "sprung")))


def a_header_of_terabytes(path: Path) -> None:
    header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)}
    with (path.parent / "big").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    archive(path, a=(path.parent / "big").read_bytes())


DAMAGE = [
    *(nothing_there, a_folder, half, a_flipped_bit, one_array, text, deep, no_json),
    *(a_pickle, a_raw_pickle, a_header_of_terabytes),
]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_damaged_file_is_named(path: Path, damage) -> None:
    damage(path)
    with pytest.raises(
        ValueError, match=r"^state .*x\.npz cannot be read \(.+\), must be a whole \.npz"
    ):
        read_npz(path, "state")
    assert not (path.parent / "sprung").exists()


def test_a_file_without_plain_values_has_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.arange(3))
    meta, arrays = read_npz(tmp_path / "x.npz", "state")
    assert meta is None
    assert arrays["a"].tolist() == [0, 1, 2]


def test_a_write_that_fails_leaves_the_old_file(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_npz(path, {}, {"a": object()})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["x.npz"]
    write_npz(path, {"a": np.zeros(1)}, json.loads('{"a": [1]}'))
    assert read_npz(path, "state")[0] == {"a": [1]}

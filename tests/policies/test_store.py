"""Files of policies that are damaged, and those that draingym first wrote."""

import dataclasses
import json
import pickle
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.common.npz import read_npz, write_npz
from draingym.policies import (
    BaseStock,
    NeuralPlacement,
    OrderUpTo,
    PriceResponsive,
    load_parameters,
    load_policy,
    save_policy,
)
from draingym.simulator import Policy
from tests.policies.problems import small_tree

KEY = jax.random.key(0)
POLICY = NeuralPlacement(tree=small_tree(), num_attributes=2, width=8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_policy(tmp_path / "policy.npz", POLICY, POLICY.init(KEY))
    return tmp_path / "policy.npz"


@pytest.mark.parametrize(
    "policy", [BaseStock(initial_level=2.0), OrderUpTo(tree=small_tree()), POLICY]
)
def test_policies_are_pickled_with_their_parameters(policy: Policy) -> None:
    params = policy.init(KEY)
    again, parameters = pickle.loads(pickle.dumps((policy, params)))
    jax.tree.map(np.testing.assert_array_equal, parameters, params)
    settings = [dataclasses.asdict(each) for each in (policy, again)]
    jax.tree.map(np.testing.assert_array_equal, *settings)


def test_a_file_of_the_first_format_still_loads(tmp_path: Path) -> None:
    tree = small_tree()
    nested = {"class": "OrderUpTo", "settings": {"tree": {"class": "Tree", "settings": {}}}}
    settings = {"base": nested, "tree": {"class": "Tree", "settings": {}}}
    header = {"class": "PriceResponsive", "settings": settings}
    names = ("parent", "descends", "serves", "distance", "population")
    np.savez(
        tmp_path / "policy.npz",
        policy=np.array(json.dumps(header)),
        **{f"setting:tree.{name}": np.asarray(getattr(tree, name)) for name in names},
        **{f"setting:base.tree.{name}": np.asarray(getattr(tree, name)) for name in names},
        **{".base.buy_cover": 3.0, ".base.place_cover": np.float32(2.0)},
        **{".base.safety": np.float32(0.5), ".response": np.float32(1.5)},
    )
    policy, params = load_policy(tmp_path / "policy.npz")
    assert isinstance(policy, PriceResponsive)
    assert isinstance(policy.base, OrderUpTo)
    jax.tree.map(np.testing.assert_array_equal, policy.base.tree, tree)
    assert (float(params.base.buy_cover), float(params.response)) == (3.0, 1.5)
    assert params.base.buy_cover.dtype == jnp.float32
    # Parameters alone, with the keys of mappings and the numbers of lists in their names.
    leaves = jax.tree_util.tree_leaves_with_path(POLICY.init(KEY))
    np.savez(tmp_path / "x.npz", **{jax.tree_util.keystr(at): leaf for at, leaf in leaves})
    found = load_parameters(tmp_path / "x.npz", POLICY)
    jax.tree.map(np.testing.assert_array_equal, found, POLICY.init(KEY))


def test_the_first_base_stock_of_one_store_still_loads(tmp_path: Path) -> None:
    for nodes in (None, 3):
        header = {"class": "BaseStock", "settings": {"initial_level": 2.0, "nodes": nodes}}
        path = tmp_path / f"{nodes}.npz"
        np.savez(path, policy=np.array(json.dumps(header)), **{"": np.float64(12.0)})
    policy, level = load_policy(tmp_path / "None.npz")
    assert (policy, float(level)) == (BaseStock(initial_level=2.0), 12.0)
    # A level a node needs to know who feeds whom, which those files do not say.
    with pytest.raises(ValueError, match=r"3\.npz: BaseStock has no settings \['nodes'\]"):
        load_policy(tmp_path / "3.npz")


def changed(value: object, *where: str) -> object:
    """A change of the plain values of a file: the value goes where the keys lead to."""

    def change(meta: dict, arrays: dict) -> object:
        if not where:
            return value
        inner = meta
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = value
        return meta

    return change


def array(name: str, values: np.ndarray | None) -> object:
    """A change of an array of a file."""

    def change(meta: dict, arrays: dict) -> object:
        if values is None:
            del arrays[name]
        else:
            arrays[name] = values
        return meta

    return change


SETTINGS = ("policy", "settings")
TREE = "settings/tree/"
HOSTILE = {
    "a list": (changed([]), r"meta is \[\], must be of version 2"),
    "another version": (changed(9, "version"), r"must be of version 2"),
    "a policy that is a list": (changed([1], "policy"), r"policy is \[1\], must hold class and"),
    "no settings": (changed({"class": "OrderUpTo"}, "policy"), "must hold class and settings"),
    "a class that is a list": (changed(["OrderUpTo"], "policy", "class"), "must be a name"),
    "a class that is null": (changed(None, "policy", "class"), "class is None, must be a name"),
    "a class of another module": (changed("Path", "policy", "class"), "is of a Path, must be of"),
    "a function for a class": (changed("load_policy", "policy", "class"), "is of a load_policy"),
    "a class that is no policy": (changed("TrainConfig", "policy", "class"), "no settings"),
    "settings that are a list": (changed([], *SETTINGS), "settings is \\[\\], must hold values"),
    "an unknown setting": (changed(3, *SETTINGS, "widht"), r"has no settings \['widht'\]"),
    "text for a number": (changed("8", *SETTINGS, "width"), "width is '8', must be of type int"),
    "a real for a whole number": (changed(8.0, *SETTINGS, "width"), "width is 8.0, must be of"),
    "true for a number": (changed(True, *SETTINGS, "num_attributes"), "num_attributes is True"),
    "another size": (changed(16, *SETTINGS, "width"), r"params/\S+ has shape \(\d"),
    "a size that is none": (changed(-8, *SETTINGS, "width"), "make no parameters"),
    "a tree that is a number": (changed(3, *SETTINGS, "tree"), "has no settings|must be of type"),
    "a deep setting": (changed(json.loads("[" * 400 + "]" * 400), *SETTINGS, "width"), "width"),
    "a parent of another rank": (array(TREE + "parent", np.zeros((4, 1), int)), "parent is"),
    "a parent that is text": (array(TREE + "parent", np.array(["a"] * 4)), "settings of Tree"),
    "a parent outside": (array(TREE + "parent", np.array([-1, 7, 0, 0])), r"parent\[1\] is 7"),
    "no parent": (array(TREE + "parent", None), "settings of Tree: .*parent"),
    "other descendants": (array(TREE + "descends", np.eye(4, dtype=bool)), r"descends\[0, 1\]"),
    "a distance of another rank": (array(TREE + "distance", np.zeros(4, "f4")), "distance is"),
    "a distance that is not finite": (
        array(TREE + "distance", np.full((4, 4), np.nan, "f4")),
        r"distance\[0, 0\] is nan, must be finite",
    ),
    "fewer regions": (array(TREE + "population", np.ones(3, "f4")), r"distance has shape \(4, 4\)"),
    "a parameter too few": (array("params/log_cover", None), "params/log_cover is missing"),
    "a parameter too many": (array("params/x", np.zeros(1)), "params/x is unknown"),
    "a parameter that is text": (array("params/log_cover", np.array(["x", "y"])), "is of type <U1"),
    "a parameter of another rank": (array("params/log_cover", np.zeros(9)), "has shape"),
    "a parameter that is not finite": (
        array("params/head/bias", np.full_like(POLICY.init(KEY)["head"]["bias"], np.inf)),
        r"head/bias\[0\] is inf, must be finite",
    ),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_file_that_is_no_policy_is_named(path: Path, change, message: str) -> None:
    meta, arrays = read_npz(path, "policy")
    meta = change(meta, arrays)
    write_npz(path, arrays, meta)
    with pytest.raises(ValueError, match=rf"^policy .*policy\.npz.*({message})"):
        load_policy(path)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[]", "null", '{"class": 3}'])
def test_a_header_of_the_first_format_is_checked(tmp_path: Path, text: str) -> None:
    np.savez(tmp_path / "policy.npz", policy=np.array(text), **{"": 3.0})
    with pytest.raises(ValueError, match=r"^policy .*policy\.npz"):
        load_policy(tmp_path / "policy.npz")

"""What a loop begins with is of the type that its program gives back."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.common.carry import strong
from draingym.common.compiling import Compiling
from draingym.common.devices import device_mesh
from tests.compilations import compiled_once, our_programs


def halve(tree):
    return jax.tree.map(lambda x: x * jnp.float32(0.5), tree)


def loop(first):
    program = jax.jit(chex.assert_max_traces(halve, n=1))
    for _ in range(3):
        first = program(first)
    return first


def test_a_loop_that_begins_strong_is_traced_once():
    weak = {"reach": jnp.log(jnp.asarray(4.0)), "cover": jnp.full((2,), 8.0)}
    assert weak["reach"].weak_type
    found = loop(strong(weak))
    assert float(found["reach"]) == pytest.approx(np.log(4.0) / 8)
    np.testing.assert_array_equal(found["cover"], [1.0, 1.0])
    with pytest.raises(AssertionError, match="traced"):
        loop(weak)


def test_values_and_dtypes_stay():
    key = jax.random.key(0)
    tree = {"a": 3, "b": 0.5, "c": np.arange(3, dtype=np.int32), "d": jnp.array([True]), "e": key}
    found = strong(tree)
    assert {k: str(x.dtype) for k, x in found.items()} == {
        "a": "int32",
        "b": "float32",
        "c": "int32",
        "d": "bool",
        "e": str(key.dtype),
    }
    assert found["e"] is key
    assert (int(found["a"]), float(found["b"])) == (3, 0.5)


def test_the_place_is_the_one_given():
    where = jax.sharding.NamedSharding(device_mesh(1, 1), jax.sharding.PartitionSpec())
    found = strong({"count": np.int32(0), "mean": jnp.zeros(2)}, where)
    assert all(leaf.sharding == where for leaf in jax.tree.leaves(found))


def test_programs_are_counted_by_name_and_shape():
    @jax.jit
    def twice_a_shape(x):
        return 2 * x

    shapes = [np.ones(n, np.float32) for n in (3, 3, 4)]
    with Compiling() as compiling:
        for x in shapes:
            twice_a_shape(x)
    assert compiling.by_name["twice_a_shape"] == 2
    assert compiling.programs == 2
    assert compiling.seconds > 0
    twice_a_shape(np.ones(5, np.float32))  # after the block: not counted
    assert compiling.programs == 2


def test_a_second_compilation_of_ours_fails():
    assert {"update", "advance", "requests_of", "renew", "step"} <= our_programs()
    assert "log1p" not in our_programs()

    @jax.jit
    def requests_of(x):
        return x + 1

    again = r"compiled more than once: \{'requests_of': 2\}"
    with pytest.raises(AssertionError, match=again), compiled_once():
        requests_of(np.ones(1)), requests_of(np.ones(2))
    with pytest.raises(AssertionError, match="little programs: "), compiled_once(little=0):
        jnp.ones((3, 1, 4)) + 1

"""Operations are those of the program, counted by hand."""

import jax
import jax.numpy as jnp
import pytest

from draingym.common.work import operations

X = jnp.ones((4, 8))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(lambda x: x + 1.0, 32, id="one a number"),
        pytest.param(lambda x: x @ x.T, 2 * 4 * 4 * 8 + 32, id="a product, and what is turned"),
        pytest.param(
            lambda x: jax.lax.scan(lambda y, _: (y + 1.0, None), x, None, length=10)[0],
            320,
            id="a loop",
        ),
        pytest.param(
            lambda x: jax.lax.cond(True, lambda y: y + 1.0, lambda y: (y + 1.0) * 2.0, x),
            64,
            id="the longer branch",
        ),
        pytest.param(lambda x: jax.jit(lambda y: y + 1.0)(x), 32, id="a program in a program"),
    ],
)
def test_operations_by_hand(function, expected):
    # Conversions of a branch's condition are a few numbers more.
    assert expected <= operations(function, X) <= expected + 4

"""Windows of a history: cut where they say, drawn anew by key, and never longer than there is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.simulator import (
    LocalDemand,
    LocalDemandParams,
    Simulator,
    make_params,
    make_windows,
    window,
)
from tests.simulator.test_scenarios import LEADS, market

PRODUCTS, PERIODS, HORIZON = 3, 6, 3


def windows(starts=(1, 3), horizon=HORIZON):
    flows = np.random.default_rng(1).poisson(4.0, (4, PRODUCTS, PERIODS, 2)).astype(np.float32)
    panel = dict(zip(("on_hand", "outbound", "ship_cost", "available"), flows, strict=True))
    kernel = LocalDemandParams(share=jnp.ones((2, 4)) / 2, unit_ship_cost=jnp.zeros(2))
    params = make_params([-1, 0], kernel)
    pipelines = [np.full((PRODUCTS, 2, 2), start) for start in starts]
    made = make_windows(
        Simulator(kernel=LocalDemand()), params, panel, market(), starts, pipelines, horizon, LEADS,
        jax.random.key(0),
    )  # fmt: skip
    return made, panel


def test_a_window_starts_where_it_says_with_the_state_of_then():
    made, panel = windows()
    assert (made.num_products, made.num_starts) == (PRODUCTS, 2)
    cut = window(made, 1, HORIZON, jax.random.key(0))
    np.testing.assert_array_equal(cut.series.glance_views, market().glance_views[:, 3:6])
    np.testing.assert_array_equal(cut.series.period[0], [3, 4, 5])
    np.testing.assert_array_equal(cut.series.last[0], [False, False, True])
    np.testing.assert_array_equal(cut.initial.on_hand, panel["on_hand"][:, 2])
    assert (np.asarray(cut.initial.pipeline) == 3).all()


def test_random_starts_and_products_are_traced_and_keys_draw_anew():
    made, _ = windows()

    @jax.jit
    def draw(key):
        key_start, key_noise = jax.random.split(key)
        which = jax.random.randint(key_start, (), 0, made.num_starts)
        return window(made, which, 2, key_noise, jnp.array([2, 0]))

    drawn = [draw(jax.random.key(k)) for k in range(8)]
    assert {int(one.series.period[0, 0]) for one in drawn} == {1, 3}
    for one in drawn:
        start = int(one.series.period[0, 0])
        expected = np.asarray(market().glance_views)[[2, 0], start : start + 2]
        np.testing.assert_array_equal(one.series.glance_views, expected)
    assert len({float(one.series.round_uniform[0, 0, 0]) for one in drawn}) == 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: windows(starts=()), "starts has 0 entries"),
        (lambda: windows(starts=(4,)), r"start is 4, must be in \[1, 3\]"),
        (lambda: window(windows()[0], 1, 4, jax.random.key(0)), r"horizon is 4, must be in \[1, 3"),
        (lambda: window(windows()[0], 1, 0, jax.random.key(0)), "horizon is 0"),
        (
            lambda: jax.jit(lambda i: window(windows()[0], i, 7, jax.random.key(0)))(0),
            r"horizon is 7, must be in \[1, 6\]",
        ),
    ],
    ids=["none", "late start", "beyond the series", "empty", "beyond, traced"],
)
def test_no_window_leaves_the_series(call, message):
    with pytest.raises(ValueError, match=message):
        call()

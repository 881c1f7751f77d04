"""The monotone transformer: what may influence a curve, what it does with discounts, by hand."""

from dataclasses import replace

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings

from draingym.common.price_steps import risen
from draingym.forecasters.monotone_transformer.blocks import position_features
from draingym.forecasters.monotone_transformer.config import MonotoneConfig, Sizes
from draingym.forecasters.monotone_transformer.imputation import impute_demand, size_shares
from draingym.forecasters.monotone_transformer.losses import (
    demand_bias,
    demand_error,
    taylor,
    taylor_loss,
)
from draingym.forecasters.monotone_transformer.model import MonotoneTransformer
from draingym.forecasters.monotone_transformer.network import MonotoneNetwork
from draingym.forecasters.monotone_transformer.types import (
    DemandCurves,
    Inputs,
    demand_grid,
    log_demand,
)
from tests.forecasters.drawn import abstract_of, weights_like

CONFIG = MonotoneConfig(
    context=6,
    horizon=4,
    near=2,
    far=3,
    layers=1,
    heads=2,
    head_width=2,
    embedding=2,
    positions=2,
    dropout=0.3,
)
SIZES = Sizes(past=1, known=1, static=1, dynamic=(3,), codes=(4,))
BATCH, PAST, AHEAD = 3, 6, 4


DEFINITION, SHAPES = abstract_of(lambda rngs: MonotoneNetwork(CONFIG, SIZES, rngs=rngs))
DRAWN = [weights_like(SHAPES, seed) for seed in range(5)]


def weights(seed=0, spread=1.0):
    return jax.tree.map(lambda x: x * np.float32(spread), DRAWN[seed])


@jax.jit
def curves_of(weights, inputs):
    return nnx.merge(DEFINITION, weights)(inputs)


def inputs_of(seed=0):
    random = np.random.default_rng(seed)
    full = (BATCH, PAST + AHEAD)
    return Inputs(
        demand=jnp.asarray(random.gamma(1.0, 1.0, (BATCH, PAST)), jnp.float32),
        discount=jnp.asarray(random.uniform(0, 0.7, (BATCH, PAST)), jnp.float32),
        past=jnp.asarray(random.normal(size=(BATCH, PAST, 1)), jnp.float32),
        known=jnp.asarray(random.normal(size=(*full, 1)), jnp.float32),
        dynamic=jnp.asarray(random.integers(0, 3, (*full, 1)), jnp.int32),
        static=jnp.asarray(random.normal(size=(BATCH, 1)), jnp.float32),
        codes=jnp.asarray(random.integers(0, 4, (BATCH, 1)), jnp.int32),
        position=jnp.broadcast_to(jnp.arange(full[1], dtype=jnp.int32), full),
        mask=jnp.asarray([[0, 1, 1, 0, 1, 0], [1] * 6, [0] * 6], bool),
        future_discount=jnp.asarray(random.uniform(0, 0.7, (BATCH, AHEAD)), jnp.float32),
    )


def assert_same(found, expected, **options):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, **({"rtol": 1e-5, "atol": 1e-6} | options)),
        found,
        expected,
    )


@jax.jit
def levels_of(weights, inputs, near):
    """Curves, their grid of 29 discounts, and their levels at two that are near each other."""
    curves = curves_of(weights, inputs)
    pair = [log_demand(curves, jnp.full_like(curves.base, d)) for d in (near, near + 1e-3)]
    return curves, demand_grid(curves, np.linspace(0, 0.7, 29).tolist()), pair


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.floats(0.0, 8.0), st.floats(0.0, 0.6875, width=32))
def test_demand_never_falls_or_jumps_with_the_discount(seed, spread, discount):
    found = levels_of(weights(seed % 5, spread), inputs_of(seed), np.float32(discount))
    curves, grid, (low, high) = jax.tree.map(np.asarray, found)
    tolerance = 1e-5 * (1 + np.abs(grid).max())
    assert (np.diff(grid, axis=-1) >= -tolerance).all()
    steepest = curves.scale * curves.delta.max(axis=-1) / 0.1
    assert (high - low >= -tolerance).all()
    assert (high - low <= 1.1e-3 * steepest + tolerance).all()


def test_masked_periods_have_no_influence():
    inputs = inputs_of()
    known = jnp.concatenate([inputs.mask, jnp.ones((BATCH, AHEAD), bool)], axis=1)
    other = replace(
        inputs,
        demand=jnp.where(inputs.mask, inputs.demand, jnp.nan),
        discount=jnp.where(inputs.mask, inputs.discount, 0.55),
        past=jnp.where(inputs.mask[..., None], inputs.past, 1e6),
        known=jnp.where(known[..., None], inputs.known, -3.0),
        dynamic=jnp.where(known[..., None], inputs.dynamic, 0),
        position=jnp.where(known, inputs.position, 40),
    )
    assert_same(curves_of(weights(), other), curves_of(weights(), inputs))
    # And one that is not masked has some.
    seen = replace(inputs, demand=inputs.demand.at[0, 4].add(1.0))
    moved = curves_of(weights(), seen)
    assert float(jnp.abs(moved.base[0] - curves_of(weights(), inputs).base[0]).max()) > 1e-3


def test_padding_has_no_influence():
    inputs = inputs_of()
    before = ((0, 0), (2, 0))
    longer = replace(
        inputs,
        **{k: jnp.pad(getattr(inputs, k), before) for k in ("demand", "discount", "mask")},
        **{k: jnp.pad(getattr(inputs, k), (*before, (0, 0))) for k in ("past", "known", "dynamic")},
        position=jnp.pad(inputs.position, before),
    )
    assert_same(curves_of(weights(), longer), curves_of(weights(), inputs))


def test_a_future_period_sees_nothing_of_another_and_no_curve_sees_a_discount():
    inputs, at = inputs_of(), PAST + 1
    base = curves_of(weights(), inputs)
    moved = curves_of(weights(), replace(inputs, known=inputs.known.at[:, at].add(5.0)))
    others = np.array([0, 2, 3])
    assert_same(moved.base[:, others], base.base[:, others])
    assert float(jnp.abs(moved.base[:, 1] - base.base[:, 1]).max()) > 1e-3
    assert_same(moved.delta, base.delta)
    discounted = replace(inputs, future_discount=jnp.zeros((BATCH, AHEAD)))
    assert_same(curves_of(weights(), discounted), base)


def test_the_order_of_series_does_not_matter():
    inputs, order = inputs_of(), np.array([2, 0, 1])
    turned = curves_of(weights(), jax.tree.map(lambda x: x[order], inputs))
    assert_same(turned, jax.tree.map(lambda x: x[order], curves_of(weights(), inputs)))


def test_near_and_far_decoders_each_have_their_periods_and_their_stage():
    inputs = inputs_of()

    @jax.jit
    def everything(weights):
        network = nnx.merge(DEFINITION, weights)
        parts = [network(inputs, None, part) for part in ("near", "far", "both")]
        return *parts, network(inputs, jax.random.key(1))

    drawn, other = weights(), weights(1)
    near, far, both, noisy = everything(drawn)
    assert near.base.shape == (BATCH, 2)
    assert far.base.shape == both.base.shape == (BATCH, AHEAD)
    assert_same(both.base[:, :2], near.base)
    assert_same(both.delta[:, 2:], far.delta[:, 2:])
    assert float(jnp.abs(noisy.base - both.base).max()) > 1e-4  # dropout
    # What the far stage trains leaves the near periods alone, and the other way round.
    assert_same(everything(drawn | {"far": other["far"]})[0], near)
    assert_same(everything(drawn | {"near": other["near"]})[1], far)
    stages = MonotoneTransformer(near=2).stages
    assert {name for stage in stages for name in stage.trains} == set(drawn)
    assert [stage.trains for stage in stages][1] == ("far",)
    assert "far" not in stages[0].trains


def test_positions_by_hand():
    found = np.asarray(position_features(jnp.asarray([0, 13, 104]), 2, 52))
    # 2 pi n (2 m + 1) / 104: at n = 13, an eighth and three eighths of a turn.
    half = np.sqrt(0.5)
    np.testing.assert_allclose(found, [[0, 1], [half, -half], [0, 1]], atol=1e-6)


def test_curves_by_hand():
    curves = DemandCurves(
        base=jnp.asarray([1.0]),
        scale=jnp.asarray([2.0]),
        delta=jnp.asarray([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]]),
    )
    # 1 + 2 * (0.1 + 0.2 + 0.5 * 0.3)
    assert float(log_demand(curves, jnp.asarray([0.25]))[0]) == pytest.approx(1.9)
    grid = demand_grid(curves)
    assert grid.shape == (1, 15)
    np.testing.assert_allclose(grid[0, [0, 1, 2, 14]], [1.0, 1.1, 1.2, 6.6], rtol=1e-6)


@pytest.mark.parametrize(("discount", "slope"), [(0.05, 1.0), (0.1, 2.0), (0.65, 3.0), (0.7, 3.0)])
def test_the_rise_has_the_slope_of_its_piece(discount, slope):
    delta = jnp.asarray([0.1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.3])
    assert float(jax.grad(risen, argnums=1)(delta, discount)) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize(
    ("discounts", "message"),
    [
        ([0.0, 0.8], r"discounts\[1\] is 0.8\d*, must be in \[0, 0.7\]"),
        ([-0.1], r"discounts\[0\] is -0.1\d*, must be in \[0, 0.7\]"),
        ([np.nan], r"discounts\[0\] is nan, must be in \[0, 0.7\]"),
    ],
    ids=["above", "below", "nan"],
)
def test_discounts_out_of_range_are_refused(discounts, message):
    curves = DemandCurves(base=jnp.ones(1), scale=jnp.ones(1), delta=jnp.ones((1, 7)))
    with pytest.raises(ValueError, match=message):
        demand_grid(curves, discounts)


def test_the_taylor_loss_by_hand():
    assert float(taylor(jnp.float32(3.0))) == pytest.approx(1 + 3 + 4.5 + 4.5)
    # v(1) = 8/3, v(0) = 1: errors of 5/3 and 0 weigh 3 and 1; the third period does not count.
    total, count = taylor_loss(
        jnp.asarray([[1.0, 9.0], [0.0, 9.0]]),
        jnp.asarray([[0.0, jnp.nan], [0.0, jnp.nan]]),
        jnp.asarray([3.0, 1.0]),
        jnp.asarray([[True, False], [True, False]]),
    )
    assert float(total) == pytest.approx(3 * (5 / 3) ** 2, rel=1e-5)
    assert float(count) == 4.0


def test_demand_of_missing_sizes_by_hand():
    """Figure 4: L and XL are missing in the last week."""
    sales = np.array([[2, 4, 6, 5, 3], [2, 4, 6, 5, 3], [1, 4, 3, 0, 0]], float)
    in_stock = np.array([[1] * 5, [1] * 5, [1, 1, 1, 0, 0]], bool)
    np.testing.assert_allclose(size_shares(sales, in_stock), [0.1, 0.2, 0.3, 0.25, 0.15])
    demand, imputed = impute_demand(sales, in_stock)
    # 8 units are 60% of the demand.
    np.testing.assert_allclose(demand, [20, 20, 8 / 0.6])
    assert imputed.tolist() == [False, False, True]


def test_a_size_that_ran_out_sold_no_more_than_was_demanded():
    sales = np.array([[5, 5], [1, 4], [0, 2], [0, 0]], float)
    in_stock = np.array([[1, 1], [1, 0], [1, 0], [0, 0]], bool)
    demand, _ = impute_demand(sales, in_stock)
    # Its estimate is 1, then 0; it sold 4, then 2 before it ran out. Nothing in stock: not known.
    np.testing.assert_allclose(demand, [10, 5, 2, np.nan])
    never = impute_demand(sales[1:], in_stock[1:])[0]
    assert np.isnan(never).all()
    with pytest.raises(ValueError, match=r"sales\[0, 1\] is -1.0, must be at least 0"):
        impute_demand(np.array([[1.0, -1.0]]), np.ones((1, 2), bool))


def test_error_and_bias_leave_out_what_is_not_known():
    assert demand_error([1.0, 5.0, 9.0], [2.0, 3.0, np.nan], 2.0) == pytest.approx(np.sqrt(5 / 13))
    assert demand_bias([1.0, 5.0, 9.0], [2.0, 3.0, np.nan], 2.0) == pytest.approx(0.2)
    assert np.isnan(demand_error([1.0], [0.0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"near": 0}, r"monotone.near is 0, must be in \[1, 4096\]"),
        ({"positions": 3}, "monotone.positions is 3, must be even"),
        ({"layers": -1}, r"monotone.layers is -1, must be in \[0, 32\]"),
        ({"dropout": 1.0}, r"monotone.dropout is 1.0, must be finite and in \[0.0, 1.0\)"),
    ],
    ids=["near", "positions", "layers", "dropout"],
)
def test_bad_configs_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MonotoneConfig(**options)

"""TFT-MTL's network and losses: what may influence a forecast, and each formula by hand."""

from dataclasses import replace
from functools import partial

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings

from draingym.forecasters.attention import dropout, masked_softmax
from draingym.forecasters.quantiles import pinball
from draingym.forecasters.tft_mtl.blocks import (
    GatedResidual,
    InterpretableAttention,
    VariableSelection,
)
from draingym.forecasters.tft_mtl.config import Sizes, TFTConfig
from draingym.forecasters.tft_mtl.losses import (
    Targets,
    balanced,
    inventory_turnover,
    task_losses,
    task_weights,
)
from draingym.forecasters.tft_mtl.network import TFTNetwork
from draingym.forecasters.tft_mtl.types import Inputs, Predictions
from tests.forecasters.drawn import abstract_of, applied, module_of, weights_like

CONFIG = TFTConfig(
    context=5, horizon=3, width=4, heads=2, dropout=0.3, levels=(0.1, 0.5, 0.9), inventory="stock"
)
SIZES = Sizes(past=2, known=1, calendar=2, static=1, dynamic=(3,), codes=(4,))
BATCH, PAST, AHEAD = 3, 5, 3


DEFINITION, SHAPES = abstract_of(lambda rngs: TFTNetwork(CONFIG, SIZES, rngs=rngs))
WEIGHTS = weights_like(SHAPES)


@jax.jit
def forecast(weights, inputs):
    return nnx.merge(DEFINITION, weights)(inputs)


def inputs_of(seed=0):
    random = np.random.default_rng(seed)
    full = (BATCH, PAST + AHEAD)
    return Inputs(
        past=jnp.asarray(random.normal(size=(BATCH, PAST, 2)), jnp.float32),
        known=jnp.asarray(random.normal(size=(*full, 1)), jnp.float32),
        calendar=jnp.asarray(random.normal(size=(*full, 2)), jnp.float32),
        dynamic=jnp.asarray(random.integers(0, 3, (*full, 1)), jnp.int32),
        static=jnp.asarray(random.normal(size=(BATCH, 1)), jnp.float32),
        codes=jnp.asarray(random.integers(0, 4, (BATCH, 1)), jnp.int32),
        mask=jnp.asarray([[0, 1, 1, 0, 1], [1] * 5, [0] * 5], bool),
    )


def assert_same(found, expected, **options):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, **({"rtol": 1e-4, "atol": 1e-5} | options)),
        found,
        expected,
    )


def test_masked_periods_have_no_influence():
    inputs = inputs_of()
    known = jnp.concatenate([inputs.mask, jnp.ones((BATCH, AHEAD), bool)], axis=1)
    other = replace(
        inputs,
        past=jnp.where(inputs.mask[..., None], inputs.past, jnp.nan),
        known=jnp.where(known[..., None], inputs.known, -3.0),
        calendar=jnp.where(known[..., None], inputs.calendar, 7.0),
        dynamic=jnp.where(known[..., None], inputs.dynamic, 0),
    )
    assert_same(forecast(WEIGHTS, other), forecast(WEIGHTS, inputs))
    moved = forecast(WEIGHTS, replace(inputs, past=inputs.past.at[0, 4].add(1.0)))[0]
    assert float(jnp.abs(moved.mean[0] - forecast(WEIGHTS, inputs)[0].mean[0]).max()) > 1e-3


@pytest.mark.parametrize("period", [1, 2])
def test_nothing_known_of_later_periods_leaks_into_an_earlier_one(period):
    inputs = inputs_of()
    moved = replace(inputs, known=inputs.known.at[:, PAST + period].add(5.0))
    before, after = forecast(WEIGHTS, inputs)[0], forecast(WEIGHTS, moved)[0]
    assert_same(
        jax.tree.map(lambda x: x[:, :period], after), jax.tree.map(lambda x: x[:, :period], before)
    )
    assert float(jnp.abs(after.mean[:, period] - before.mean[:, period]).max()) > 1e-4


def test_the_order_of_series_does_not_matter():
    inputs, order = inputs_of(), np.array([2, 0, 1])
    turned = forecast(WEIGHTS, jax.tree.map(lambda x: x[order], inputs))
    assert_same(turned, jax.tree.map(lambda x: x[order], forecast(WEIGHTS, inputs)))


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(0.0, 4.0))
def test_weights_explain_and_quantiles_are_in_order(seed, spread):
    inputs = inputs_of(seed)
    said, why = forecast(jax.tree.map(lambda x: x * spread, WEIGHTS), inputs)
    mask = np.asarray(inputs.mask)
    np.testing.assert_allclose(np.asarray(why.past).sum(-1), mask, atol=1e-4)
    np.testing.assert_allclose(np.asarray(why.future).sum(-1), 1.0, rtol=1e-4)
    np.testing.assert_allclose(np.asarray(why.attention).sum(-1), 1.0, rtol=1e-4)
    assert (np.asarray(why.attention)[:, :, :PAST][~np.repeat(mask[:, None], AHEAD, 1)] == 0).all()
    later = np.triu(np.ones((AHEAD, AHEAD), bool), 1)
    assert (np.asarray(why.attention)[:, :, PAST:][:, later] == 0).all()
    assert (np.diff(said.quantiles, axis=-1) >= 0).all()


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=4))
def test_task_weights_stay_positive(log_variance):
    found = np.asarray(task_weights(jnp.asarray(log_variance, jnp.float32)))
    assert np.isfinite(found).all()
    assert (found > 0).all()


def test_balance_by_hand():
    losses, s = jnp.asarray([2.0, 0.5]), jnp.asarray([np.log(2.0), np.log(0.5)])
    # 1 + log 2 + 1 - log 2, and the gradient is 0: each weight is one over its loss.
    assert float(balanced(losses, s)) == pytest.approx(2.0)
    np.testing.assert_allclose(jax.grad(balanced, argnums=1)(losses, s), 0.0, atol=1e-6)


def numbers(values):
    return np.asarray(values, np.float32)


def numpy_linear(layer, x):
    bias = 0.0 if layer.bias is None else np.asarray(layer.bias[...])
    return x @ np.asarray(layer.kernel[...]) + bias


def normalised(norm, x):
    found = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return found * np.asarray(norm.scale[...]) + np.asarray(norm.bias[...])


def numpy_residual(grn, x, context=None):
    hidden = numpy_linear(grn.enter, x)
    if context is not None:
        hidden = hidden + numpy_linear(grn.context, context)
    hidden = numpy_linear(grn.inner, np.where(hidden > 0, hidden, np.expm1(hidden)))
    gate, linear = np.split(numpy_linear(grn.gate.both, hidden), 2, axis=-1)
    skip = x if grn.skip is None else numpy_linear(grn.skip, x)
    return normalised(grn.gate.norm, skip + linear / (1 + np.exp(-gate)))


def test_the_gated_residual_is_its_formula():
    random = np.random.default_rng(0)
    x, c = random.normal(size=(2, 3)), random.normal(size=(2, 2))
    grn = module_of(lambda rngs: GatedResidual(3, 4, 3, 0.0, context=2, rngs=rngs))
    found = applied(grn, x, c)
    np.testing.assert_allclose(found, numpy_residual(grn, x, c), rtol=1e-4, atol=1e-5)


def test_the_gated_residual_by_hand():
    """All maps are given: a = (1, -1), c = 2, hidden (3, 1), gate log 3 and 0."""
    grn = module_of(lambda rngs: GatedResidual(2, 2, 2, 0.0, context=1, rngs=rngs))
    grn.enter.bias[...] = grn.inner.bias[...] = grn.gate.norm.bias[...] = numbers([0.0, 0.0])
    eye = numbers(np.eye(2))
    grn.enter.kernel[...] = eye
    grn.context.kernel[...] = numbers([[1.0, 1.0]])
    grn.inner.kernel[...] = eye
    # ELU(W2 a + W3 c) = (3, 1). The gate is off: sigmoid of (log 3, 0) is (3/4, 1/2), of 4 and 2.
    grn.gate.both.kernel[...] = numbers(np.zeros((2, 4)))
    grn.gate.both.bias[...] = numbers([np.log(3.0), 0.0, 4.0, 2.0])
    found = applied(grn, [[1.0, -1.0]], [[2.0]])
    # a + GLU = (1 + 3, -1 + 1) = (4, 0), normalised: (1, -1).
    np.testing.assert_allclose(found, [[1.0, -1.0]], rtol=1e-5)


def test_variable_selection_is_its_formula():
    random = np.random.default_rng(2)
    x, c = random.normal(size=(2, 1, 3, 4)), random.normal(size=(2, 4))
    select = module_of(lambda rngs: VariableSelection(3, 4, 0.0, rngs=rngs))
    found, weight = applied(select, x, c)
    score = numpy_residual(select.choose, x.reshape(2, 1, 12), c[:, None])
    expected = np.exp(score) / np.exp(score).sum(-1, keepdims=True)
    np.testing.assert_allclose(weight, expected, rtol=1e-4)
    definition, state = nnx.split(select.each)
    state = jax.tree.map(np.asarray, state)
    alone = [nnx.merge(definition, jax.tree.map(lambda v, j=j: v[j], state)) for j in range(3)]
    kept = sum(expected[..., j, None] * numpy_residual(alone[j], x[..., j, :]) for j in range(3))
    np.testing.assert_allclose(found, kept, rtol=1e-3, atol=1e-4)


def test_interpretable_attention_by_hand():
    """Two heads of one channel on a memory of two: weights 1/4, 3/4 and 1/2, 1/2; mean 3/8, 5/8."""
    attention = module_of(lambda rngs: InterpretableAttention(2, 2, rngs=rngs))
    for part in (attention.query, attention.key):
        part.bias[...] = numbers([0.0, 0.0])
    attention.value.bias[...] = numbers([0.0])
    attention.query.kernel[...] = attention.key.kernel[...] = numbers(np.eye(2))
    attention.value.kernel[...] = numbers([[1.0], [0.0]])
    attention.out.kernel[...] = numbers([[1.0, 2.0]])
    memory = numbers([[[0.0, 5.0], [np.log(3.0), 5.0], [100.0, 100.0]]])
    found, weight = applied(attention, numbers([[[1.0, 0.0]]]), memory, [[[True, True, False]]])
    np.testing.assert_allclose(weight, [[[3 / 8, 5 / 8, 0.0]]], rtol=1e-5)
    seen = 5 / 8 * np.log(3.0)
    np.testing.assert_allclose(found, [[[seen, 2 * seen]]], rtol=1e-5)


def test_attention_to_nothing_is_zero_and_has_a_gradient():
    score, mask = jnp.asarray([[1.0, 2.0]]), jnp.zeros((1, 2), bool)
    assert masked_softmax(score, mask).tolist() == [[0.0, 0.0]]
    grad = jax.jit(jax.grad(lambda x: masked_softmax(x, mask).sum()))(score)
    assert grad.tolist() == [[0.0, 0.0]]


def test_dropout_keeps_the_mean():
    keep = jax.jit(dropout, static_argnums=1)
    kept = np.asarray(keep(np.ones(10_000, np.float32), 0.25, jax.random.key(0)))
    assert set(np.unique(kept).tolist()) <= {0.0, np.float32(1 / 0.75)}
    assert float(kept.mean()) == pytest.approx(1.0, abs=0.03)


def test_turnover_by_hand():
    inventory = jnp.asarray([5.0, 1.0, 0.0, 0.0])
    found = inventory_turnover(jnp.asarray([3.0, 0.0, 2.0]), inventory[:-1], inventory[1:])
    np.testing.assert_allclose(found, [1.0, 0.0, 0.0])


def test_task_losses_by_hand():
    config = replace(CONFIG, levels=(0.5, 0.9))
    one = jnp.ones((1, 1))
    predictions = Predictions(
        mean=jnp.asarray([[[3.0, 1.0]]]),
        quantiles=jnp.asarray([[[[2.0, 3.0], [5.0, 6.0]]]]),
        turnover=one * np.log(2.0),
        stockout=one * np.log(3.0),
    )
    known = jnp.ones((1, 1), bool)
    targets = Targets(
        amounts=jnp.asarray([[[1.0, np.nan]]]),
        amounts_known=jnp.asarray([[[True, False]]]),
        turnover=one * 3.0,
        turnover_known=known,
        stockout=one,
        stockout_known=known,
    )

    def total(predictions, targets):
        losses = task_losses(predictions, targets, config)
        return losses.sum(), losses

    (losses, found), grads = jax.jit(jax.value_and_grad(total, has_aux=True))(predictions, targets)
    # 2^2 + (0.5 * 1 + 0.1 * 2); inventory is not known; (log 2 - log 4)^2; -log(3/4).
    np.testing.assert_allclose(found, [4.7, 0.0, np.log(2) ** 2, -np.log(0.75)], rtol=1e-5)
    assert float(losses) == pytest.approx(np.asarray(found).sum())
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))
    alone = partial(task_losses, config=replace(config, tasks=("sales",)))
    assert jax.eval_shape(alone, predictions, targets).shape == (1,)


def test_pinball_by_hand():
    found = pinball(jnp.asarray([[1.0, 4.0]]), jnp.asarray([2.0]), (0.1, 0.9))
    np.testing.assert_allclose(found, [(0.1 * 1 + 0.1 * 2) / 2], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "tft.heads is 3, must divide width = 128"),
        ({"tasks": ("stockout",)}, r"tft.tasks is \('stockout',\), must name sales"),
        ({"tasks": ("sales", "sales")}, "must name sales, and each task once"),
        ({"levels": (0.5, 0.1)}, r"tft.levels is \(0.5, 0.1\), must rise within \(0, 1\)"),
        ({"levels": (0.5,)}, r"tft.levels is \(0.5,\), must rise .* two or more; or none"),
        ({"tasks": ("revenue",)}, r"tft.tasks\[0\] is 'revenue', must be one of sales"),
    ],
    ids=["heads", "no sales", "twice", "falling", "one level", "unknown"],
)
def test_bad_configs_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TFTConfig(**options)


def test_a_single_task_without_covariates_runs():
    config, sizes = replace(CONFIG, tasks=("sales",), levels=()), Sizes(past=1)
    inputs = replace(
        inputs_of(),
        past=jnp.ones((BATCH, PAST, 1)),
        known=jnp.ones((BATCH, PAST + AHEAD, 0)),
        calendar=jnp.ones((BATCH, PAST + AHEAD, 0)),
        dynamic=jnp.zeros((BATCH, PAST + AHEAD, 0), jnp.int32),
        static=jnp.ones((BATCH, 0)),
        codes=jnp.zeros((BATCH, 0), jnp.int32),
    )

    definition, shapes = abstract_of(lambda rngs: TFTNetwork(config, sizes, rngs=rngs))
    said, why = jax.eval_shape(
        lambda w, i: nnx.merge(definition, w)(i, jax.random.key(0)), shapes, inputs
    )
    assert said.mean.shape == (BATCH, AHEAD, 1)
    assert said.quantiles.shape == (BATCH, AHEAD, 1, 0)
    assert why.future.shape == (BATCH, AHEAD, 1)

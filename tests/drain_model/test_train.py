from dataclasses import fields, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from draingym.common.scores import crps
from draingym.drain_model import (
    DrainConfig,
    DrainData,
    Progress,
    Statistics,
    Trained,
    load_checkpoint,
    sample_panel,
    train,
)
from draingym.drain_model.checkpoint import graph_definition
from draingym.drain_model.checkpoint import initial_weights as init
from draingym.drain_model.training import run
from draingym.drain_model.training.losses import (
    Losses,
    initial_weights,
    lane_sums,
    loss_sums,
    means,
    weighted,
)
from draingym.drain_model.training.programs import Panel, gradient_of
from tests.drain_model.conftest import LEAST

TINY = DrainConfig(
    width=8,
    heads=2,
    pair_width=16,
    frequencies=3,
    lane_heads=1,
    batch_products=2,
    epochs=16,
    learning_rate=1e-2,
    patience=100,
)


@pytest.fixture(scope="module")
def data(process) -> DrainData:
    return process.data


@pytest.fixture(scope="module")
def trained(data: DrainData) -> Trained:
    return train(data, TINY, seed=0)


def test_training_lowers_the_loss_and_keeps_the_best(trained: Trained) -> None:
    history = trained.history
    assert [p.epoch for p in history] == list(range(2, 17, 2))
    assert history[-1].train_loss < 0.9 * history[0].train_loss
    assert history[-1].best_loss == min(p.validation_loss for p in history)
    assert trained.stopped == "epochs"


def test_training_is_repeatable(trained: Trained, data: DrainData) -> None:
    seen = []
    again = train(data, TINY, seed=0, progress=seen.append)
    assert list(again.history) == seen
    for name in ("train_loss", "validation_loss", "best_loss", "gradient_norm"):
        one, other = ([getattr(p, name) for p in x.history] for x in (trained, again))
        assert one == other, name
    weights = (trained.checkpoint.weights, again.checkpoint.weights)
    jax.tree.map(np.testing.assert_array_equal, *weights)


@pytest.mark.long
def test_patience_ends_training_with_the_best_parameters(
    data: DrainData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validation losses are given: the third is no better than the second, nor is the fourth."""
    losses = iter([3.0, 2.0, 2.5, 2.0, 1.0])
    monkeypatch.setattr(run, "weighted", lambda parts, balance: next(losses))
    kept = []

    def keep(_: Progress) -> None:
        kept.append(load_checkpoint(tmp_path / run.BEST).weights)

    found = train(data, replace(TINY, patience=2), seed=0, progress=keep, folder=tmp_path)
    assert (found.stopped, found.failed) == ("patience", False)
    assert [p.validation_loss for p in found.history] == [3.0, 2.0, 2.5, 2.0]
    assert [p.best_loss for p in found.history] == [3.0, 2.0, 2.0, 2.0]
    first, second, third, fourth = kept
    for later in (third, fourth, found.checkpoint.weights):
        jax.tree.map(np.testing.assert_array_equal, later, second)
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), first, second)
    assert any(jax.tree.leaves(changed))


def test_a_loss_that_is_not_finite_ends_training_with_the_best_so_far(data: DrainData) -> None:
    huge = replace(data, ship_cost=np.where(data.ship_cost > 0, 3e38, 0).astype(np.float32))
    found = train(huge, TINY, seed=0)
    assert found.stopped.startswith("update ")
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(found.checkpoint.weights))
    assert found.history == ()


def test_samples_are_feasible_and_better_than_no_model(trained: Trained, data: DrainData) -> None:
    outbound, cost = sample_panel(trained.checkpoint, data, (16, 20), 40, jax.random.key(0))
    assert outbound.shape == cost.shape == (40, 6, 4, 4)
    actual, stock = data.outbound[:, 16:20], data.available[:, 16:20]
    assert np.all((outbound >= 0) & (outbound <= stock))
    assert np.all(outbound == np.floor(outbound))
    assert np.all((cost > 0) == (outbound > 0))
    active = np.broadcast_to(data.active[16:20], actual.shape)
    assert np.all(outbound[:, ~active] == 0)
    model = crps(outbound, actual)[active].mean()
    # What the same product and node did in the periods before.
    past = np.minimum(np.moveaxis(data.outbound[:, 6:16], 1, 0)[:, :, None], stock[None])
    assert model < 0.8 * crps(past, actual)[active].mean()
    # Batches of products are independent.
    part = data.products(np.arange(2))
    one, _ = sample_panel(
        trained.checkpoint, part, (16, 20), 40, jax.random.key(0), batch_products=2
    )
    two, _ = sample_panel(
        trained.checkpoint, data, (16, 20), 40, jax.random.key(0), batch_products=2
    )
    np.testing.assert_array_equal(one, two[:, :2])


@pytest.mark.slow
def test_the_gradient_is_that_of_the_mean_losses_however_products_are_chunked(
    data: DrainData,
) -> None:
    config = LEAST
    definition = graph_definition(config, 2, 3)
    weights = init(config, 2, 3, seed=0)
    panel = Panel(
        statistics=Statistics.from_data(data),
        geography=jax.tree.map(jnp.asarray, data.geography),
        inputs=data.inputs(),
    )
    random = np.random.default_rng(0)
    mask = jnp.asarray(random.random((4, data.num_periods)) < 0.7)
    names = [field.name for field in fields(Losses)]
    balance = Losses(**{name: jnp.float32(i + 0.5) for i, name in enumerate(names)})
    batch = jnp.array([5, 0, 3, 2])

    @jax.jit
    @jax.value_and_grad
    def expected(weights):
        network = nnx.merge(definition, weights)
        part = jax.tree.map(lambda x: x[batch], panel.inputs)
        joint, knots = network(network.static(panel.statistics, panel.geography), part)
        flows = (part.outbound, part.ship_cost, part.available, part.active)
        return weighted(means(*loss_sums(joint, knots, *flows, mask)), balance)

    loss, gradient = expected(weights)
    for chunk in (1, 4):
        found, slopes = jax.jit(
            lambda w, c=chunk: gradient_of(definition, w, balance, panel, batch, mask, c)
        )(weights)
        np.testing.assert_allclose(found, loss, rtol=1e-6)
        for a, b in zip(jax.tree.leaves(slopes), jax.tree.leaves(gradient), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6 * (1.0 + float(abs(b).max())))


def test_weights_are_one_over_the_initial_loss() -> None:
    losses = Losses.zeros()
    losses = replace(losses, cost_nll=losses.cost_nll - 2.0, tail_nll=losses.tail_nll + 4.0)
    weights = initial_weights(losses)
    assert float(weights.cost_nll) == 0.5
    assert float(weights.cross_entropy) == 20.0  # a loss of 0 must not weigh without bound
    assert float(weighted(losses, weights)) == 0.0  # -2 / 2 + 4 / 4
    more = initial_weights(replace(losses, dependence=jnp.float32(8.0)), 4.0)
    assert float(more.dependence) == 0.5
    assert float(more.cost_nll) == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: train(d.periods(0, 1), TINY), r"data\.num_periods is 1, must be at least 2"),
        (lambda d: d.periods(3, 99), r"periods \[3, 99\), must be a non-empty part of \[0, 20\)"),
    ],
)
def test_too_few_periods_are_named(call, message: str, data: DrainData) -> None:
    with pytest.raises(ValueError, match=message):
        call(data)


def test_nothing_shipped_is_named(data: DrainData) -> None:
    empty = replace(data, outbound=np.zeros_like(data.outbound), lane=None, lane_units=None)
    with pytest.raises(ValueError, match=r"data\.outbound sums to 0"):
        train(empty, TINY)


def test_losses_of_lanes_by_hand() -> None:
    # Two nodes, three regions; two rows, of which the second does not count.
    flow = jnp.asarray([[[2.0, 1.0, 0.0], [2.0, 3.0, 1.0]], [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]])
    lane = jnp.asarray([[0, 4, 1, 0], [5, 0, 0, 0]])
    units = jnp.asarray([[3.0, 2.0, 1.0, 0.0], [7.0, 0.0, 0.0, 0.0]])
    sums, counts = lane_sums(flow, lane, units, jnp.asarray([True, False]))
    choice = -(3 * np.log(2 / 4) + 2 * np.log(3 / 4) + 1 * np.log(1 / 4))
    np.testing.assert_allclose(sums["lane_choice"], choice, rtol=1e-5)
    assert float(counts["lane_choice"]) == 6.0
    # Regions expect 4, 4 and 1 units, and got 3, 3 and 0.
    deviance = 2 * (4 - 3 + 3 * np.log(3 / 4)) + 1.0
    np.testing.assert_allclose(sums["region_units"], deviance, rtol=1e-5)
    assert float(counts["region_units"]) == 1.0


def test_lanes_are_learnt_from_their_units(trained: Trained) -> None:
    losses = [p.validation_parts["lane_choice"] for p in trained.history]
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.long
def test_labels_that_are_not_used_and_none_at_all_make_the_same_model(data: DrainData) -> None:
    config = replace(TINY, epochs=4, validate_every=1)
    untold = train(data, replace(config, lane_labels=False), seed=0)
    without = train(replace(data, lane=None, lane_units=None), config, seed=0)
    for other in (untold, without):
        assert all(p.validation_parts["lane_choice"] == 0.0 for p in other.history)
    assert [p.validation_loss for p in untold.history] == [
        p.validation_loss for p in without.history
    ]
    # Totals alone say less of a unit's node than boxes do.
    told = train(data, config, seed=0)

    def choice(run: Trained) -> float:
        checkpoint = run.checkpoint
        network = nnx.merge(checkpoint.definition, checkpoint.weights)
        inputs = data.inputs()
        nodes = network.window(checkpoint.static(data.geography), inputs)[2]
        sums, counts = lane_sums(
            nodes.flow, inputs.lane, inputs.lane_units, jnp.ones(data.outbound.shape[:2], bool)
        )
        return float(sums["lane_choice"] / counts["lane_choice"])

    assert choice(told) < 0.95 * choice(untold)


def test_no_forecast_sees_the_lanes(trained: Trained, data: DrainData) -> None:
    with_them, without = (
        sample_panel(trained.checkpoint, d, (16, 20), 4, jax.random.key(0))
        for d in (data, replace(data, lane=None, lane_units=None))
    )
    np.testing.assert_array_equal(with_them[0], without[0])
    np.testing.assert_array_equal(with_them[1], without[1])

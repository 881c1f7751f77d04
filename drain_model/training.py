"""Training: AdamW over batches of products, early stopping on the last training periods."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import NDArray

from drain_model.checkpoint import (
    Checkpoint,
    Weights,
    graph_definition,
    initial_weights,
    save_checkpoint,
)
from drain_model.config import DrainConfig
from drain_model.data import DrainData, Geography, Inputs, Statistics
from drain_model.devices import device_mesh
from drain_model.losses import Losses, loss_sums, means, weighted
from drain_model.losses import initial_weights as loss_weights
from drain_model.network import DrainNetwork, Static
from drain_model.source import Source, summarise
from drain_model.training_state import Learned, Progress, TrainingState, load_state, save_state

STATE, BEST = "state.npz", "drain_model.npz"  # files of a training run's folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A trained model and how it came about."""

    checkpoint: Checkpoint  # the parameters with the best validation loss
    history: tuple[Progress, ...]
    loss_weights: Losses  # 1 / loss at initialisation
    stopped: str  # "epochs", "patience", or where the loss was not finite

    @property
    def failed(self) -> bool:
        """Whether a loss that was not finite ended training."""
        return self.stopped not in ("epochs", "patience")


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class _Panel:
    """The arrays that stay while parameters change."""

    statistics: Statistics
    geography: Geography
    inputs: Inputs | None  # [P, T, ...], or none where batches come with their data


# Products by index, or their data where the panel is not in memory: [B] or leaves [B, T, ...].
Batch = Int[Array, " B"] | Inputs


def _sums(
    definition: nnx.GraphDef[DrainNetwork],
    weights: Weights,
    static: Static,
    panel: _Panel,
    batch: Batch,
    mask: Bool[Array, "B T"],
) -> tuple[Losses, Losses]:
    """Return sums and counts over some products; ``mask`` says which periods count."""
    part = _pick(panel, batch, mask.shape[1])
    joint, knots = nnx.merge(definition, weights)(static, part)
    return loss_sums(joint, knots, part.outbound, part.ship_cost, part.available, part.active, mask)


def _static(definition: nnx.GraphDef[DrainNetwork], panel: _Panel, weights: Weights) -> Static:
    return nnx.merge(definition, weights).static(panel.statistics, panel.geography)


def _total(add: Callable[..., Any], batch: Batch, mask: Bool[Array, "B T"], chunk: int) -> Any:
    """Return the sum of ``add(batch, mask)`` over chunks of products; ``chunk`` divides B."""
    parts = jax.tree.map(lambda x: x.reshape((-1, chunk, *x.shape[1:])), (batch, mask))
    first = jax.tree.map(lambda x: x[0], parts)
    zero = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(add, *first))

    def body(total: Any, part: tuple[Any, Array]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, add(*part)), None

    return jax.lax.scan(body, zero, parts)[0]


def _gradient(
    definition: nnx.GraphDef[DrainNetwork],
    weights: Weights,
    balance: Losses,
    panel: _Panel,
    batch: Batch,
    mask: Bool[Array, "B T"],
    chunk: int,
) -> tuple[Float[Array, ""], Weights]:
    """Return a batch's weighted mean losses and their gradient, ``chunk`` products at a time.

    How many entries a loss counts depends on data alone. Given that, the loss is a sum over
    products and so is its gradient: a chunk's activations are used up while they are in cache,
    and no other's are kept.
    """
    static, pull = jax.vjp(partial(_static, definition, panel), weights)
    _, counts = _sums(definition, weights, static, panel, batch, mask)  # the sums are not computed
    share = jax.tree.map(lambda w, c: w / jnp.maximum(c, 1.0), balance, counts)

    def loss(weights: Weights, static: Static, batch: Batch, mask: Array) -> Array:
        return weighted(_sums(definition, weights, static, panel, batch, mask)[0], share)

    add = partial(jax.value_and_grad(loss, argnums=(0, 1)), weights, static)
    total, (direct, through) = _total(add, batch, mask, chunk)
    return total, jax.tree.map(jnp.add, direct, pull(through)[0])


def _pick(panel: _Panel, batch: Batch, periods: int) -> Inputs:
    """Return the first periods of a batch, [B, T', ...]."""
    part: Inputs
    if isinstance(batch, Inputs):
        part = jax.tree.map(lambda x: x[:, :periods], batch)
    else:
        part = jax.tree.map(lambda x: x[batch, :periods], panel.inputs)
    return part


@lru_cache(maxsize=16)
def _schedule(config: DrainConfig, updates: int) -> optax.Schedule:
    """Return the learning rate: warm-up and cosine over that many updates."""
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=max(1, round(config.warmup_share * updates)),
        decay_steps=max(2, updates),
        end_value=0.01 * config.learning_rate,
    )


@lru_cache(maxsize=16)
def _optimizer(config: DrainConfig, updates: int) -> optax.GradientTransformation:
    """Return AdamW with clipping on the schedule of that many updates."""
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(_schedule(config, updates), weight_decay=config.weight_decay),
    )


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def _update(
    definition: nnx.GraphDef[DrainNetwork],
    config: DrainConfig,
    updates: int,
    fit: int,
    chunk: int,
    learned: Learned,
    batches: Batch,
    panel: _Panel,
) -> tuple[Learned, Float[Array, " S"], Float[Array, " S"]]:
    """Make one update for each batch, all in one dispatch; leaves of ``batches`` are [S, B, ...].

    Returns:
        What was learned, and every update's loss and norm of the gradient.
    """
    optimizer = _optimizer(config, updates)

    def body(
        carry: tuple[Weights, Weights, optax.OptState], batch: Any
    ) -> tuple[tuple[Weights, Weights, optax.OptState], tuple[Array, Array]]:
        weights, average, state = carry
        mask = jnp.ones((jax.tree.leaves(batch)[0].shape[0], fit), bool)
        loss, gradient = _gradient(definition, weights, learned.balance, panel, batch, mask, chunk)
        change, state = optimizer.update(gradient, state, weights)
        # Few numbers decide the lanes, and every product shares them: they may move faster.
        if "pairs" in change:
            change["pairs"] = jax.tree.map(lambda x: config.pair_rate * x, change["pairs"])
        weights = optax.apply_updates(weights, change)
        average = optax.incremental_update(weights, average, 1.0 - config.average_decay)
        return (weights, average, state), (loss, optax.tree.norm(gradient))

    carry = (learned.weights, learned.average, learned.optimizer)
    (weights, average, state), (losses, norms) = jax.lax.scan(body, carry, batches)
    learned = replace(learned, weights=weights, average=average, optimizer=state)
    return learned, losses, norms


@partial(jax.jit, static_argnums=(0, 1))
def _evaluate(
    definition: nnx.GraphDef[DrainNetwork],
    chunk: int,
    weights: Weights,
    total: tuple[Losses, Losses],
    batches: Batch,
    once: Bool[Array, "S B"],
    inside: Bool[Array, " T"],
    panel: _Panel,
) -> tuple[Losses, Losses]:
    """Add the losses' sums and counts over batches to a total.

    Args:
        definition: Of the network.
        chunk: Products at a time.
        weights: Its parameters.
        total: Sums and counts so far.
        batches: Leaves [S, B, ...].
        once: False for what only fills up the last batch.
        inside: Which periods count.
        panel: What stays.
    """
    static = _static(definition, panel, weights)
    add = partial(_sums, definition, weights, static, panel)

    def body(
        carry: tuple[Losses, Losses], row: tuple[Any, Array]
    ) -> tuple[tuple[Losses, Losses], None]:
        mask = row[1][:, None] & inside[None, :]
        found = _total(add, row[0], mask, chunk)
        return jax.tree.map(jnp.add, carry, found), None

    total, _ = jax.lax.scan(body, total, (batches, once))
    return total


def cache_chunk(batch: int) -> int:
    """Return how many of a batch's products a processor takes at a time: about a fourth.

    Fewer keep activations in its cache; more keep its cores busy.
    """
    return next(size for size in range(max(1, batch // 4), 0, -1) if batch % size == 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """What stays during training, and what is done with it."""

    source: Source
    config: DrainConfig
    definition: nnx.GraphDef[DrainNetwork]
    panel: _Panel
    fit: int  # periods that are fitted; the rest validates
    batch: int  # products of an update
    mesh: Mesh

    @property
    def updates(self) -> int:
        """Updates between two validations."""
        return self.config.validate_every * self.source.num_products // self.batch

    @property
    def chunk(self) -> int:
        """Products that go through the network at a time: a part on a processor, all on devices."""
        device = self.mesh.devices.flat[0]
        one = device.platform == "cpu" and self.mesh.size == 1
        return cache_chunk(self.batch) if one else self.batch

    @property
    def rounds(self) -> int:
        """Validations, at most."""
        return -(-self.config.epochs // self.config.validate_every)

    def feed(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield the batches of rows of products [S, B], as many at once as memory holds.

        Products are shared out over the devices. A panel in memory gives them all at once, as
        indices; a stream gives one batch after the other, leaves [1, B, T, ...].
        """
        split = NamedSharding(self.mesh, PartitionSpec(None, "batch"))
        if isinstance(self.source, DrainData):
            yield jax.device_put(jnp.asarray(rows), split)
            return
        for part in self.source.batches(rows):
            yield jax.device_put(jax.tree.map(lambda x: x[None], part), split)

    def evaluate(self, weights: Weights, first: int, stop: int) -> Losses:
        """Return the mean losses of all products over periods [first, stop)."""
        products, time_index = self.source.num_products, np.arange(self.source.num_periods)
        slots = np.arange(-(-products // self.batch) * self.batch).reshape(-1, self.batch)
        inside = jnp.asarray((time_index >= first) & (time_index < stop))
        total, done = (Losses.zeros(), Losses.zeros()), 0
        for batches in self.feed(np.minimum(slots, products - 1)):
            size = jax.tree.leaves(batches)[0].shape[0]
            once = jnp.asarray(slots[done : done + size] < products)
            total = _evaluate(
                self.definition, self.chunk, weights, total, batches, once, inside, self.panel
            )
            done += size
        return means(*total)

    def update(
        self, learned: Learned, rows: NDArray[np.int64]
    ) -> tuple[Learned, NDArray[np.float32], NDArray[np.float32]]:
        """Make one update for each row of products; return every loss and gradient norm."""
        found: list[tuple[Array, Array]] = []
        for batches in self.feed(rows):
            learned, *made = _update(
                self.definition,
                self.config,
                self.rounds * self.updates,
                self.fit,
                self.chunk,
                learned,
                batches,
                self.panel,
            )
            found.append((made[0], made[1]))
            if len(found) > 1:  # one update runs while the next batch is put on the device
                jax.block_until_ready(found[-2])
        losses, norms = (np.concatenate([np.asarray(x[i]) for x in found]) for i in range(2))
        return learned, losses, norms

    def rows(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Draw the batches of a round, [S, B] products."""
        source = self.source
        epochs = [
            random.permutation(source.num_products)
            if isinstance(source, DrainData)
            else source.shuffled(random)
            for _ in range(self.config.validate_every)
        ]
        kept = np.concatenate(epochs)[: self.updates * self.batch]
        return kept.reshape(self.updates, self.batch)

    def round(self, state: TrainingState, before: float) -> TrainingState:
        """Make a round of updates and validate; ``before`` is when training would have started.

        Returns:
            The next state; where a loss is not finite the same one, saying so.
        """
        config, done = self.config, len(state.history)
        random = np.random.default_rng()
        random.bit_generator.state = state.random
        rows = self.rows(random)
        learned, losses, norms = self.update(state.learned, rows)
        finite = np.isfinite(losses) & np.isfinite(norms)
        if not finite.all():
            bad = int(np.argmin(finite))
            names = ", ".join(self.source.name_of(int(p)) for p in rows[bad])
            return replace(
                state,
                stopped=f"update {done * self.updates + bad + 1}: loss = {losses[bad]}, norm of "
                f"the gradient = {norms[bad]}: must be finite; the batch holds products {names}",
            )
        parts = self.evaluate(learned.average, self.fit, self.source.num_periods)
        loss = float(weighted(parts, learned.balance))
        made = (done + 1) * self.updates
        if not np.isfinite(loss):
            return replace(state, stopped=f"validation after update {made}: loss = {loss}")
        better = loss < state.best_loss
        if better:
            learned = replace(learned, best=learned.average)
        since = 0 if better else state.since + 1
        progress = Progress(
            epoch=min((done + 1) * config.validate_every, config.epochs),
            epochs=config.epochs,
            update=made,
            train_loss=float(losses.mean()),
            validation_loss=loss,
            validation_parts={f.name: float(getattr(parts, f.name)) for f in fields(parts)},
            best_loss=min(loss, state.best_loss),
            gradient_norm=float(norms.max()),
            learning_rate=float(_schedule(config, self.rounds * self.updates)(made)),
            seconds=time.perf_counter() - before,
        )
        over = {self.rounds: "epochs"}.get(done + 1, "")
        return replace(
            state,
            learned=learned,
            random=dict(random.bit_generator.state),
            history=(*state.history, progress),
            since=since,
            stopped="patience" if since >= config.patience else over,
        )

    def checkpoint(self, state: TrainingState) -> Checkpoint:
        """Return the best parameters so far."""
        return Checkpoint(
            config=state.config,
            weights=jax.tree.map(np.asarray, state.learned.best),
            statistics=state.statistics,
            node_coordinates=np.asarray(self.source.geography.node_coordinates),
            train_periods=self.source.num_periods,
        )


def train(
    data: Source,
    config: DrainConfig,
    *,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    folder: Path | None = None,
    devices: int = 1,
    initial: Checkpoint | None = None,
) -> Trained:
    """Train a drain model on a panel.

    The last ``validation_share`` of the periods is held out of the loss; its loss decides when to
    stop, and which parameters are kept. A loss that is not finite ends training with the best
    parameters so far, and says at which update and with which products.

    With a folder, the best parameters and the training state are written to it after every
    validation, and the same call goes on from there: its losses are bit for bit those of a run
    that was not interrupted.

    Args:
        data: Training periods only: in memory, or a stream of products such as
            ``drain_model.streaming.PanelStream``. Both give the same losses.
        config: Sizes and settings.
        seed: Of initialisation and batches.
        progress: Called after every validation.
        folder: Of ``state.npz`` and ``drain_model.npz``; nothing is written when not given.
        devices: The products of a batch are shared out over this many devices, and gradients are
            summed over them: the result is that of one device, up to rounding.
        initial: A model to go on from: its parameters and statistics are kept, its config's sizes
            must be those of ``config``.

    Returns:
        The best parameters as a checkpoint, the learning curve, and why training stopped.

    Raises:
        ValueError: If there are too few periods, no unit was shipped, the devices are not there
            or do not divide a batch, or the folder holds the state of another run.
    """
    periods, products = data.num_periods, data.num_products
    fit = min(round(periods * (1.0 - config.validation_share)), periods - 1)
    if fit < 1:
        raise ValueError(f"data.num_periods = {periods}: must be at least 2, one to validate on")
    batch = min(config.batch_products, products)
    mesh = device_mesh(devices, batch)
    started = time.perf_counter()
    features = (data.calendar.shape[-1], data.attributes.shape[-1])
    summary = summarise(data, fit)
    if initial is not None:
        initial.require_sizes(config)
        summary = replace(summary, statistics=initial.statistics)
    panel = _Panel(
        statistics=jax.tree.map(jnp.asarray, summary.statistics),
        geography=jax.tree.map(jnp.asarray, data.geography),
        inputs=data.inputs() if isinstance(data, DrainData) else None,
    )
    whole = NamedSharding(mesh, PartitionSpec())
    run = _Run(
        source=data,
        config=config,
        definition=graph_definition(config, *features),
        panel=jax.device_put(panel, whole),
        fit=fit,
        batch=batch,
        mesh=mesh,
    )
    weights = initial_weights(config, *features, seed=seed) if initial is None else initial.weights
    weights = jax.device_put(jax.tree.map(jnp.asarray, weights), whole)
    state = TrainingState(
        config=config,
        seed=seed,
        fingerprint=summary.fingerprint,
        statistics=summary.statistics,
        learned=Learned(
            weights=weights,
            average=weights,
            best=weights,
            optimizer=_optimizer(config, run.rounds * run.updates).init(weights),
            balance=Losses.zeros(),
        ),
        random=dict(np.random.default_rng(seed).bit_generator.state),
    )
    if folder is not None and (folder / STATE).exists():
        state = load_state(folder / STATE, state)
        state = replace(state, learned=jax.device_put(state.learned, whole))
    else:
        balance = loss_weights(run.evaluate(weights, 0, fit))
        state = replace(state, learned=replace(state.learned, balance=balance))
    before = started - (state.history[-1].seconds if state.history else 0.0)
    while not state.stopped:
        done = len(state.history)
        state = run.round(state, before)
        if len(state.history) == done:
            break  # what is on disk stays as it was before
        if folder is not None:
            if state.since == 0:
                save_checkpoint(run.checkpoint(state), folder / BEST)
            save_state(state, folder / STATE)
        if progress is not None:
            progress(state.history[-1])
    return Trained(
        checkpoint=run.checkpoint(state),
        history=state.history,
        loss_weights=state.learned.balance,
        stopped=state.stopped,
    )

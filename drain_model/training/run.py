"""Training: AdamW over batches of products, early stopping on the last training periods."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array
from numpy.typing import NDArray

from draingym.common.carry import strong
from draingym.common.devices import AXIS, part_size, training_mesh, whole
from draingym.common.processes import (
    as_first_sees,
    first_may_write,
    is_first,
    join_parts,
    own_part,
    put,
    several,
)
from draingym.common.runs import generator_of
from draingym.common.shared_jit import gathered
from draingym.drain_model.checkpoint import (
    Checkpoint,
    Weights,
    graph_definition,
    initial_weights,
    save_checkpoint,
)
from draingym.drain_model.config import DrainConfig
from draingym.drain_model.data.dataset import DrainData
from draingym.drain_model.data.source import Source, host_batches, summarise
from draingym.drain_model.network.drain_network import DrainNetwork
from draingym.drain_model.training import programs
from draingym.drain_model.training.losses import Losses, weighted
from draingym.drain_model.training.state import (
    Learned,
    Progress,
    TrainingState,
    load_state,
    save_state,
)
from draingym.world.identity import WorldIdentity

_COPIES = 2**32  # bytes of memory that copies of a panel may take, one for each core
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """What stays during training, and what is done with it."""

    source: Source
    config: DrainConfig
    definition: nnx.GraphDef[DrainNetwork]
    panel: programs.Panel
    fit: int  # periods that are fitted; the rest validates
    batch: int  # products of an update
    mesh: Mesh | None

    @property
    def updates(self) -> int:
        """Updates between two validations."""
        return self.config.validate_every * self.source.num_products // self.batch

    @property
    def chunk(self) -> int:
        """Products that go through the network at a time: few on a processor, all on others."""
        each = part_size(self.mesh, self.batch)
        device = jax.devices()[0] if self.mesh is None else self.mesh.devices.flat[0]
        return programs.cache_chunk(each) if device.platform == "cpu" else each

    @property
    def split(self) -> NamedSharding | None:
        """Where batches are: each device holds its part, or all where the batch does not divide."""
        if self.mesh is None or self.batch % self.mesh.size:
            return whole(self.mesh)
        return NamedSharding(self.mesh, PartitionSpec(None, AXIS))

    @property
    def rounds(self) -> int:
        """Validations, at most."""
        return -(-self.config.epochs // self.config.validate_every)

    def feed(self, rows: NDArray[np.int64]) -> Iterator[programs.Batch]:
        """Yield the batches of rows of products [S, B], as many at once as memory holds.

        A panel in memory gives them all at once, as indices; a stream gives one batch after the
        other, leaves [1, B, T, ...], of which each of several processes reads its own products.
        """
        split = self.split
        if self.panel.inputs is not None:
            yield jax.device_put(rows.astype(np.int32), split)
            return
        if self.mesh is None or split is None or split.is_fully_addressable:
            for part in host_batches(self.source, rows):
                yield jax.device_put(jax.tree.map(lambda x: x[None], part), split)
            return
        rows = np.sort(rows, axis=1)  # a process then reads the same chunks again and again
        if not split.is_fully_replicated:
            rows = rows[:, own_part(self.mesh, self.batch)]
        for part in host_batches(self.source, rows):
            yield join_parts(jax.tree.map(lambda x: x[None], part), split, 1, self.batch)

    def evaluate(self, weights: Weights, first: int, stop: int) -> Losses:
        """Return the mean losses of all products over periods [first, stop)."""
        products, time_index = self.source.num_products, np.arange(self.source.num_periods)
        slots = np.arange(-(-products // self.batch) * self.batch).reshape(-1, self.batch)
        inside = (time_index >= first) & (time_index < stop)
        total, done = strong((Losses.zeros(), Losses.zeros()), whole(self.mesh)), 0
        for batches in self.feed(np.minimum(slots, products - 1)):
            size = jax.tree.leaves(batches)[0].shape[0]
            once = slots[done : done + size] < products
            total = programs.evaluate(
                self.definition,
                self.chunk,
                weights,
                total,
                batches,
                once,
                inside,
                self.panel,
                mesh=self.mesh,
            )
            done += size
        found: Losses = programs.mean_losses(*total)
        return found

    def update(
        self, learned: Learned, rows: NDArray[np.int64]
    ) -> tuple[Learned, NDArray[np.float32], NDArray[np.float32]]:
        """Make one update for each row of products; return every loss and gradient norm."""
        found: list[tuple[Array, Array]] = []
        for batches in self.feed(rows):
            learned, *made = programs.update(
                self.definition,
                self.config,
                self.rounds * self.updates,
                self.fit,
                self.chunk,
                learned,
                batches,
                self.panel,
                mesh=self.mesh,
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
        random = generator_of(state.random)
        rows = self.rows(random)
        learned, losses, norms = self.update(state.learned, rows)
        finite = np.isfinite(losses) & np.isfinite(norms)
        if not finite.all():
            bad = int(np.argmin(finite))
            names = ", ".join(self.source.name_of(int(p)) for p in rows[bad])
            return replace(
                state,
                stopped=f"update {done * self.updates + bad + 1}: loss = {losses[bad]}, norm of "
                f"the gradient is {norms[bad]}, must be finite; the batch holds products {names}",
            )
        parts = self.evaluate(learned.average, self.fit, self.source.num_periods)
        loss = float(weighted(*jax.device_get((parts, learned.balance))))
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
            learning_rate=float(
                programs.learning_rate(config, self.rounds * self.updates, np.int32(made))
            ),
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
            world=_trained_in(self.source),
        )


def _trained_in(source: Source) -> WorldIdentity | None:
    """Return which network, products and periods are trained on, where the data says so."""
    world: WorldIdentity | None = getattr(source, "world", None)
    products: tuple[str, ...] = getattr(source, "product_id", ())
    return world.of(products, source.num_periods) if world is not None and products else None


def train(
    data: Source,
    config: DrainConfig,
    *,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    folder: Path | None = None,
    devices: int | None = None,
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
            ``draingym.drain_model.data.streaming.PanelStream``. Both give the same losses.
        config: Sizes and settings.
        seed: Of initialisation and batches.
        progress: Called after every validation.
        folder: Of ``state.npz`` and ``drain_model.npz``; nothing is written when not given.
        devices: The products of a batch are shared out over this many devices, and gradients are
            summed over them: the result is that of one device, up to rounding. All cores of a
            processor, or all GPUs, where a batch pays for it, when not given.
        initial: A model to go on from: its parameters and statistics are kept, its config's sizes
            must be those of ``config``.

    Returns:
        The best parameters as a checkpoint, the learning curve, and why training stopped.

    Raises:
        ValueError: If there are too few periods, no unit was shipped, the devices are not there,
            or the folder holds the state of another run.
    """
    if folder is not None:
        first_may_write(folder)
    periods, products = data.num_periods, data.num_products
    fit = config.fitted_periods(periods)
    if fit < 1:
        raise ValueError(f"data.num_periods is {periods}, must be at least 2, one to validate on")
    batch = min(config.batch_products, products)
    mesh = _mesh_of(data, config, batch, devices)
    started = time.perf_counter()
    features = (data.calendar.shape[-1], data.attributes.shape[-1])
    summary = summarise(data, fit)
    if initial is not None:
        initial.require_sizes(config)
        summary = replace(summary, statistics=initial.statistics)
    panel = programs.Panel(
        statistics=summary.statistics,
        geography=data.geography,
        inputs=data.inputs() if isinstance(data, DrainData) and not several() else None,
    )
    run = _Run(
        source=data,
        config=config,
        definition=graph_definition(config, *features),
        panel=put(panel, whole(mesh)),
        fit=fit,
        batch=batch,
        mesh=mesh,
    )
    weights = initial_weights(config, *features, seed=seed) if initial is None else initial.weights
    weights = strong(weights, whole(mesh))
    optimizer = programs.optimizer_of(config, run.rounds * run.updates)
    state = TrainingState(
        config=config,
        seed=seed,
        fingerprint=summary.fingerprint,
        statistics=summary.statistics,
        learned=Learned(
            weights=weights,
            average=weights,
            best=weights,
            optimizer=jax.jit(optimizer.init)(weights),
            balance=Losses.zeros(),
        ),
        random=dict(np.random.default_rng(seed).bit_generator.state),
    )
    with as_first_sees(None if folder is None else folder / STATE) as stored:
        if stored is not None:
            state = load_state(stored, state)
    if stored is None:
        balance = programs.balance_of(run.evaluate(weights, 0, fit), config.dependence_weight)
        state = replace(state, learned=replace(state.learned, balance=balance))
    state = replace(state, learned=strong(state.learned, whole(mesh)))
    before = started - (state.history[-1].seconds if state.history else 0.0)
    while not state.stopped:
        done = len(state.history)
        state = run.round(state, before)
        if len(state.history) == done:
            break  # what is on disk stays as it was before
        if folder is not None and is_first():
            if state.since == 0:
                save_checkpoint(run.checkpoint(state), folder / BEST)
            save_state(state, folder / STATE)
        if progress is not None:
            progress(state.history[-1])
    return Trained(
        checkpoint=run.checkpoint(state),
        history=state.history,
        loss_weights=gathered(state.learned.balance),
        stopped=state.stopped,
    )


def _mesh_of(data: Source, config: DrainConfig, batch: int, devices: int | None) -> Mesh | None:
    """Return what shares out the products of a batch."""
    nodes, regions = data.geography.distance_km.shape
    entries = data.num_periods * (nodes + regions)
    most = batch
    if devices is None and isinstance(data, DrainData) and jax.default_backend() == "cpu":
        most = min(batch, _COPIES // (4 * data.num_products * entries))
    return training_mesh(devices, most, batch * entries * config.width)

"""Speed of training, beside the same network in PyTorch on the same device.

With the same weights the losses of the first updates must be the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._common import REPEATS, Row, timed
from benchmarks.drain_parts.models import variant
from benchmarks.drain_parts.rollouts import (
    ATTRIBUTES,
    CALENDAR,
    NODES,
    REGIONS,
    Places,
    random_data,
)
from draingym.common.devices import cores_mesh, part_size, placed
from draingym.common.machine import machine
from draingym.drain_model import DrainConfig, DrainData, Statistics
from draingym.drain_model.checkpoint import Weights, graph_definition, initial_weights
from draingym.drain_model.training import programs
from draingym.drain_model.training.losses import Losses
from draingym.drain_model.training.state import Learned

# Relative, of PyTorch's first loss, and of the first after a change of the weights: Adam's first
# step divides a gradient by its own size, so that the rounding of the smallest ones shows.
LOSS_TOLERANCES = (1e-5, 1e-5, 1e-3)
CALLS = 3 + 3 * (REPEATS + 1)  # at most, of each: checks, and timing ours and both of PyTorch's


class DifferentLossesError(RuntimeError):
    """PyTorch does not learn the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """Updates of one network on one batch, from the same weights in JAX and in PyTorch."""

    label: str
    config: DrainConfig
    data: DrainData
    weights: Weights
    updates: int = 1  # of a call

    @classmethod
    def of(
        cls,
        label: str,
        config: DrainConfig,
        products: int,
        periods: int,
        places: Places = (NODES, REGIONS),
        updates: int = 1,
        pace: float = 5.0,
    ) -> Training:
        """Return the training of a freshly initialised network on random data.

        Boxes are known where lanes learn from them; ``pace`` is that of ``random_data``.
        """
        boxes = bool(config.lane_heads) and config.lane_labels
        return cls(
            label=label,
            config=config,
            data=random_data(products, periods, 1, places, pace=pace, boxes=boxes),
            weights=initial_weights(config, CALENDAR, ATTRIBUTES, seed=0),
            updates=updates,
        )

    @property
    def balance(self) -> Losses:
        """What losses are multiplied by: 1, but for the weight of a joint's own."""
        ones: Losses = jax.tree.map(jnp.ones_like, Losses.zeros())
        return replace(ones, dependence=jnp.asarray(self.config.dependence_weight))

    def ours(self) -> tuple[Callable[[], list[float]], float]:
        """Return what makes updates and returns their losses, and seconds of compiling it.

        Devices share the products out as ``draingym.drain_model.train`` has it.
        """
        config, data, total = self.config, self.data, CALLS * self.updates
        products, periods = data.num_products, data.num_periods
        entries = periods * sum(data.geography.distance_km.shape) * config.width
        mesh = cores_mesh(products, products * entries)
        panel = programs.Panel(
            statistics=Statistics.from_data(data),
            geography=jax.tree.map(jnp.asarray, data.geography),
            inputs=data.inputs(),
        )
        learned = Learned(
            weights=self.weights,
            average=self.weights,
            best=self.weights,
            optimizer=programs.optimizer_of(config, total).init(self.weights),
            balance=self.balance,
        )
        rows = jnp.tile(jnp.arange(products), (self.updates, 1))
        panel, learned, rows = placed((panel, learned, rows), mesh)
        on_processor = next(iter(rows.devices())).platform == "cpu"
        each = part_size(mesh, products)
        chunk = programs.cache_chunk(each) if on_processor else each
        start = time.perf_counter()
        definition = graph_definition(config, CALENDAR, ATTRIBUTES)
        sizes = (total, periods, chunk)
        lowered = programs.update.lower(definition, config, *sizes, learned, rows, panel, mesh=mesh)
        step = lowered.compile()
        seconds = time.perf_counter() - start

        def call() -> list[float]:
            nonlocal learned
            learned, losses, _ = step(learned, rows, panel)
            return [float(x) for x in np.asarray(losses)]

        return call, seconds

    def theirs(self, device: str) -> Callable[[], list[float]]:
        """Return the same in PyTorch.

        Raises:
            ImportError: If PyTorch is not there.
        """
        from benchmarks.torch_parts.network import TorchDrain
        from benchmarks.torch_parts.training import Trainer, batch_of

        config, data, total = self.config, self.data, CALLS * self.updates
        network = TorchDrain(config, Statistics.from_data(data), data, ATTRIBUTES)
        network.copy(self.weights)
        schedule = programs.schedule_of(config, total)
        rates = np.array([schedule(i) for i in range(total)])
        balance = {name: float(value) for name, value in asdict(self.balance).items()}
        trainer = Trainer(network.to(device), config, rates, balance)
        part = batch_of(data, np.arange(data.num_products), data.num_periods, device)

        def call() -> list[float]:
            losses = [trainer.update(part) for _ in range(self.updates)]
            return [float(loss) for loss in losses]

        return call

    def same(
        self, ours: Callable[[], list[float]], theirs: Callable[[], list[float]]
    ) -> list[tuple[float, float]]:
        """Make the first updates of both; return their losses.

        Raises:
            DifferentLossesError: If they differ.
        """
        pairs: list[tuple[float, float]] = []
        while len(pairs) < len(LOSS_TOLERANCES):
            pairs += zip(ours(), theirs(), strict=True)
        for update, ((a, b), bound) in enumerate(zip(pairs, LOSS_TOLERANCES, strict=False), 1):
            if not abs(a - b) <= bound * abs(a):
                said = f"{self.label}: loss {a} of update {update} is {b} in PyTorch"
                raise DifferentLossesError(said)
        return pairs


def without_torch(device: str) -> str:
    """Return why PyTorch is not compared with on a device; empty where it can be."""
    try:
        import torch
    except ImportError as error:
        return f"PyTorch cannot be imported ({error})"
    return "PyTorch has no CUDA" if device == "cuda" and not torch.cuda.is_available() else ""


def training_row(training: Training, device: str = "cpu") -> Row:
    """Time updates of both networks, and check that they learn the same.

    Args:
        training: What is timed.
        device: PyTorch's, which is left out where it is not there; JAX runs on its default one.

    Raises:
        DifferentLossesError: If those of the first updates differ.
    """
    reason = without_torch(device)
    ours, seconds = training.ours()
    # PyTorch is not always faster on more threads: its better time counts.
    best: dict[int, tuple[float, float]] = {}
    if not reason:
        import torch

        theirs = training.theirs(device)
        training.same(ours, theirs)
        for threads in sorted({1, machine()["cores"]} if device == "cpu" else {1}):
            torch.set_num_threads(threads)
            best[threads] = timed({"torch": theirs})["torch"]
    mine = timed({"jax": ours})["jax"]
    threads = min(best, key=lambda n: best[n][0], default=None)
    yours = (math.nan, math.nan) if threads is None else best[threads]
    products, periods = training.data.num_products, training.data.num_periods
    made = products * periods * training.updates
    return {
        "network": training.label,
        "products": products,
        "periods": periods,
        "JAX, product-periods/s": made / mine[0],
        "PyTorch, product-periods/s": made / yours[0],
        "times faster": yours[0] / mine[0],
        "times faster, processor": yours[1] / mine[1],
        "PyTorch's threads": threads,
        "compile, s": seconds,
        "skipped": reason,
    }


def training_rows(cases: Sequence[Callable[[], Training]]) -> tuple[list[Row], str]:
    """Return the rows of training on the processor, or none and why."""
    reason = without_torch("cpu")
    if reason:
        return [], f"{reason}: training is not compared"
    if jax.default_backend() == "cpu":
        return [training_row(make()) for make in cases], ""
    with jax.default_device(jax.devices("cpu")[0]):
        return [training_row(make()) for make in cases], ""


def paper_variants(
    updates: Sequence[tuple[str, str, int]], periods: int
) -> list[Callable[[], Training]]:
    """Return the training of variants with the paper's head: variant, preset and products each."""
    return [
        partial(Training.of, f"{name}, {preset} sizes", variant(name, preset), batch, periods)
        for name, preset, batch in updates
    ]

"""Speed of training, beside the same network in PyTorch on the same device.

With the same weights the losses of the first updates must be the same.
"""

from __future__ import annotations

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
    ) -> Training:
        """Return the training of a freshly initialised network on random data.

        Boxes are known where lanes learn from them.
        """
        boxes = bool(config.lane_heads) and config.lane_labels
        return cls(
            label=label,
            config=config,
            data=random_data(products, periods, 1, places, boxes=boxes),
            weights=initial_weights(config, CALENDAR, ATTRIBUTES, seed=0),
            updates=updates,
        )

    @property
    def balance(self) -> Losses:
        """What losses are multiplied by: 1, but for the weight of a joint's own."""
        ones: Losses = jax.tree.map(jnp.ones_like, Losses.zeros())
        return replace(ones, dependence=jnp.asarray(self.config.dependence_weight))

    def ours(self) -> tuple[Callable[[], list[float]], float]:
        """Return what makes updates and returns their losses, and seconds of compiling it."""
        config, data, total = self.config, self.data, CALLS * self.updates
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
        products = data.num_products
        rows = jnp.tile(jnp.arange(products), (self.updates, 1))
        on_processor = next(iter(rows.devices())).platform == "cpu"
        chunk = programs.cache_chunk(products) if on_processor else products
        start = time.perf_counter()
        definition = graph_definition(config, CALENDAR, ATTRIBUTES)
        sizes = (total, data.num_periods, chunk)
        step = programs.update.lower(definition, config, *sizes, learned, rows, panel).compile()
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
        return lambda: [trainer.update(part) for _ in range(self.updates)]

    def same(
        self, ours: Callable[[], list[float]], theirs: Callable[[], list[float]]
    ) -> list[tuple[float, float]]:
        """Make the first updates of both; return their losses.

        Raises:
            RuntimeError: If they differ.
        """
        pairs: list[tuple[float, float]] = []
        while len(pairs) < len(LOSS_TOLERANCES):
            pairs += zip(ours(), theirs(), strict=True)
        for update, ((a, b), bound) in enumerate(zip(pairs, LOSS_TOLERANCES, strict=False), 1):
            if not abs(a - b) <= bound * abs(a):
                raise RuntimeError(f"{self.label}: loss {a} of update {update} is {b} in PyTorch")
        return pairs


def training_row(training: Training, device: str = "cpu") -> Row:
    """Time updates of both networks, and check that they learn the same.

    Args:
        training: What is timed.
        device: PyTorch's; JAX runs on its default one.

    Raises:
        ImportError: If PyTorch is not there.
        RuntimeError: If the losses of the first updates differ.
    """
    import torch

    ours, seconds = training.ours()
    theirs = training.theirs(device)
    training.same(ours, theirs)
    times = timed({"jax": ours})
    # PyTorch is not always faster on more threads: its better time counts.
    best: dict[int, tuple[float, float]] = {}
    for threads in (
        sorted({1, machine()["cores"]}) if device == "cpu" else (torch.get_num_threads(),)
    ):
        torch.set_num_threads(threads)
        best[threads] = timed({"torch": theirs})["torch"]
    threads = min(best, key=lambda n: best[n][0])
    times["torch"] = best[threads]
    products, periods = training.data.num_products, training.data.num_periods
    made = products * periods * training.updates
    return {
        "network": training.label,
        "products": products,
        "periods": periods,
        "JAX, product-periods/s": made / times["jax"][0],
        "PyTorch, product-periods/s": made / times["torch"][0],
        "times faster": times["torch"][0] / times["jax"][0],
        "times faster, processor": times["torch"][1] / times["jax"][1],
        "PyTorch's threads": threads,
        "compile, s": seconds,
    }


def training_rows(cases: Sequence[Callable[[], Training]]) -> tuple[list[Row], str]:
    """Return the rows of training on the processor, or none and why."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        return [], f"PyTorch cannot be imported ({error}): training is not compared"
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

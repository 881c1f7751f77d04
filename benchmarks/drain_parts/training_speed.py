"""Speed of training, beside the same network in PyTorch on the same processor.

With the same weights the losses of the first updates must be the same.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._common import REPEATS, Row, timed
from benchmarks.drain_parts.models import variant
from benchmarks.drain_parts.rollouts import ATTRIBUTES, CALENDAR, random_data
from draingym.drain_model import DrainConfig, Statistics
from draingym.drain_model.checkpoint import graph_definition, initial_weights
from draingym.drain_model.training import programs
from draingym.drain_model.training.losses import Losses
from draingym.drain_model.training.state import Learned

# Relative, of PyTorch's first loss, and of the first after a change of the weights: Adam's first
# step divides a gradient by its own size, so that the rounding of the smallest ones shows.
LOSS_TOLERANCES = (1e-5, 1e-5, 1e-3)


def training_row(label: str, config: DrainConfig, batch: int, periods: int) -> Row:
    """Time updates of both networks on the processor, and check that they learn the same.

    Raises:
        ImportError: If PyTorch is not there.
        RuntimeError: If the losses of the first updates differ.
    """
    import torch

    from benchmarks.drain_parts.torch_drain import TorchDrain, Trainer, batch_of

    data = random_data(batch, periods, seed=1)
    weights = initial_weights(config, CALENDAR, ATTRIBUTES, seed=0)
    updates = 2 * REPEATS + 20
    stats = Statistics.from_data(data)
    panel = programs.Panel(
        statistics=stats,
        geography=jax.tree.map(jnp.asarray, data.geography),
        inputs=data.inputs(),
    )
    ones = jax.tree.map(jnp.ones_like, Losses.zeros())
    learned = Learned(
        weights=weights,
        average=weights,
        best=weights,
        optimizer=programs.optimizer_of(config, updates).init(weights),
        balance=ones,
    )
    rows = jnp.arange(batch)[None]
    start = time.perf_counter()
    definition = graph_definition(config, CALENDAR, ATTRIBUTES)
    sizes = (updates, periods, programs.cache_chunk(batch))
    step = programs.update.lower(definition, config, *sizes, learned, rows, panel).compile()
    seconds = time.perf_counter() - start

    network = TorchDrain(config, stats, data, ATTRIBUTES)
    network.copy(weights)
    schedule = programs.schedule_of(config, updates)
    trainer = Trainer(network, config, np.array([schedule(i) for i in range(updates)]))
    part = batch_of(data, np.arange(batch), periods)

    def ours() -> float:
        nonlocal learned
        learned, losses, _ = step(learned, rows, panel)
        return float(losses[0])

    for update, tolerance in enumerate(LOSS_TOLERANCES, start=1):
        a, b = ours(), trainer.update(part)
        if not abs(a - b) <= tolerance * abs(a):
            raise RuntimeError(f"{label}: loss {a} of update {update} is {b} in PyTorch")
    times = timed({"jax": ours})
    # PyTorch is not always faster on more threads: its better time counts.
    best: dict[int, tuple[float, float]] = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        best[threads] = timed({"torch": lambda: trainer.update(part)})["torch"]
    threads = min(best, key=lambda n: best[n][0])
    times["torch"] = best[threads]
    rate = {name: batch * periods / wall for name, (wall, _) in times.items()}
    return {
        "network": label,
        "products": batch,
        "periods": periods,
        "JAX, product-periods/s": rate["jax"],
        "PyTorch, product-periods/s": rate["torch"],
        "times faster": times["torch"][0] / times["jax"][0],
        "times faster, processor": times["torch"][1] / times["jax"][1],
        "PyTorch's threads": threads,
        "compile, s": seconds,
    }


def training_rows(updates: Sequence[tuple[str, str, int]], periods: int) -> tuple[list[Row], str]:
    """Return the rows of training, or none and why.

    Args:
        updates: Variant, preset and products of an update.
        periods: Of a batch.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        return [], f"PyTorch cannot be imported ({error}): training is not compared"
    rows = []
    with jax.default_device(jax.devices("cpu")[0]):
        for name, preset, batch in updates:
            config = variant(name, preset)
            rows.append(training_row(f"{name}, {preset} sizes", config, batch, periods))
    return rows, ""

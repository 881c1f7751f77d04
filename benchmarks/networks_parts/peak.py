"""What the processor makes of a large product of float32 matrices: the measure of wide layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._common import timed

SIZE = 4096


def rows(folder: Path | None, repeats: int) -> list[dict[str, Any]]:
    """Return the rates of JAX and of NumPy, timed in turn.

    Args:
        folder: There are no peers in this.
        repeats: Products that are timed.
    """
    del folder
    random = np.random.default_rng(0)
    left, right = (random.standard_normal((SIZE, SIZE), np.float32) for _ in range(2))
    ours = [jnp.asarray(matrix) for matrix in (left, right)]
    product = jax.jit(jnp.matmul)
    found = timed({"JAX": lambda: product(*ours), "NumPy": lambda: left @ right}, repeats)
    return [
        {"product of": f"{SIZE} x {SIZE}, float32", "in": name, "GFLOP/s": 2e-9 * SIZE**3 / wall}
        for name, (wall, _) in found.items()
    ]

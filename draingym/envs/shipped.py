"""The drain model that ships with the package, and how it is made.

    python -m draingym.envs.shipped

makes ``draingym/envs/shipped_drain.npz`` anew: order lines that this project generates (no data of
anyone else's), the network of the US environments, 120 days of events that the emulated systems
write under yesterday's policy, and a drain model trained on the first two thirds of them. Sizes and
seed are those of ``config()``.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from draingym.demo.config import LoopConfig
    from draingym.drain_model import Checkpoint

PATH = Path(__file__).with_name("shipped_drain.npz")
MOST_BYTES = 2_000_000


def config() -> LoopConfig:
    """Return what the model is made with: a day a period, as in the US environments."""
    from draingym.demo.config import LoopConfig
    from draingym.world.orders import WorldConfig

    return LoopConfig(data="synthetic", seed=0, world=WorldConfig(period_days=1, seed=0))


@cache
def shipped_checkpoint() -> Checkpoint:
    """Return the shipped drain model.

    Raises:
        ValueError: If the file is damaged, or has been taken out of the package.
    """
    from draingym.drain_model.checkpoint import load_checkpoint

    return load_checkpoint(PATH)


def make_checkpoint(folder: Path, loop_config: LoopConfig, path: Path = PATH) -> None:
    """Write the log, train the model on it, and save it.

    Args:
        folder: Where log, panel and the training's own files go.
        loop_config: Sizes and seeds.
        path: The file.

    Raises:
        ValueError: If the file is larger than a package should carry.
    """
    from draingym.demo.data_stage import get_orders, write_history
    from draingym.demo.learning_stages import train_drain_model
    from draingym.demo.run import Run

    run = Run(loop_config, folder)

    def advance(done: int, total: int) -> None:
        print(f"{done} of {total}", flush=True)

    for work in (get_orders, write_history, train_drain_model):
        work(run, advance)
    made = (folder / "drain_model.npz").read_bytes()
    if len(made) > MOST_BYTES:
        raise ValueError(f"checkpoint has {len(made)} bytes, must have at most {MOST_BYTES}")
    path.write_bytes(made)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        make_checkpoint(Path(scratch), config())

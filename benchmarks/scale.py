"""The drain model at the size that matters: new products, other stock, 20 nodes and 99 regions.

Two worlds: ``paper``, 1,000 products of real orders in periods of two days, of which a node and
product ships 0.3 units a period; ``busy``, 125 products of synthetic orders by weeks, about 10
units. In both, the last third of the periods, a fifth of the products, and a node that opens in
those periods are held out. Models are scored in four cells: products seen and new, on the log's
policy and on three others that no model is fitted to; off policy, scores are summed over the three.

    make bench-scale                                  # 2 cores, under 90 minutes
    make bench-scale ARGS="--parts accuracy-busy"     # one part of it

Parts that are finished are kept in the folder: an interrupted run goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmarks._common import (
    Claim,
    Clock,
    at_least,
    at_most,
    figure_only,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks.drain_parts.claims import below
from benchmarks.drain_parts.models import CLOSEST, TREES, Sampler, baselines, neural
from benchmarks.drain_parts.policies import diverse_plans
from benchmarks.drain_parts.world import replay_policies
from benchmarks.scale_parts.cells import (
    FLOOR,
    LEVELS,
    Scaled,
    make_scaled,
    rows_of,
    score,
    score_floor,
    training,
    worst_mean,
)
from benchmarks.scale_parts.configs import CONFIGS
from draingym.common.files import write_json
from draingym.drain_model import DrainData

DEFAULT = "default"
NO_BOXES = "default, boxes not told"
NO_STOCK = "default, history alone"
INDEPENDENT = "default, independent nodes"
REFITTED = f"{CLOSEST}, refitted"
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # of the fitted products: 50 to 800 of `paper`
GAPS = {  # bar 2: share of the gap closed at a node, by world, policy and products
    "paper": {("on policy", "seen"): 0.8, ("on policy", "new"): 0.8, ("off policy", "new"): 0.75},
    "busy": {("on policy", "seen"): 0.9, ("on policy", "new"): 0.85, ("off policy", "new"): 0.8},
}
SEEN = 160  # products that were trained on and judge


def diverse(scaled: Scaled, seed: int) -> DrainData:
    """Return history and replays of half of the fitted products each, training periods alone."""
    world = scaled.world
    replays = replay_policies(world, diverse_plans(world.world), seed=seed + 1)
    random = np.random.default_rng([seed, 8])
    parts = [replace(training(scaled), sales=None)]
    for panel in replays.values():
        half = np.sort(random.permutation(scaled.fitted)[: scaled.fitted.size // 2])
        parts.append(panel.data.periods(0, world.split).products(half))
    return DrainData.stack(parts)


def accuracy(preset: str, seed: int, samples: int, clock: Clock, folder: Path) -> dict[str, Any]:
    """Fit all models to a world, score them in its cells, and return rows and figures."""
    scaled = make_scaled(preset, seed, samples, SEEN, clock)
    history, mixed = training(scaled), diverse(scaled, seed)
    clock(f"{preset}: replays to train on, {mixed.num_products} product histories in all")
    config = CONFIGS[preset]
    some = slice(None, None, max(1, history.num_products // 160))
    samplers: dict[str, Sampler] = {
        CLOSEST: baselines(history, (CLOSEST,), seed=seed)[CLOSEST].sample,
        TREES: baselines(history.products(some), (TREES,), seed=seed)[TREES].sample,
        REFITTED: baselines(mixed, (CLOSEST,), seed=seed)[CLOSEST].sample,
    }
    clock(f"{preset}: baselines fitted")
    long = replace(config, epochs=config.epochs * 2)
    for name, data, own in (
        (DEFAULT, mixed, config),
        (NO_STOCK, history, long),
        (NO_BOXES, mixed, replace(config, lane_labels=False)),
        (INDEPENDENT, mixed, replace(config, joint="independent")),
    ):
        samplers[name] = neural(name, data, own, seed=seed, folder=folder).sample
        clock(f"{preset}: {name}: trained")
    scores = {}
    for name, sampler in samplers.items():
        scores[name] = score(scaled, name, sampler, samples)
        clock(f"{preset}: {name}: scored")
    scores[FLOOR] = score_floor(scaled)
    factor, count = worst_mean(scaled, samplers[DEFAULT], samples)
    data = scaled.world.history.data
    return {
        "rows": rows_of(preset, scores, (CLOSEST, REFITTED, TREES)),
        "worst_mean": factor,
        "judged": count,
        "size": f"{preset}: {scaled.world.source}, {data.num_products} products, "
        f"{data.num_periods} periods, {data.outbound[:, :, 1:].mean():.2f} units a node and period",
    }


def products(preset: str, seed: int, samples: int, clock: Clock, folder: Path) -> dict[str, Any]:
    """Return the error on history's held-out periods by the number of products trained on."""
    scaled = make_scaled(preset, seed, samples, SEEN, clock)
    best = score_floor(scaled)
    on_policy = replace(scaled, panels={"history": scaled.world.history})
    config = CONFIGS[preset]
    order = np.random.default_rng([seed, 9]).permutation(scaled.fitted)
    rows = []
    for share in SHARES:
        count = round(share * scaled.fitted.size)
        few = training(scaled, np.sort(order[:count]))
        # As many updates, whatever the number of products.
        own = replace(config, epochs=round(2 * config.epochs / share), validate_every=1)
        sampler = neural(f"{count} products", few, own, seed=seed, folder=folder).sample
        found = score(on_policy, "", sampler, samples)
        for level in LEVELS:
            errors = [x["history", "new"].by_product[level][0].sum() for x in (found, best)]
            rows.append(
                {
                    **{"table": "products", "world": preset, "products": count},
                    **{"score": level, "to_floor": float(errors[0] / errors[1])},
                }
            )
        clock(f"{preset}: {count} products: trained and scored")
    return {"rows": rows}


PARTS: Mapping[str, Callable[[int, int, Clock, Path], dict[str, Any]]] = {
    f"{name}-{preset}": partial(work, preset)
    for preset in ("paper", "busy")
    for name, work in (("accuracy", accuracy), ("products", products))
}


def claims_of(found: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """Return the claims of bars 1 to 4."""
    claims = []
    for part, result in found.items():
        kind, world = part.split("-")
        if kind == "accuracy":
            claims += _accuracy_claims(world, result)
        else:
            for level in ("crps_total", "crps_node"):
                curve = [r["to_floor"] for r in result["rows"] if r["score"] == level]
                steps = [b / a for a, b in pairwise(curve)]
                what = f"{world}: error on new products, largest step with more products, {level}"
                claims.append(below(3, what, max(steps), "ratio", 1.0))
    return sorted(claims, key=lambda claim: claim.bar)


def _accuracy_claims(world: str, result: Mapping[str, Any]) -> list[Claim]:
    claims = []
    own = [row for row in result["rows"] if row["model"] == DEFAULT]
    for row in own:
        cell = f"{row['policy']}, {row['products']} products, {row['score']}"
        closest = CLOSEST if row["policy"] == "on policy" else REFITTED
        for rival in (closest, TREES):
            what = f"{world}: {cell}: upper end of the ratio to {rival}"
            claims.append(below(1, what, row[f"to_{rival}_high"], "ratio", 1.0))
        if row["score"] == "crps_total":
            what = f"{world}: {cell}, over the noise floor"
            claims.append(at_most(2, what, row["to_floor"], "ratio", 1.03))
        if row["score"] == "crps_node":
            what = f"{world}: {cell}: share of the gap to the noise floor closed"
            needed = GAPS[world].get((row["policy"], row["products"]))
            claims.append(
                figure_only(2, what, row["closed"], "share")
                if needed is None
                else at_least(2, what, row["closed"], "share", needed)
            )
    what = f"{world}: largest factor of a new product's mean total, of {result['judged']}"
    return [*claims, at_most(4, what, result["worst_mean"], "x", 2.0)]


def main(
    parts: tuple[str, ...] = tuple(PARTS),
    seed: int = 0,
    samples: int = 64,
    folder: Path = Path("runs/scale"),
) -> None:
    """Run the parts that are not there yet; write JSON and figures of all that are.

    Args:
        parts: Some of accuracy-paper, products-paper, accuracy-busy, products-busy.
        seed: Of everything.
        samples: Joint samples a model is scored by.
        folder: Where finished parts are kept.
    """
    clock = Clock()
    for part in parts:
        if part not in PARTS:
            raise ValueError(f"parts holds {part!r}, must be of {', '.join(PARTS)}")
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        path = folder / f"{part}-{seed}-{samples}.json"
        if not path.exists():
            began = time.perf_counter()
            states = folder / f"{part}-{seed}-states"  # of training, so that it goes on as well
            result = PARTS[part](seed, samples, clock, states)
            write_json(path, {**result, "seconds": time.perf_counter() - began})
    found = {
        part: json.loads(path.read_text())
        for part in PARTS
        if (path := folder / f"{part}-{seed}-{samples}.json").exists()
    }
    claims = claims_of(found)
    rows = [row for result in found.values() for row in result["rows"]]
    shown = ("world", "model", "policy", "products", "score", "to_floor", "closed")
    print_table("Cells", [{k: row[k] for k in shown} for row in rows if row["table"] == "cell"])
    print_claims(claims)
    size = "; ".join(result["size"] for result in found.values() if "size" in result)
    missing = [part for part in PARTS if part not in found]
    if missing:
        size += f"; not run: {', '.join(missing)}"
    seconds = sum(result["seconds"] for result in found.values())
    write_result("scale", "scale", claims, rows, [seed], f"{size}; {samples} samples", seconds)
    worlds = [world for world in GAPS if f"accuracy-{world}" in found]
    save_figure("scale", lambda axes: _draw_cells(axes, rows, worlds), panels=len(worlds))
    worlds = [world for world in GAPS if f"products-{world}" in found]
    if worlds:
        save_figure(
            "scale_products", lambda axes: _draw_products(axes, rows, worlds), panels=len(worlds)
        )
    clock("all done")


def _draw_cells(axes: Any, rows: list[dict[str, Any]], worlds: list[str]) -> None:
    models = (CLOSEST, TREES, INDEPENDENT, NO_BOXES, NO_STOCK, DEFAULT)
    for axis, world in zip(np.atleast_1d(axes), worlds, strict=True):
        for m, model in enumerate(models):
            cells = [
                row
                for row in rows
                if (row["table"], row["world"], row["score"]) == ("cell", world, "crps_node")
                and row["model"] == model
            ]
            at = np.arange(len(cells)) + 0.12 * (m - len(models) / 2)
            value = np.array([row["to_floor"] for row in cells])
            ends = [
                value - [row["to_floor_low"] for row in cells],
                [row["to_floor_high"] for row in cells] - value,
            ]
            axis.errorbar(at, value, yerr=ends, fmt="o", capsize=2, ms=3, label=model)
        axis.axhline(1.0, color="black", lw=0.8)
        names = [f"{row['policy']},\n{row['products']}" for row in cells]
        axis.set_xticks(np.arange(len(cells)), names, fontsize=8)
        axis.set_title(world)
        axis.set_ylabel("node CRPS over the noise floor's")
    np.atleast_1d(axes)[0].legend(frameon=False, fontsize=7)


def _draw_products(axes: Any, rows: list[dict[str, Any]], worlds: list[str]) -> None:
    for axis, world in zip(np.atleast_1d(axes), worlds, strict=True):
        for level in LEVELS:
            curve = [
                row
                for row in rows
                if (row["table"], row["world"], row["score"]) == ("products", world, level)
            ]
            axis.loglog(
                [row["products"] for row in curve],
                [row["to_floor"] - 1.0 for row in curve],
                "o-",
                label=level.replace("_", " "),
            )
        axis.set_title(world)
        axis.set_xlabel("products trained on")
        axis.set_ylabel("CRPS over the noise floor's, less 1")
    np.atleast_1d(axes)[0].legend(frameon=False)


if __name__ == "__main__":
    tyro.cli(main)

"""The drain model at the size that matters: new products, other stock, 20 nodes and 99 regions.

Two worlds: ``paper``, 1,000 products of real orders in periods of two days, of which a node and
product ships 0.3 units a period; ``busy``, 125 products of synthetic orders by weeks, about 5
units. In both, the last third of the periods, a fifth of the products, and a node that opens in
those periods are held out. Models are scored in four cells: products seen and new, on the log's
policy and on three others that no model is fitted to; off policy, scores are summed over the three.
Policies are trained in the default's simulator and judged in the truth on what is held out.

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
    below,
    print_claims,
    print_table,
    save_figure,
    write_result,
)
from benchmarks.drain_parts.models import CLOSEST, TREES, Model, Sampler, baselines, neural
from benchmarks.drain_parts.policies import diverse_plans
from benchmarks.drain_parts.world import replay_policies
from benchmarks.policies_parts.placement_claims import AFTER_TABLE, draw_gains
from benchmarks.scale_parts.cells import (
    FLOOR,
    LEVELS,
    Scaled,
    bare_scaled,
    make_scaled,
    rows_of,
    score,
    score_floor,
    training,
    worst_mean,
)
from benchmarks.scale_parts.configs import CONFIGS
from benchmarks.scale_parts.placement import ScaledRun
from benchmarks.scale_parts.policies import SEEDS as POLICY_SEEDS
from benchmarks.scale_parts.policies import SIZES as POLICY_SIZES
from benchmarks.scale_parts.policies import folder_of, result_of, run_policies
from draingym.common.files import write_json
from draingym.common.machine import machine
from draingym.drain_model import DrainConfig, DrainData, load_checkpoint, save_checkpoint

DEFAULT = "default"
NO_BOXES = "default, boxes not told"
NO_STOCK = "default, history alone"
REFITTED = f"{CLOSEST}, refitted"
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # of the fitted products: 50 to 800 of `paper`
GAPS = {  # bar 2: share of the gap closed at a node, on the log's policy by products, and off it
    "paper": {"seen": 0.8, "new": 0.8, "off policy": 0.75},
    "busy": {"seen": 0.9, "new": 0.85, "off policy": 0.8},
}
KEPT = "default.npz"  # the default's checkpoint, beside its training state
SEEN = 160  # products that were trained on and judge
FEW = 160  # products that LightGBM's settings are chosen on; it is fitted to all


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


def other_joint(config: DrainConfig) -> tuple[str, DrainConfig]:
    """Return the model that draws a period's nodes the other way: its name and configuration."""
    own = replace(config, joint="independent" if config.joint == "coherent" else "coherent")
    return f"default, {own.joint} nodes", own


def default_model(preset: str, mixed: DrainData, seed: int, folder: Path) -> Model:
    """Train the default on history and diverse stock, and keep it for the part on policies."""
    model = neural(DEFAULT, mixed, CONFIGS[preset], seed=seed, folder=folder)
    save_checkpoint(model.members[0], folder / KEPT)
    return model


def accuracy(preset: str, seed: int, samples: int, clock: Clock, folder: Path) -> dict[str, Any]:
    """Fit all models to a world, score them in its cells, and return rows and figures."""
    scaled = make_scaled(preset, seed, samples, SEEN, clock)
    history, mixed = training(scaled), diverse(scaled, seed)
    clock(f"{preset}: replays to train on, {mixed.num_products} product histories in all")
    config = CONFIGS[preset]
    samplers: dict[str, Sampler] = {
        CLOSEST: baselines(history, (CLOSEST,), seed=seed)[CLOSEST].sample,
        TREES: baselines(history, (TREES,), seed=seed, tuned_on=FEW)[TREES].sample,
        REFITTED: baselines(mixed, (CLOSEST,), seed=seed)[CLOSEST].sample,
    }
    clock(f"{preset}: baselines fitted")
    long = replace(config, epochs=config.epochs * 2)
    default = default_model(preset, mixed, seed, folder)
    samplers[DEFAULT] = default.sample
    clock(f"{preset}: {DEFAULT}: trained")
    other, of_other = other_joint(config)
    for name, data, own in (
        (NO_STOCK, history, long),
        (NO_BOXES, mixed, replace(config, lane_labels=False)),
        (other, mixed, of_other),
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
        "rows": rows_of(preset, scores, (CLOSEST, REFITTED), (TREES,)),
        "worst_mean": factor,
        "judged": count,
        "size": f"{preset}: {scaled.world.source}, {data.num_products} products, "
        f"{data.num_periods} periods, {data.outbound[:, :, 1:].mean():.2f} units a node and period"
        f"; {history.num_products} of the products fitted",
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


def policies(preset: str, seed: int, samples: int, clock: Clock, folder: Path) -> dict[str, Any]:
    """Train policies in the default's simulator, and judge them in the truth on new products."""
    scaled = bare_scaled(preset, seed)
    clock(f"{preset}: world")
    kept = states_of(folder.parent, f"accuracy-{preset}", seed, samples)
    if not (kept / KEPT).exists():  # this part alone: it trains what that one would
        default_model(preset, diverse(scaled, seed), seed, kept)
        clock(f"{preset}: {DEFAULT}: trained")
    checkpoint = load_checkpoint(kept / KEPT)
    sizes, seeds = POLICY_SIZES[preset], range(seed, seed + POLICY_SEEDS)
    run = ScaledRun(scaled.world, scaled.fitted, checkpoint, folder_of(folder, checkpoint))
    found = run_policies(run, sizes, seeds, clock)
    size = (
        f"policies, {preset}: {scaled.fitted.size} products trained on, "
        f"{run.judges.size} new ones judge, {run.test_horizon} held-out periods, "
        f"{sizes.rollouts} rollouts of {run.config.training_horizon} periods a policy, "
        f"{len(seeds)} seeds"
    )
    return {**result_of(preset, run, seeds, found), "size": size}


def states_of(folder: Path, part: str, seed: int, samples: int) -> Path:
    """Return where a part keeps states, so that it goes on within itself as well."""
    return folder / f"{part}-{seed}-{samples}-states"


PARTS: Mapping[str, Callable[[int, int, Clock, Path], dict[str, Any]]] = {
    f"{name}-{preset}": partial(work, preset)
    for preset in ("paper", "busy")
    for name, work in (("accuracy", accuracy), ("products", products), ("policies", policies))
}


def claims_of(found: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """Return the claims of bars 1 to 4 and 6."""
    claims = []
    for part, result in found.items():
        kind, world = part.split("-")
        if kind == "policies":
            claims += [Claim(**claim) for claim in result["claims"]]
        elif kind == "accuracy":
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
        for said, rivals in (("both closest nodes", (CLOSEST, REFITTED)), (TREES, (TREES,))):
            what = f"{world}: {cell}: upper end of the ratio to {said}"
            value = max(row[f"to_{rival}_high"] for rival in rivals)
            claims.append(below(1, what, value, "ratio", 1.0))
        if row["score"] == "crps_total":
            what = f"{world}: {cell}, over the noise floor"
            claims.append(at_most(2, what, row["to_floor"], "ratio", 1.03))
        if row["score"] == "crps_node":
            what = f"{world}: {cell}: share of the gap to the noise floor closed"
            kind = row["products"] if row["policy"] == "on policy" else row["policy"]
            claims.append(at_least(2, what, row["closed"], "share", GAPS[world][kind]))
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
        parts: Some of accuracy, products and policies, each with -paper or -busy; policies use the
            model of accuracy.
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
            states = states_of(folder, part, seed, samples)
            result = PARTS[part](seed, samples, clock, states)
            took = time.perf_counter() - began
            write_json(path, {**result, "seconds": took, "machine": machine()})
    found = {
        part: json.loads(path.read_text())
        for part in PARTS
        if (path := folder / f"{part}-{seed}-{samples}.json").exists()
    }
    claims = claims_of(found)
    rows = [row for result in found.values() for row in result["rows"]]
    shown = ("world", "model", "policy", "products", "score", "to_floor", "closed")
    print_table("Cells", [{k: row[k] for k in shown} for row in rows if row["table"] == "cell"])
    for table in dict.fromkeys(row["table"] for row in rows if "truth" in row):
        print_table(table, [row for row in rows if row["table"] == table])
    print_claims(claims)
    size = "; ".join(result["size"] for result in found.values() if "size" in result)
    for part, result in found.items():
        if (other := result.get("machine", machine())) != machine():
            size += f"; {part} on {other['gpu'] or other['cpu']}, {other['cores']} cores"
    missing = [part for part in PARTS if part not in found]
    if missing:
        size += f"; not run: {', '.join(missing)}"
    seconds = sum(result["seconds"] for result in found.values())
    write_result("scale", "scale", claims, rows, [seed], f"{size}; {samples} samples", seconds)
    drawn = [row for row in rows if "score" in row]
    for kind, name, draw in (
        ("accuracy", "scale", _draw_cells),
        ("products", "scale_products", _draw_products),
    ):
        worlds = [world for world in GAPS if f"{kind}-{world}" in found]
        if worlds:
            save_figure(name, partial(draw, drawn, worlds), panels=len(worlds))
    worlds = [world for world in GAPS if f"policies-{world}" in found]
    if worlds:
        save_figure("scale_policies", partial(_draw_policies, rows, worlds), panels=len(worlds))
    clock("all done")


def _draw_cells(rows: list[dict[str, Any]], worlds: list[str], axes: Any) -> None:
    for axis, world in zip(np.atleast_1d(axes), worlds, strict=True):
        other, _ = other_joint(CONFIGS[world])
        models = (CLOSEST, TREES, other, NO_BOXES, NO_STOCK, DEFAULT)
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
        axis.legend(frameon=False, fontsize=7)


def _draw_products(rows: list[dict[str, Any]], worlds: list[str], axes: Any) -> None:
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


def _draw_policies(rows: list[dict[str, Any]], worlds: list[str], axes: Any) -> None:
    for axis, world in zip(np.atleast_1d(axes), worlds, strict=True):
        draw_gains(axis, [r for r in rows if r["table"] == f"{world}: {AFTER_TABLE}"])
        axis.set_title(world)


if __name__ == "__main__":
    tyro.cli(main)

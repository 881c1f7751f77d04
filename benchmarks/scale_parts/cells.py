"""Scores in four cells: products seen and new, on the log's policy and on others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.drain_parts.models import Sampler
from benchmarks.drain_parts.policies import heldout_policies
from benchmarks.drain_parts.world import (
    DrainWorld,
    Panel,
    floor,
    make_drain_world,
    new_products,
    replay_policies,
)
from draingym.common.bootstrap import Interval, bootstrap
from draingym.drain_model import DrainData
from draingym.drain_model.evaluation.evaluate import Evaluation, evaluate

FLOOR = "noise floor"
LEVELS = ("crps_total", "crps_regional", "crps_node")
JUDGES = ("even", "starved", "random")  # held-out policies
ENOUGH = 5.0  # units a period: products of which a mean can be judged

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaled:
    """A world with the products that are fitted and those that judge, and its panels."""

    world: DrainWorld
    fitted: IntArray  # products that models are trained on
    judged: Mapping[str, IntArray]  # "seen": some of the fitted; "new": of those that are not
    panels: Mapping[str, Panel]  # "history", and the held-out policies
    floors: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]  # [S, P, T', N]

    @property
    def periods(self) -> tuple[int, int]:
        """The held-out periods."""
        return self.world.split, self.world.history.data.num_periods


def make_scaled(
    preset: Any, seed: int, samples: int, seen: int, clock: Callable[[str], None]
) -> Scaled:
    """Build a world in which a node opens in the held-out periods, with 20% of new products.

    Args:
        preset: Of ``make_drain_world``.
        seed: Of everything.
        samples: Of the noise floors.
        seen: How many of the fitted products judge, too.
        clock: Told what is done.
    """
    scaled = bare_scaled(preset, seed)
    world, new = scaled.world, scaled.judged["new"]
    some = np.sort(np.random.default_rng([seed, 6]).permutation(scaled.fitted)[:seen])
    plans = heldout_policies(world.world)
    others = replay_policies(world, {name: plans[name] for name in JUDGES}, seed=seed + 2)
    panels = {"history": world.history, **others}
    periods = (world.split, world.history.data.num_periods)
    floors = {name: floor(panel, samples, 1, periods) for name, panel in panels.items()}
    clock(f"{preset}: world, held-out policies, noise floors")
    judged = {"seen": some, "new": new}
    return replace(scaled, judged=judged, panels=panels, floors=floors)


def bare_scaled(preset: Any, seed: int) -> Scaled:
    """Build the world of ``make_scaled`` alone: no replays, no floors, new products judge."""
    world = make_drain_world(preset, seed, opening=True)
    new = new_products(world)
    fitted = np.setdiff1d(np.arange(world.history.data.num_products), new)
    return Scaled(world=world, fitted=fitted, judged={"new": new}, panels={}, floors={})


def score(
    scaled: Scaled, name: str, sampler: Sampler, samples: int
) -> dict[tuple[str, str], Evaluation]:
    """Return a model's evaluations by policy and products."""
    found = {}
    for policy, panel in scaled.panels.items():
        for products, index in scaled.judged.items():
            data = panel.data.products(index)
            units, cost = sampler(data, scaled.periods, samples)
            found[policy, products] = evaluate(name, units, cost, data.periods(*scaled.periods))
    return found


def score_floor(scaled: Scaled) -> dict[tuple[str, str], Evaluation]:
    """Return the noise floor's evaluations by policy and products."""
    found = {}
    for policy, panel in scaled.panels.items():
        units, cost = scaled.floors[policy]
        for products, index in scaled.judged.items():
            data = panel.data.products(index).periods(*scaled.periods)
            found[policy, products] = evaluate(FLOOR, units[:, index], cost[:, index], data)
    return found


def sums(found: Mapping[tuple[str, str], Evaluation], products: str, where: str) -> FloatArray:
    """Return [level, P] sums of CRPS: on the log's policy, or over all others."""
    names = ("history",) if where == "on policy" else JUDGES
    return np.stack(
        [
            np.sum([found[n, products].by_product[level][0] for n in names], axis=0)
            for level in LEVELS
        ]
    )


def rows_of(
    world: str,
    scores: Mapping[str, Mapping[tuple[str, str], Evaluation]],
    closest: tuple[str, ...],
    rivals: tuple[str, ...],
) -> list[dict[str, Any]]:
    """Return a row for every model, cell and level: ratios to the floor and to rivals, paired.

    Args:
        world: Its name.
        scores: Of every model, ``FLOOR`` among them.
        closest: Fits of the closest node, that the others are compared with; in a cell, the better
            one's distance to the floor is the gap.
        rivals: Other models that they are compared with.
    """
    rows = []
    for model, found in scores.items():
        for where in ("on policy", "off policy"):
            for products in ("seen", "new"):
                own = sums(found, products, where)
                best = sums(scores[FLOOR], products, where)
                others = {r: sums(scores[r], products, where) for r in (*closest, *rivals)}
                for k, level in enumerate(LEVELS):
                    nearest = min((others[r][k] for r in closest), key=np.sum)
                    closed = bootstrap(nearest - own[k], nearest - best[k])
                    row = {
                        **{"table": "cell", "world": world, "model": model},
                        **{"policy": where, "products": products, "score": level},
                        **_ends("to_floor", bootstrap(own[k], best[k])),
                        **_ends("closed", closed),
                    }
                    for rival, theirs in others.items():
                        row |= _ends(f"to_{rival}", bootstrap(own[k], theirs[k]))
                    rows.append(row)
    return rows


def _ends(name: str, interval: Interval) -> dict[str, float]:
    ends = (interval.value, interval.low, interval.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


def worst_mean(scaled: Scaled, sampler: Sampler, samples: int) -> tuple[float, int]:
    """Return the largest factor by which a new product's mean total is off, and of how many.

    Products that ship at least ``ENOUGH`` units a period on the log's policy count.
    """
    data = scaled.world.history.data.products(scaled.judged["new"])
    drawn, _ = sampler(data, scaled.periods, samples)
    expected = drawn.sum(axis=3).mean(axis=(0, 2))
    actual = data.periods(*scaled.periods).outbound.sum(axis=2).mean(axis=1)
    enough = actual >= ENOUGH
    ratio = np.maximum(expected[enough], 1e-9) / actual[enough]
    return float(np.maximum(ratio, 1.0 / ratio).max()), int(enough.sum())


def training(scaled: Scaled, products: IntArray | None = None) -> DrainData:
    """Return history's training periods, of the fitted products or of some of them."""
    which = scaled.fitted if products is None else products
    return scaled.world.history.data.periods(0, scaled.world.split).products(which)

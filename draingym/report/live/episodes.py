"""What a page of episodes holds: stock, flows and unmet demand by product, policy and period."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from draingym.report.live.place import Place
from draingym.simulator import Transition
from draingym.simulator.adapters.scene import Scene

Moves = dict[str, list[Any]]  # of one product under one policy, by name; a row for each period

MOST_PRODUCTS = 12
# Characters of JSON. A page also has its script and what draws it (0.3 MB) and, in a run's report,
# figures (0.4 MB); together they stay below a megabyte.
MOST_SIZE = 150_000


def spread(units: NDArray[Any], most: int = MOST_PRODUCTS) -> list[int]:
    """Return products from the one that sells most to the one that sells least, evenly by rank.

    Args:
        units: [P] that each sold.
        most: How many at most.

    >>> spread(np.array([5, 1, 9, 3]), most=2)
    [2, 1]
    """
    order = np.argsort(-np.asarray(units), kind="stable")
    ranks = np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int))
    return [int(p) for p in order[ranks]]


def moves_of(
    moves: Transition,
    final_transit: NDArray[Any],
    lanes: Mapping[str, NDArray[Any]] | None = None,
) -> Moves:
    """Return what a page shows of one product's rollout.

    Args:
        moves: Leaves [T, ...].
        final_transit: [E] units on their way after the last period.
        lanes: ``node``, ``region`` and ``units``, [T, S] each, of what was shipped to customers;
            slots without units are left out. None where it is not known.
    """
    before = np.asarray(moves.observation.pipeline, np.float64).sum(axis=1)
    found: Moves = {
        "on_hand": _rows(moves.on_hand),
        "in_transit": _rows(np.concatenate([before[1:], np.asarray(final_transit)[None]])),
        "shipped": _rows(moves.shipped),
        "sold": _rows(moves.outbound),
        "unmet": _rows(np.asarray(moves.lost) + np.asarray(moves.waiting)),
        "reward": np.asarray(moves.reward, np.float64).round(2).tolist(),
    }
    if lanes is not None:
        slots = np.stack([lanes[name] for name in ("node", "region", "units")], axis=-1)
        found["lanes"] = [row[row[:, 2] > 0].tolist() for row in slots]
    return found


def moves_of_scenes(scenes: Sequence[Scene]) -> Moves:
    """Return what a page shows of rendered periods."""

    def rows(values: Callable[[Scene], Any]) -> list[Any]:
        return _rows(np.stack([values(scene) for scene in scenes]))

    return {
        "on_hand": rows(lambda scene: scene.on_hand),
        "in_transit": rows(lambda scene: scene.in_transit),
        "shipped": rows(lambda scene: scene.shipped),
        "sold": rows(lambda scene: scene.outbound),
        "unmet": rows(lambda scene: scene.lost + scene.waiting),
        "reward": [round(scene.reward, 2) for scene in scenes],
    }


def _rows(values: Any) -> list[Any]:
    """Return numbers that a page shows: four digits, and no fraction where there is none."""

    def short(value: Any) -> Any:
        if isinstance(value, list):
            return [short(entry) for entry in value]
        rounded = float(f"{value:.4g}") if abs(value) < 1e4 else round(value)
        return int(rounded) if rounded == int(rounded) else rounded

    rows: list[Any] = short(np.asarray(values, np.float64).tolist())
    return rows


def day_labels(days: NDArray[Any]) -> list[str]:
    """Return what periods are called by the day on which they begin.

    >>> day_labels(np.array(["2000-11-03", "2000-11-05"], "datetime64[D]"))
    ['Nov 3', 'Nov 5']
    """
    return [f"{day:%b} {day.day}" for day in np.asarray(days, "datetime64[D]").tolist()]


def episodes_of(
    moves: Sequence[Mapping[str, Moves]],
    products: Sequence[str],
    place: Place,
    *,
    labels: Sequence[str],
    period: str,
    currency: str,
    views: Sequence[Any] | None = None,
    of: int | None = None,
) -> dict[str, Any]:
    """Return episodes as the page's script takes them, small enough for it.

    Args:
        moves: For each product what happened under each policy, by its name.
        products: What each is called, the one that sells most first.
        place: The network.
        labels: [T] what each period is called.
        period: What a period is, such as ``"2 days"``.
        currency: Of rewards.
        views: For each product [T, Z] page views, the same under all policies.
        of: Products that there were to choose from, where they are more than these.

    Raises:
        ValueError: If a single product takes more room than a page has.
    """
    for keep in range(len(products), 0, -1):
        chosen = spread(-np.arange(len(products)), keep)
        found = {
            "period": period,
            "labels": list(labels),
            "currency": currency,
            "place": place.to_dict(),
            "products": [products[p] for p in chosen],
            "of": len(products) if of is None else of,
            "policies": list(moves[0]),
            "moves": [list(moves[p].values()) for p in chosen],
            "views": [] if views is None else [_rows(views[p]) for p in chosen],
        }
        size = len(json.dumps(found, separators=(",", ":")))
        if size <= MOST_SIZE:
            return found
    raise ValueError(
        f"an episode of {len(labels)} periods, {len(place.nodes)} nodes and {len(moves[0])} "
        f"policies takes {size / 1e6:.1f} MB, must take at most {MOST_SIZE / 1e6:.2f}: choose a "
        "shorter horizon"
    )

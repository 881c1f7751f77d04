"""LightGBM as a baseline: quantile regression of each node's drain and of the cost of a unit.

Products are pooled. There is one model a level and node, or one a level with the node as a
feature, and the target is units, or units relative to what the closest node would drain: whatever
predicts the last training periods best, with leaves, rows in a leaf, learning rate and rounds
tuned on them as well. Whole units are spread evenly over +-1/2 before regression, so that rounding
a sample gives them back. Nodes are independent given features: quantiles of one node cannot say
more. Needs ``lightgbm``, of the extra ``bench``. Not from the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparators.tree_features import node_features
from draingym.drain_model.closest_node.fit import fit_closest_node
from draingym.drain_model.closest_node.kernel import ClosestNodeParams
from draingym.drain_model.data.dataset import DrainData
from draingym.drain_model.evaluation.metrics import quantile_loss

FloatArray = NDArray[np.float64]
LEVELS = tuple(round(0.05 * j, 2) for j in range(1, 20))
COST_LEVELS = tuple(round(0.1 * j, 1) for j in range(1, 10))
_TUNING_LEVELS = (0.1, 0.5, 0.9)
_MOST_ROUNDS = 300
_PATIENCE = 20
_VALIDATION_SHARE = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How trees are grown, and of what."""

    num_leaves: int = 15
    min_data_in_leaf: int = 40
    learning_rate: float = 0.1
    by_node: bool = False  # one model a node; otherwise the node is a feature
    relative: bool = True  # the target is units over the closest node's drain plus one
    num_threads: int = 1

    def booster(self, level: float, seed: int) -> dict[str, Any]:
        """Return LightGBM's parameters."""
        return {
            "objective": "quantile",
            "alpha": level,
            "metric": "quantile",
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_data_in_leaf,
            "learning_rate": self.learning_rate,
            "feature_pre_filter": False,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "feature_fraction": 0.8,
            "seed": seed,
            "num_threads": self.num_threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantileTrees:
    """Fitted trees."""

    closest: ClosestNodeParams  # tuned; features are made with it
    settings: Settings
    rounds: tuple[int, ...]  # of each tuning level
    loss: float  # mean quantile loss on the validation periods, units
    units: tuple[tuple[Any, ...], ...]  # boosters: [LEVELS][nodes, or 1]
    cost: tuple[Any, ...]  # boosters of the log cost of a unit, [COST_LEVELS]
    conversion_column: int


def _lightgbm() -> ModuleType:
    try:
        import lightgbm
    except ImportError as error:
        raise ImportError(
            "the quantile trees need lightgbm: pip install 'draingym[bench]'"
        ) from error
    module: ModuleType = lightgbm
    return module


def fit_quantile_trees(
    data: DrainData,
    *,
    closest: ClosestNodeParams | None = None,
    conversion_column: int = 2,
    num_threads: int = 1,
    seed: int = 0,
    tuned_on: int | None = None,
) -> QuantileTrees:
    """Tune the trees on the last quarter of the training periods, then fit them on all.

    One step at a time, by the mean quantile loss in units at levels 0.1, 0.5 and 0.9: target;
    leaves with rows in a leaf; one model a node or not; learning rate. Rounds by early stopping.

    Args:
        data: Training periods.
        closest: The tuned closest node; fitted when not given.
        conversion_column: Attribute that is the log of units per view.
        num_threads: Of LightGBM; more than there are idle cores is far slower than one.
        seed: Of the spread of whole units and of the trees.
        tuned_on: Settings are chosen on about as many products, evenly spaced, which are fewer
            rows for the same choice; on all of them when not given. Trees are fitted to all.

    Returns:
        The trees.

    Raises:
        ImportError: If LightGBM is not installed.
        ValueError: If there are fewer than 4 periods, or no unit was shipped.
    """
    _lightgbm()
    if data.num_periods < 4:
        raise ValueError(f"data has {data.num_periods} periods, must be at least 4 to tune trees")
    if closest is None:
        closest = fit_closest_node(data, conversion_column=conversion_column, seed=seed)
    features, fluid = node_features(closest, data, (0, data.num_periods), conversion_column)
    counted = np.broadcast_to(data.active, data.outbound.shape) & (data.available > 0)
    random = np.random.default_rng(seed)
    spread = data.outbound + random.uniform(-0.5, 0.5, data.outbound.shape)
    start = data.num_periods - max(1, round(_VALIDATION_SHARE * data.num_periods))
    late = np.broadcast_to(np.arange(data.num_periods)[None, :, None] >= start, counted.shape)
    rows = _Rows(x=features[counted], y=spread[counted], scale=1.0 + fluid[counted])
    held = late[counted]
    every = max(1, data.num_products // (tuned_on or data.num_products))
    tunes = np.arange(data.num_products)[:, None, None] % every == 0
    some = np.broadcast_to(tunes, counted.shape)[counted]
    train, test = rows.where(~held & some), rows.where(held & some)

    tried: dict[Settings, tuple[float, tuple[int, ...]]] = {}

    def best(candidates: Sequence[Settings]) -> Settings:
        for settings in candidates:
            if settings not in tried:
                tried[settings] = _validate(settings, train, test, seed)
        return min(candidates, key=lambda settings: tried[settings][0])

    start_from = Settings(num_threads=num_threads)
    now = best([start_from, replace(start_from, relative=False)])
    now = best(
        [
            now,
            *(
                replace(now, num_leaves=leaves, min_data_in_leaf=least)
                for leaves, least in ((7, 20), (7, 100), (15, 100), (31, 20), (31, 100))
            ),
        ]
    )
    now = best([now, replace(now, by_node=True), replace(now, by_node=True, num_leaves=7)])
    now = best([now, replace(now, learning_rate=0.05)])
    loss, rounds = tried[now]
    return QuantileTrees(
        closest=closest,
        settings=now,
        rounds=rounds,
        loss=loss,
        units=tuple(
            tuple(
                _grow(now, part, level, round(np.interp(level, _TUNING_LEVELS, rounds)), seed)
                for part in (rows.by_node() if now.by_node else [rows])
            )
            for level in LEVELS
        ),
        cost=_fit_cost(data, features, held, counted, num_threads, seed),
        conversion_column=conversion_column,
    )


def sample_quantile_trees(
    model: QuantileTrees, data: DrainData, periods: tuple[int, int], num_samples: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw outbound and cost of every product, period and node on the actual stock and past.

    Nodes are drawn independently by their quantiles, in order and linear in between, exponential
    beyond the last; rounded to whole units and cut off at stock. Cost: units times a quantile of
    the cost of a unit, given about how many units there are.

    Args:
        model: Of ``fit_quantile_trees``.
        data: Panel from its first period on.
        periods: First period and the one after the last.
        num_samples: ``S``.
        seed: Of the samples.

    Returns:
        Outbound units and cost [S, P, T', N].

    Raises:
        ImportError: If LightGBM is not installed.
        ValueError: If the periods are not in the data, or ``num_samples`` is below 1.
    """
    _lightgbm()
    if num_samples < 1:
        raise ValueError(f"num_samples is {num_samples}, must be at least 1")
    part = data.periods(*periods)
    features, fluid = node_features(model.closest, data, periods, model.conversion_column)
    counted = np.broadcast_to(part.active, part.outbound.shape) & (part.available > 0)
    x, stock = features[counted], part.available[counted]
    threads = model.settings.num_threads
    table = np.stack([_predict(boosters, x, threads) for boosters in model.units], axis=-1)
    if model.settings.relative:
        table *= 1.0 + fluid[counted][:, None]
    random = np.random.default_rng([seed, 2])
    real = _draw(np.sort(table, axis=-1), LEVELS, random.random((num_samples, x.shape[0])))
    units = np.clip(np.rint(real), 0.0, np.floor(stock)).astype(np.float32)
    cost = units * _unit_cost(model, x, units, random)
    full = (num_samples, *part.outbound.shape)
    outbound, spent = (np.zeros(full, np.float32) for _ in range(2))
    outbound[:, counted], spent[:, counted] = units, cost
    return outbound, spent


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows:
    x: FloatArray  # [R, F], the last column the node
    y: FloatArray  # [R] units
    scale: FloatArray  # [R] units

    def where(self, kept: NDArray[np.bool_]) -> _Rows:
        return _Rows(x=self.x[kept], y=self.y[kept], scale=self.scale[kept])

    def by_node(self) -> list[_Rows]:
        """Return the rows of every node; all rows for a node without any."""
        nodes = range(int(self.x[:, -1].max()) + 1)
        masks = [self.x[:, -1] == n for n in nodes]
        return [self.where(mask) if mask.any() else self for mask in masks]

    def dataset(self, settings: Settings, reference: Any = None) -> Any:
        """Return LightGBM's data; weights make the loss of a relative target that in units."""
        scale = self.scale if settings.relative else np.ones_like(self.scale)
        node = self.x.shape[1] - 1
        return _lightgbm().Dataset(
            self.x,
            self.y / scale,
            weight=scale,
            reference=reference,
            categorical_feature=[node],
            params={"verbose": -1, "feature_pre_filter": False, "min_data_in_bin": 3},
        )


def _grow(settings: Settings, rows: _Rows, level: float, rounds: int, seed: int) -> Any:
    return _lightgbm().train(settings.booster(level, seed), rows.dataset(settings), rounds)


def _predict(boosters: Sequence[Any], x: FloatArray, threads: int) -> FloatArray:
    if len(boosters) == 1:
        return np.asarray(boosters[0].predict(x, num_threads=threads), np.float64)
    found = np.zeros(x.shape[0])
    for n, booster in enumerate(boosters):
        mine = x[:, -1] == n
        if mine.any():
            found[mine] = booster.predict(x[mine], num_threads=threads)
    return found


def _validate(
    settings: Settings, train: _Rows, test: _Rows, seed: int
) -> tuple[float, tuple[int, ...]]:
    """Return the mean quantile loss in units on held-out rows, and the rounds of every level."""
    lightgbm = _lightgbm()
    parts = [train]
    tests = [test]
    if settings.by_node:
        nodes = np.unique(test.x[:, -1])
        pairs = [(train.where(train.x[:, -1] == n), test.where(test.x[:, -1] == n)) for n in nodes]
        parts, tests = ([pair[i] for pair in pairs if pair[0].y.size] for i in (0, 1))
    total, rounds = 0.0, []
    data = [(p.dataset(settings), p, t) for p, t in zip(parts, tests, strict=True)]
    for level in _TUNING_LEVELS:
        best = []
        for learn, _, check in data:
            booster = lightgbm.train(
                settings.booster(level, seed),
                learn,
                _MOST_ROUNDS,
                valid_sets=[check.dataset(settings, learn)],
                callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
            )
            scale = check.scale if settings.relative else 1.0
            threads = settings.num_threads
            guess = np.maximum(_predict([booster], check.x, threads) * scale, -0.5)
            total += float(quantile_loss(check.y, guess, level).sum())
            best.append(max(booster.best_iteration, 1) * check.y.size)
        rounds.append(max(1, round(sum(best) / sum(t.y.size for t in tests))))
    return total / (len(_TUNING_LEVELS) * sum(t.y.size for t in tests)), tuple(rounds)


def _size(units: NDArray[Any]) -> FloatArray:
    """Return about how many units there are: a whole number for each doubling."""
    return np.asarray(np.round(np.log2(np.maximum(units, 1.0))), np.float64)


def _fit_cost(
    data: DrainData,
    features: FloatArray,
    held: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    threads: int,
    seed: int,
) -> tuple[Any, ...]:
    """Tune and fit the trees of the log cost of a unit."""
    units, cost = data.outbound[counted].astype(np.float64), data.ship_cost[counted]
    some = (units > 0) & (cost > 0)
    if not some.any():
        raise ValueError("data.ship_cost sums to 0, must be above 0 to fit the cost of a unit")
    x = np.column_stack([_size(units), features[counted]])[some]
    y = np.log(cost[some] / units[some])
    rows, late = _Rows(x=x, y=y, scale=np.ones_like(y)), held[some]
    candidates = [
        Settings(num_leaves=leaves, min_data_in_leaf=least, relative=False, num_threads=threads)
        for leaves, least in ((7, 20), (15, 40), (31, 40))
    ]
    if late.all() or not late.any():
        now, rounds = candidates[0], tuple([50] * len(_TUNING_LEVELS))
    else:
        found = [_validate(s, rows.where(~late), rows.where(late), seed) for s in candidates]
        at = int(np.argmin([loss for loss, _ in found]))
        now, rounds = candidates[at], found[at][1]
    return tuple(
        _grow(now, rows, t, round(np.interp(t, _TUNING_LEVELS, rounds)), seed) for t in COST_LEVELS
    )


def _unit_cost(
    model: QuantileTrees, x: FloatArray, units: NDArray[Any], random: np.random.Generator
) -> FloatArray:
    """Return samples of the cost of a unit, [S, R], given sampled units; 0 where there are none."""
    size = np.where(units > 0, _size(units), -1.0).astype(np.int64)
    u = random.random(units.shape)
    found = np.zeros(units.shape)
    threads = model.settings.num_threads
    for value in np.unique(size[size >= 0]):
        rows = np.flatnonzero((size == value).any(axis=0))
        given = np.column_stack([np.full(rows.size, float(value)), x[rows]])
        table = np.stack([_predict([b], given, threads) for b in model.cost], axis=-1)
        drawn = np.exp(_draw(np.sort(table, axis=-1), COST_LEVELS, u[:, rows], both=True))
        mine = size[:, rows] == value
        found[:, rows] = np.where(mine, drawn, found[:, rows])
    return found


def _draw(
    table: FloatArray, levels: tuple[float, ...], u: FloatArray, *, both: bool = False
) -> FloatArray:
    """Return the quantiles [S, R] at levels u, given those at some levels, [R, L].

    Linear in between; beyond the last exponential, with half of the mass there as far as the gap
    before; below the first linear, or exponential like the last if ``both``.
    """
    first, step = levels[0], levels[1] - levels[0]
    place = np.clip((u - first) / step, 0.0, len(levels) - 1.0)
    below = np.minimum(place.astype(np.int64), len(levels) - 2)
    rows = np.arange(table.shape[0])[None, :]
    low, high = table[rows, below], table[rows, below + 1]
    value = low + (place - below) * (high - low)
    last = (table[:, -1] - table[:, -2]) / np.log(2.0)
    value -= np.minimum(np.log(np.maximum(1.0 - u, 1e-6) / (1.0 - levels[-1])), 0.0) * last
    start = table[:, 1] - table[:, 0]
    if both:
        value += np.minimum(np.log(np.maximum(u, 1e-6) / first), 0.0) * start / np.log(2.0)
    else:
        value -= np.maximum(first - u, 0.0) / step * start
    return np.asarray(value)

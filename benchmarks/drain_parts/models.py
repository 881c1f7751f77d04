"""The models that the benchmark of the drain model compares: how each is fitted and sampled."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from benchmarks.comparators.last_share import fit_last_share, sample_last_share
from benchmarks.comparators.quantile_trees import fit_quantile_trees, sample_quantile_trees
from draingym.drain_model import (
    PRESETS,
    Checkpoint,
    DrainConfig,
    DrainData,
    fit_closest_node,
    sample_closest_node,
    sample_panel,
    train,
)
from draingym.drain_model.evaluation.evaluate import ExactScores
from draingym.drain_model.evaluation.sampling import distributions
from draingym.drain_model.training.losses import Losses

Samples = tuple[NDArray[np.float32], NDArray[np.float32]]  # outbound and cost, [S, P, T, N]
# Draws samples of the periods [first, stop) of a panel.
Sampler = Callable[[DrainData, tuple[int, int], int], Samples]

# The paper's network: no lanes, attention that knows no distance, heads node by node.
_PLAIN: dict[str, Any] = {
    **{"lane_heads": 0, "pair_bias": False, "joint": "independent"},
    **{"width": 32, "node_blocks": 1, "location_blocks": 1},
}
_PAPER: dict[str, Any] = {"width": 64, "heads": 8, "node_blocks": 2, "location_blocks": 2}
_RNN: dict[str, Any] = {"mixing": "rnn", "node_blocks": 2, "location_blocks": 2}
VARIANTS: dict[str, dict[str, Any]] = {
    "RNN": {**_PLAIN, **_RNN},
    "Transformer": _PLAIN,
    "RNN w sales": {**_PLAIN, **_RNN, "sales": True},
    "Transformer w sales": {**_PLAIN, "sales": True},
    "Transformer, distance": {**_PLAIN, "pair_bias": True},
    "lanes, independent": {"joint": "independent"},
    "lanes, copula": {"joint": "copula"},
    "lanes, coherent": {"joint": "coherent"},
}
ABLATIONS: dict[str, dict[str, Any]] = {
    "lanes, with dates": {"joint": "independent", "calendar": True},
    "lanes, 2 blocks, width 32": {
        **{"joint": "independent", "width": 32, "node_blocks": 1, "location_blocks": 1},
    },
}
JOINTS = ("lanes, independent", "lanes, copula", "lanes, coherent")
LEAKY = ("RNN w sales", "Transformer w sales")  # they see what they are to predict
CLOSEST, SHARE, TREES = "closest node", "last share", "LightGBM"


def variant(name: str | None, preset: str) -> DrainConfig:
    """Return the config of a variant; that of the preset for none.

    Raises:
        ValueError: If there is no such variant or preset.
    """
    known = VARIANTS | ABLATIONS
    if name is not None and name not in known:
        raise ValueError(f"variant is {name!r}, must be one of {', '.join(known)}")
    if preset not in PRESETS:
        raise ValueError(f"preset is {preset!r}, must be one of {', '.join(PRESETS)}")
    fields = {} if name is None else dict(known[name])
    if preset == "paper" and fields.get("lane_heads") == 0:
        fields |= _PAPER
    return replace(PRESETS[preset], **fields)


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A fitted model."""

    name: str
    sample: Sampler
    members: tuple[Checkpoint, ...] = ()  # of a neural model; several are an ensemble
    weights: Losses | None = None  # of the first member's losses in training

    def own(self, data: DrainData, periods: tuple[int, int]) -> ExactScores | None:
        """Return the losses of a single model's own marginals; none without such."""
        if len(self.members) != 1 or self.members[0].config.joint == "coherent":
            return None
        dist, knots = distributions(self.members[0], data, periods)
        return ExactScores.from_distribution(dist, knots, data.periods(*periods))


def neural(
    name: str,
    data: DrainData,
    config: DrainConfig,
    *,
    seed: int,
    members: int = 1,
    initial: tuple[Checkpoint, ...] = (),
    folder: Path | None = None,
) -> Model:
    """Train a neural model, or an ensemble: members differ in their seed.

    Args:
        name: For tables.
        data: Training periods.
        config: Variant and sizes.
        seed: Of the first member.
        members: How many.
        initial: A model to go on from for each member; fresh ones when not given.
        folder: Where training states go, so that an interrupted run goes on.
    """
    made, weights = [], None
    for m in range(members):
        began = time.perf_counter()
        trained = train(
            data,
            config,
            seed=seed + m,
            folder=None if folder is None else _made(folder / f"{name} {m}".replace(" ", "-")),
            initial=initial[m] if initial else None,
        )
        weights = trained.loss_weights if weights is None else weights
        made.append(trained.checkpoint)
        last = trained.history[-1]
        print(
            f"  {time.perf_counter() - began:6.1f} s  {name}, member {m + 1} of {members}: "
            f"{last.epoch} epochs, {trained.stopped}, validation loss {last.best_loss:.3f}",
            flush=True,
        )
    return of_members(name, tuple(made), weights)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def of_members(name: str, members: tuple[Checkpoint, ...], weights: Losses | None = None) -> Model:
    """Return the model that draws its samples from the members in equal parts."""

    def sample(data: DrainData, periods: tuple[int, int], number: int) -> Samples:
        parts = []
        for m, member in enumerate(members):
            share = number // len(members) + (m < number % len(members))
            parts.append(sample_panel(member, data, periods, share, jax.random.key(1000 + m)))
        outbound, cost = (np.concatenate([part[i] for part in parts]) for i in range(2))
        return outbound, cost

    return Model(name=name, sample=sample, members=members, weights=weights)


def baselines(
    data: DrainData, names: tuple[str, ...], *, seed: int, tuned_on: int | None = None
) -> dict[str, Model]:
    """Fit baselines to training periods.

    Args:
        data: Training periods.
        names: Some of ``CLOSEST``, ``SHARE`` and ``TREES``.
        seed: Of fits and samples.
        tuned_on: Products that the trees' settings are chosen on; all when not given.
    """

    def closest() -> Sampler:
        params = fit_closest_node(data, seed=seed)
        return lambda d, p, n: sample_closest_node(params, d, p, n, jax.random.key(seed))

    def share() -> Sampler:
        rule = fit_last_share(data, seed=seed)
        return lambda d, p, n: sample_last_share(rule, d, p, n, seed)

    def trees() -> Sampler:
        model = fit_quantile_trees(data, seed=seed, tuned_on=tuned_on)
        return lambda d, p, n: sample_quantile_trees(model, d, p, n, seed)

    fits: Mapping[str, Callable[[], Sampler]] = {CLOSEST: closest, SHARE: share, TREES: trees}
    found = {}
    for name in names:
        began = time.perf_counter()
        found[name] = Model(name=name, sample=fits[name]())
        print(f"  {time.perf_counter() - began:6.1f} s  {name}: fitted", flush=True)
    return found


def disagreement(model: Model, data: DrainData, periods: tuple[int, int], number: int) -> float:
    """Return how much an ensemble's members differ in the mean they expect, over its spread.

    ``sqrt(B / W)``: B is the variance over members of a node's mean units, less what it owes to the
    mean being that of ``number`` samples, W the variance of a member's samples; both summed over
    products, periods and nodes.
    """
    drawn = [
        sample_panel(member, data, periods, number, jax.random.key(1000 + m))[0]
        for m, member in enumerate(model.members)
    ]
    within = np.stack([x.var(axis=0, ddof=1) for x in drawn]).mean(axis=0)
    between = np.stack([x.mean(axis=0) for x in drawn]).var(axis=0, ddof=1)
    return float(np.sqrt(max((between - within / number).sum(), 0.0) / within.sum()))

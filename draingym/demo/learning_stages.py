"""The stages that fit something: the drain model and its scores, the policies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from draingym.demo.accuracy import score_models
from draingym.demo.history import true_systems
from draingym.demo.run import Run, Setting
from draingym.demo.stages import Advance
from draingym.drain_model import DrainData, Progress, save_checkpoint, train
from draingym.policies import TrainResult, train_by_gradient, tune
from draingym.policies.store import save_policy

Figures = dict[str, Any]


def train_drain_model(run: Run, advance: Advance) -> Figures:
    """Train the drain model on the training products' first periods, and on replays of them."""

    def show(progress: Progress) -> None:
        advance(progress.epoch, progress.epochs)

    data = run.training_data
    if run.config.diverse_stock:
        data = DrainData.stack([replace(data, sales=None), *run.diverse_stock])
    trained = train(data, run.config.drain, seed=run.config.seed, progress=show)
    save_checkpoint(trained.checkpoint, run.model_path)
    weights = jax.tree.leaves(trained.checkpoint.weights)
    return {
        "epochs": trained.history[-1].epoch,
        "stopped": trained.stopped,
        "parameters": int(sum(np.size(leaf) for leaf in weights)),
        "epoch": [p.epoch for p in trained.history],
        "train_curve": [p.train_loss for p in trained.history],
        "validation_curve": [p.validation_loss for p in trained.history],
    }


def score_drain_model(run: Run, advance: Advance) -> Figures:
    """Score the drain model, the tuned closest node and the noise floor."""
    return score_models(
        run.checkpoint,
        run.drain_data,
        run.world,
        true_systems(run.world, run.config),
        run.split,
        run.config,
        advance,
    )


def train_policies(run: Run, advance: Advance) -> Figures:
    """Tune the order-up-to policy by search, train the neural one by gradients."""
    setting, config = run.setting, run.config
    total = config.tune.generations + config.train.updates
    tuned = tune(
        setting.task(config.training_horizon),
        run.policies["order up to"],
        cover_bounds(run.world.period_days),
        config.tune,
        progress=lambda done, _: advance(done, total),
    )
    save_policy(
        run.out / "order_up_to.npz",
        run.policies["order up to"],
        tuned.params,
        world=run.identity,
    )
    neural = train_neural(
        run, setting, lambda done, _: advance(config.tune.generations + done, total)
    )
    save_policy(run.neural_path, run.policies["neural"], neural.params, world=run.identity)
    return {
        "horizon": config.training_horizon,
        "starts": np.asarray(setting.train.start).tolist(),
        "order_up_to": {
            "buy_cover": float(tuned.params.buy_cover),
            "place_cover": float(tuned.params.place_cover),
            "safety": float(tuned.params.safety),
            "value": tuned.value,
            "rollouts": tuned.rollouts,
            "curve": tuned.curve.tolist(),
        },
        "neural": neural_figures(neural),
    }


def train_neural(
    run: Run, setting: Setting, advance: Advance, seed: int = 0, folder: Path | None = None
) -> TrainResult:
    """Train the neural policy by gradients in a simulator, from a new start.

    Args:
        run: Says which policy, and for how long.
        setting: The simulator.
        advance: Called with (updates done, updates).
        seed: Added to the configuration's.
        folder: Where the state of the training is kept; nowhere when not given.
    """
    config = run.config
    return train_by_gradient(
        setting.simulator,
        setting.params,
        run.policies["neural"],
        setting.train,
        config.training_horizon,
        replace(config.train, seed=config.train.seed + seed),
        progress=advance,
        folder=folder,
    )


def neural_figures(trained: TrainResult) -> Figures:
    """Return how a policy's training went, as plain values."""
    return {
        "value": trained.value,
        "rollouts": trained.rollouts,
        "updates": trained.updates.tolist(),
        "curve": trained.curve.tolist(),
    }


def cover_bounds(period_days: float) -> dict[str, tuple[float, float]]:
    """Return where the numbers of an order-up-to policy are searched; covers are periods."""
    return {
        "buy_cover": (4 / period_days, 60 / period_days),
        "place_cover": (1 / period_days, 30 / period_days),
        "safety": (0.02, 10.0),
    }

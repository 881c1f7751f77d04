"""A round of fine-tuning where the first verdict says no: labels, a fit that goes on, a policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from draingym.demo.learning_stages import neural_figures, train_neural
from draingym.demo.run import Run
from draingym.demo.stages import Advance
from draingym.drain_model import Checkpoint, DrainData, save_checkpoint
from draingym.policies import FineTuneConfig, TrainResult, fine_tune
from draingym.policies.store import save_policy
from draingym.policies.validation.candidates import BASELINE, covers_times, perturbed
from draingym.policies.validation.fine_tuning import Policies

Figures = dict[str, Any]
# What tells the round's draws from those of the stages before: no verdict's policy is labelled.
_APART = 100
_COVERS = 0.6  # of the tuned covers: leaner than any that a verdict judges by


def fine_tune_simulator(run: Run, advance: Advance) -> Figures:
    """Label the states that policies visit, go on with the drain model, train the neural policy.

    Where the model knew diverse stock, half of that makes room for half of the labels: it is fitted
    to as many product histories as in its first training, for as long, and by the same programs.
    """
    config, seed = run.config, run.config.seed + _APART
    done: list[TrainResult] = []

    def labelled(policies: Policies, k: int) -> Sequence[DrainData]:
        del k
        panels = run.replays(around(run, policies), seed)
        advance(1, 3)
        if not config.diverse_stock:
            return panels
        return _halves([*panels, *run.diverse_stock], seed)

    def retrained(checkpoint: Checkpoint, policies: Policies, k: int) -> Policies:
        del k
        advance(2, 3)
        setting = run.setting_of([checkpoint])
        done.append(train_neural(run, setting, lambda _done, _total: None, _APART))
        return {name: (policy, done[-1].params) for name, (policy, _) in policies.items()}

    found = fine_tune(
        run.checkpoint,
        run.training_data,
        {"neural": (run.policies["neural"], run.parameters["neural"])},
        labelled,
        retrained,
        FineTuneConfig(rounds=1, drain=config.drain, seed=seed),
    )
    tuned = run.fine_tuned
    save_checkpoint(found.checkpoint, tuned.model_path)
    save_policy(tuned.neural_path, *found.policies["neural"], world=run.identity)
    advance(3, 3)
    (made,) = found.rounds
    return {
        "labelled": sorted(around(run, found.policies)),
        "loss": made.loss,
        "neural": neural_figures(done[0]),
    }


def _halves(panels: Sequence[DrainData], seed: int) -> list[DrainData]:
    """Return half of the products of each panel, rounded down and up in turn."""
    random = np.random.default_rng([seed, 9])
    parts = []
    for k, panel in enumerate(panels):
        size = (panel.num_products + k % 2) // 2
        parts.append(panel.products(np.sort(random.permutation(panel.num_products)[:size])))
    return parts


def around(run: Run, policies: Policies) -> Policies:
    """Return what a round labels: policies, a lean order-up-to, and lopsided copies of them all."""
    lean = covers_times(run.parameters[BASELINE], _COVERS, _COVERS)
    named = {**policies, f"{BASELINE}, {_COVERS:g}x": (run.policies[BASELINE], lean)}
    nodes, seed = run.world.network.num_nodes, run.config.seed + _APART
    return {**named, **perturbed(named, nodes, 1, seed=seed)}

"""The last stages: three policies in three columns, and whether the simulator may be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np

from draingym.common.bootstrap import Interval
from draingym.demo.episodes import Recorded
from draingym.demo.run import POLICIES, Run
from draingym.demo.stages import Advance
from draingym.policies.store import save_policy
from draingym.policies.validation.candidates import BASELINE, spread_around
from draingym.policies.validation.one_step import OneStep
from draingym.policies.validation.overlap import Shared, overlap_notes
from draingym.policies.validation.validate import Validation, validate
from draingym.policies.validation.verdict import Verdict, judge
from draingym.report.live import write_file
from draingym.simulator import Policy, PyTree

Figures = dict[str, Any]
EPISODES = "episodes.json"  # what the report lets a reader click through


def validate_policies(run: Run, advance: Advance) -> Figures:
    """Run the last policies in the last simulator, oracle and truth, on the held-out periods."""
    run = run.final
    config, setting = run.config, run.setting
    truth = run.truth(config.replications)
    policies = {name: (run.policies[name], run.parameters[name]) for name in POLICIES}
    validation = validate(
        policies,
        setting.simulator,
        setting.params,
        setting.test,
        run.test_horizon,
        run.oracle(config.replications),
        truth,
        judges=run.judges,
        seed=config.seed,
        progress=advance,
    )
    recorded = Recorded(
        run=run,
        setting=setting,
        horizon=run.test_horizon,
        world=truth,
        seed=config.seed,
        policies=policies,
    )
    shown = recorded.episodes(np.arange(len(run.world.products.id)), "USD")
    write_file(run.out / EPISODES, shown)
    return validation_figures(validation) | {"trace": _trace(recorded)}


def judge_simulator(run: Run, advance: Advance) -> Figures:
    """Validate the simulator over a spread of policies, and say what it is fit for."""
    run.forget_fine_tuning()
    return _judged(run, advance)


def judge_fine_tuned(run: Run, advance: Advance) -> Figures:
    """Validate the simulator after fine-tuning, over policies that no round labelled."""
    return _judged(run.fine_tuned, advance)


def _judged(run: Run, advance: Advance) -> Figures:
    config, setting = run.config, run.setting
    ids = run.world.products.id
    # The demo's products are few: those it is fitted on judge, and the report says so.
    allow: tuple[Shared, ...] = ("products",) if config.train_products == 1 else ()
    notes = overlap_notes(
        run.fitted,
        [ids[p] for p in run.judges],
        (run.split, run.split + run.test_horizon),
        allow,
    )
    policies = spread_of_policies(run)
    validation = validate(
        policies,
        setting.simulator,
        setting.params,
        setting.test,
        run.test_horizon,
        run.oracle(config.verdict_replications),
        judges=run.judges,
        one_step=OneStep(
            checkpoints=[run.checkpoint],
            log=run.drain_data,
            start=run.split,
            samples=config.one_step_samples,
        ),
        notes=notes,
        seed=config.seed,
        progress=advance,
    )
    verdict = judge(validation, config.thresholds)
    save_policy(run.out / "chosen.npz", *policies[verdict.agreement.chosen], world=run.identity)
    return verdict_figures(validation, verdict)


def spread_of_policies(run: Run) -> dict[str, tuple[Policy, PyTree]]:
    """Return the run's policies, order-up-to at a grid of covers, and perturbed and new ones."""
    own = {name: (run.policies[name], run.parameters[name]) for name in POLICIES}
    return spread_around(own, run.world.network, run.config.seed)


def _trace(recorded: Recorded) -> Figures:
    """Return stock and drain of the product with the median drain, in the truth."""
    run = recorded.run
    volume = run.drain_data.outbound.sum(axis=(1, 2))
    product = int(np.argsort(volume)[len(volume) // 2])
    shown: Figures = {}
    for name, found in recorded.runs.items():
        moves = found.trajectory.transitions
        shown[name] = {
            "on_hand": np.asarray(moves.on_hand[product]).tolist(),
            "outbound": np.asarray(moves.outbound[product]).tolist(),
            "lost": np.sum(moves.lost[product], axis=-1).tolist(),
        }
    return {
        "product": run.world.products.id[product],
        "start": run.split,
        "policies": shown,
    }


def validation_figures(validation: Validation, baseline: str = BASELINE) -> Figures:
    """Return values, paired differences against the baseline, and errors, as plain values."""
    columns = validation.columns
    value = {
        name: {column: validation.estimate(name, column).to_dict() for column in columns}
        for name in validation.names
    }

    def difference(name: str, column: str) -> Interval:
        return validation.difference(name, baseline, column)

    return {
        "policies": list(validation.names),
        "columns": list(columns),
        "horizon": validation.horizon,
        "start": validation.start,
        "replications": int(validation.values.shape[2]),
        "products": int(validation.values.shape[3]),
        "value": value,
        "difference": {
            name: {column: difference(name, column).to_dict() for column in columns}
            for name in validation.names
            if name != baseline
        },
        "value_error": {
            name: (cells["simulator"]["mean"] - cells["oracle"]["mean"])
            / max(abs(cells["oracle"]["mean"]), 1e-9)
            for name, cells in value.items()
        },
        "notes": list(validation.notes),
    }


def verdict_figures(validation: Validation, verdict: Verdict, baseline: str = BASELINE) -> Figures:
    """Return a validation and what follows from it, as plain values."""
    return validation_figures(validation, baseline) | verdict.to_dict()

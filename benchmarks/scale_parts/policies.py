"""Policies at scale: trained on most products, judged on the others in the truth.

The simulator's drain model is the one that the part on accuracy trained. Three seeds of the neural
policy; whatever is searched or fitted besides is so once, since a search depends on its seed least.
All have the same budget of simulated periods. What a policy is worth that knows the demand to come
says how much there is to gain at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

from benchmarks._common import Claim, Clock, at_least, drop_programs, figure_only
from benchmarks.policies_parts.placement_claims import (
    STAGES,
    Values,
    agreement_row,
    best_baseline,
    difference,
    gain_claims,
    value_rows,
)
from benchmarks.policies_parts.placement_sizes import Sizes
from benchmarks.scale_parts.placement import LEARNED, ScaledPlacement, ScaledRun, sized
from draingym.common.bootstrap import draw_means, interval
from draingym.demo.stages import Advance, Stages
from draingym.drain_model import Checkpoint, load_checkpoint
from draingym.policies import TrainConfig
from draingym.policies.validation.validate import COLUMNS

Figures = dict[str, Any]
SEEDS = 3
RETUNED = ", retuned"
BAR = 6
_SIZES = Sizes(
    replications=1,
    early_updates=0,
    rounds=1,
    fine_tune_epochs=1,
    searched=40,
    searched_starts=2,
    labelled=100,
    one_step=0,
    train=TrainConfig(batch_products=25),
)
SIZES = {"paper": sized(_SIZES, 160), "busy": sized(replace(_SIZES, labelled=None), 160)}


class Policies:
    """All seeds of one world, stage by stage; what is finished is kept in the folder."""

    def __init__(self, run: ScaledRun, sizes: Sizes, seeds: Sequence[int]) -> None:
        """Do nothing yet."""
        self.run, self.sizes = run, sizes
        self.seeds = {
            seed: ScaledPlacement(sizes, run, seed, run.out / f"seed{seed}") for seed in seeds
        }
        self.first = self.seeds[seeds[0]]

    def learn(self, advance: Advance) -> Figures:
        """Tune all baselines, imitate plans, and train what is trained."""
        suite, setting, sizes = self.first.suite, self.run.setting, self.sizes
        found: Figures = {}
        total = len(suite) + 1 + len(self.seeds)
        for name in suite:
            found[name] = self.first.tuned(name)
            drop_programs()
            advance(len(found), total)
        found[LEARNED] = self.first.trained(LEARNED, setting, sizes.updates, kind=LEARNED)
        drop_programs()
        advance(len(found), total)
        for seed, placement in self.seeds.items():
            found[f"neural, seed {seed}"] = placement.trained("neural", setting, sizes.updates)
            advance(len(found), total)
        return found

    def validated(self, checkpoint: Checkpoint, stage: str, advance: Advance) -> Figures:
        """Value policies in simulator, oracle and truth: all of the spread with the first seed."""
        found: Figures = {}
        more = {}
        if stage:
            name = self.retuned()
            more[name + RETUNED] = self.first.policy(name, "_after")
        for seed, placement in self.seeds.items():
            placement.out.mkdir(parents=True, exist_ok=True)
            whole = placement is self.first
            policies = placement.spread(stage) if whole else placement.contenders(stage)
            found[str(seed)] = placement.validated(
                checkpoint, stage, lambda *_: None, {**policies, **more}
            )
            advance(len(found), len(self.seeds))
        return found

    def informed(self, advance: Advance) -> Figures:
        """Value policies that know the demand to come."""
        values = {}
        for seed, placement in self.seeds.items():
            values[seed] = placement.informed()
            advance(len(values), len(self.seeds))
        every = np.concatenate(list(values.values()), axis=1)
        best = int(every.mean(axis=(1, 2)).argmax())
        np.save(self.run.out / "informed.npy", every[best])
        return {"settings": len(every), "best": best, "value": float(every[best].mean())}

    def retuned(self) -> str:
        """Return the baseline that is fitted again after fine-tuning: the simulator's best."""
        values = Values.read(self.first.out / "values_before.npz")
        return best_baseline([values], self.baselines, "simulator")

    @property
    def baselines(self) -> list[str]:
        """All policies that the neural one is compared with."""
        return [*self.first.suite, LEARNED]

    def fine_tune(self, advance: Advance) -> Figures:
        """Label what all seeds' policies visit, refit, retrain, and fit the best baseline again."""
        others = [p for p in self.seeds.values() if p is not self.first]
        found = self.first.fine_tune(advance, others)
        name, setting = self.retuned(), self.run.setting_of([self.after])
        drop_programs()
        if name == LEARNED:
            again = self.first.trained(
                LEARNED + "_after", setting, self.sizes.updates, kind=LEARNED
            )
        else:
            again = self.first.tuned(name, setting, "_after")
        return {**found, "retuned": name, "rollouts": again["rollouts"]}

    @property
    def after(self) -> Checkpoint:
        """The fine-tuned drain model."""
        if self._after is None:
            self._after = load_checkpoint(self.run.out / "drain_model_after.npz")
        return self._after

    _after: Checkpoint | None = None


def run_policies(run: ScaledRun, sizes: Sizes, seeds: Sequence[int], clock: Clock) -> Figures:
    """Run all stages that are not finished; return rows, and claims as plain values."""
    every = Policies(run, sizes, seeds)
    run.out.mkdir(parents=True, exist_ok=True)
    stages = Stages(
        folder=run.out, fingerprint=run.config.fingerprint(repr(sizes)), console=Console()
    )

    def stage(name: str, title: str, work: Any) -> Figures:
        found = stages.run(name, title, work)
        clock(title)
        return found

    before = run.checkpoint
    found = {
        "learn": stage("learn", "policies", every.learn),
        "before": stage("before", "values", lambda a: every.validated(before, "", a)),
        "informed": stage("informed", "values of who knows the demand", every.informed),
        "fine_tune": stage("fine_tune", "fine-tuning", every.fine_tune),
        "after": stage(
            "after", "values after it", lambda a: every.validated(every.after, "_after", a)
        ),
    }
    return found | {"seconds": sum(stages.seconds.values())}


def result_of(
    world: str, run: ScaledRun, seeds: Sequence[int], found: Mapping[str, Any]
) -> Figures:
    """Return rows and claims of a world.

    Args:
        world: Its name.
        run: Whose folder holds the values.
        seeds: The first one's policies judge the simulator.
        found: Of ``run_policies``.
    """
    values = {
        stage: [Values.read(run.out / f"seed{seed}" / f"values_{stage}.npz") for seed in seeds]
        for stage in STAGES
    }
    learnt = found["learn"]
    baselines = [name for name in learnt if not name.startswith("neural")]
    rivals = {
        "before": baselines,
        "after": [*baselines, found["fine_tune"]["retuned"] + RETUNED],
    }
    words = {"before": "trained in the log's simulator", "after": "fine-tuned"}
    claims: list[Claim] = []
    rows: list[Any] = []
    for stage in STAGES:
        what = f"{world}: neural, {words[stage]}"
        claims += gain_claims(BAR, what, values[stage], rivals[stage])
        rows += value_rows(f"{world}: value, {stage} fine-tuning", values[stage], rivals[stage])
        judged = found[stage][str(seeds[0])]
        agreed = judged["agreements"]
        rows += [agreement_row(seeds[0], f"{world}, {stage}", a) for a in agreed]
        number = len(judged["policies"])
        what = f"{world}: Kendall {stage} fine-tuning, new products, {number} policies"
        claims.append(at_least(BAR, what, agreed[0]["kendall"]["mean"], "", 0.9))
        what = f"{world}: value error {stage} fine-tuning"
        claims.append(figure_only(BAR, what, agreed[0]["mean_error"]["mean"], ""))
    number = min(len(found[s][str(seeds[0])]["policies"]) for s in STAGES)
    claims.append(at_least(BAR, f"{world}: policies that judge", number, "", 20))
    claims += _room(world, np.load(run.out / "informed.npy"), values["after"], rivals["after"])
    rollouts = {name: int(figures["rollouts"]) for name, figures in learnt.items()}
    horizon = run.config.training_horizon
    rows += [
        {"table": f"{world}: budgets", "policy": name, "simulated periods": horizon * count}
        for name, count in rollouts.items()
    ]
    ratio = max(rollouts.values()) / min(rollouts.values())
    claims.append(figure_only(BAR, f"{world}: largest over smallest budget", ratio, "x"))
    return {"rows": rows, "claims": [asdict(claim) for claim in claims]}


def _room(
    world: str, informed: Any, seeds: Sequence[Values], baselines: Sequence[str]
) -> list[Claim]:
    """Return what a policy that knows the demand to come gains over the best baseline.

    Args:
        world: Its name.
        informed: [R, P] its values in the truth, seeds one after the other.
        seeds: Values of all other policies.
        baselines: Those that it is compared with.
    """
    best = best_baseline(seeds, baselines, "truth")
    truth = COLUMNS.index("truth")
    theirs = np.concatenate([v.values[v.names.index(best), truth] for v in seeds])
    gain = interval(float((informed - theirs).mean()), draw_means((informed - theirs)[None])[:, 0])
    own = difference(seeds, "neural", best, "truth").value
    what = f"{world}: who knows the demand to come, over the best tuned baseline ({best})"
    return [
        figure_only(BAR, what, gain.value, "USD per product"),
        figure_only(BAR, f"{what}: lower end", gain.low, "USD per product"),
        figure_only(BAR, f"{world}: share of that which neural gains", own / gain.value, ""),
    ]


def folder_of(states: Path, checkpoint: Checkpoint) -> Path:
    """Return the folder of policies in a simulator with a drain model: another has another."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(checkpoint.weights):
        digest.update(np.asarray(leaf).tobytes())
    return states / digest.hexdigest()[:12]

"""One seed of the placement benchmark: its world, models and policies, stage by stage.

Every stage leaves files in the run's folder, so that an interrupted run goes on after the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from draingym.common.files import read_json, write_json
from draingym.demo.config import LoopConfig
from draingym.demo.run import Run, Setting
from draingym.demo.stages import Advance
from draingym.demo.validation_stage import verdict_figures
from draingym.drain_model import Checkpoint, load_checkpoint, save_checkpoint, train
from draingym.policies import (
    Baseline,
    FineTuneConfig,
    OneStep,
    OrderUpToParams,
    TrainConfig,
    TuneConfig,
    baseline_suite,
    fine_tune,
    judge,
    label,
    load_parameters,
    order_up_to_grid,
    overlap_notes,
    perturbed,
    save_policy,
    train_by_gradient,
    tree_of,
    tune,
    validate,
)
from draingym.policies.validation.fine_tuning import Policies
from draingym.policies.validation.validate import COLUMNS
from draingym.simulator import Policy, PyTree, window
from draingym.world.orders import WorldConfig

Figures = dict[str, Any]
BASELINE = "order up to"
# Never labelled: the log was written by the first; the others are made for the validation alone.
LOGGED = "historical"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How large the benchmark is."""

    products: int = 300  # two of three are trained on, the others judge
    replications: int = 2
    early_updates: int = 10  # of the policy that shows an early stage of training
    updates: int = 480
    rollouts: int = 40_000  # of each baseline's search: over twice those that training takes
    rounds: int = 2
    members: int = 3  # of the ensemble
    weights: tuple[float, ...] = (0.0, 1.0)  # pessimism
    fine_tune_epochs: int = 4
    drain: Mapping[str, Any] = field(default_factory=dict)  # fields that differ from the default


SIZES = {
    "small": Sizes(),
    "tiny": Sizes(
        products=12,
        replications=1,
        early_updates=2,
        updates=3,
        rollouts=400,
        rounds=1,
        members=2,
        weights=(1.0,),
        fine_tune_epochs=1,
        drain={"epochs": 2, "width": 8, "heads": 2, "pair_width": 8},
    ),
}


class PlacementRun:
    """One seed's world, models and policies."""

    def __init__(self, sizes: Sizes, data: str, seed: int, out: Path) -> None:
        """Do nothing yet."""
        base = LoopConfig()
        self.sizes = sizes
        config = LoopConfig(
            data=data,  # type: ignore[arg-type]
            seed=seed,
            train_products=2 / 3,
            world=WorldConfig(period_days=2, num_products=sizes.products, seed=seed),
            drain=replace(base.drain, **sizes.drain),
            train=TrainConfig(
                updates=sizes.updates, evaluate_every=max(sizes.updates // 5, 1), seed=seed
            ),
        )
        self.run = Run(config, out)

    # Policies

    @cached_property
    def suite(self) -> Mapping[str, Baseline]:
        """All baselines with the boxes that they are tuned in."""
        tree, days = tree_of(self.run.world.network), self.run.world.period_days
        return baseline_suite(tree, period_days=days, programs=False)

    def path(self, name: str) -> Path:
        """Return the file of a policy."""
        kept = "".join(c if c.isalnum() else "_" for c in name)
        return self.run.out / "policies" / f"{kept}.npz"

    def policy(self, name: str, stage: str = "") -> tuple[Policy, PyTree]:
        """Return a policy that a stage saved; one object a class, so that programs are shared."""
        kind = "neural" if name.startswith("neural") else name
        known: dict[str, Policy] = {**self.run.policies}
        known |= {k: b.policy for k, b in self.suite.items() if k not in known}
        return known[kind], load_parameters(self.path(name + stage), known[kind])

    def tuned(self, name: str) -> Figures:
        """Tune a baseline in the log's simulator and save it, unless that was done."""
        config, baseline = self.run.config, self.suite[name]
        policy = self.run.policies.get(name, baseline.policy)
        setting = self.run.setting

        def make() -> tuple[PyTree, Figures]:
            found = tune(
                setting.simulator,
                setting.params,
                policy,
                baseline.bounds,
                setting.train,
                config.training_horizon,
                TuneConfig(rollouts=self.sizes.rollouts, seed=config.seed),
            )
            return found.params, {"value": found.value, "rollouts": found.rollouts}

        return self.once(name, policy, make)

    def trained(
        self, name: str, setting: Setting, updates: int, *, seed: int | None = None
    ) -> Figures:
        """Train the neural policy in a simulator and save it, unless that was done."""
        config, policy = self.run.config, self.run.policies["neural"]
        every = max(updates // 5, 1)
        settings = replace(config.train, updates=updates, evaluate_every=every)
        if seed is not None:
            settings = replace(settings, seed=seed)

        def make() -> tuple[PyTree, Figures]:
            found = train_by_gradient(
                setting.simulator,
                setting.params,
                policy,
                setting.train,
                config.training_horizon,
                settings,
            )
            return found.params, {"value": found.value, "rollouts": found.rollouts}

        return self.once(name, policy, make)

    def once(
        self, name: str, policy: Policy, make: Callable[[], tuple[PyTree, Figures]]
    ) -> Figures:
        """Make a policy and save it with its figures, or return those of the saved one."""
        path = self.path(name)
        if not path.with_suffix(".json").exists():
            path.parent.mkdir(exist_ok=True)
            params, made = make()
            save_policy(path, policy, params)
            write_json(path.with_suffix(".json"), made)
        figures: Figures = read_json(path.with_suffix(".json"))
        return figures

    # Stages

    def learn(self, advance: Advance) -> Figures:
        """Tune all baselines and train the neural policy in the simulator learned from the log."""
        updates = {"neural, early": self.sizes.early_updates, "neural": self.sizes.updates}
        found: Figures = {}
        for name in (*self.suite, *updates):
            if name in updates:
                found[name] = self.trained(name, self.run.setting, updates[name])
            else:
                found[name] = self.tuned(name)
            advance(len(found), len(self.suite) + len(updates))
        return found

    def spread(self, stage: str = "") -> dict[str, tuple[Policy, PyTree]]:
        """Return the policies that judge a simulator; none of them is ever labelled.

        Args:
            stage: "" for the simulator of the log, otherwise the policies trained in another.
        """
        run = self.run
        neural = run.policies["neural"]
        order_up_to, params = self.policy(BASELINE)
        tuned = {name: self.policy(name) for name in self.suite}
        best = {"neural": self.policy("neural", stage), BASELINE: tuned[BASELINE]}
        return {
            LOGGED: (run.policies[LOGGED], run_parameters(run)),
            **tuned,
            "neural": best["neural"],
            "neural, untrained": (neural, neural.init(jax.random.key(run.config.seed))),
            "neural, early": self.policy("neural, early"),
            **order_up_to_grid(order_up_to, params),
            **perturbed(best, run.world.network.num_nodes, seed=1),
        }

    def validated(self, checkpoint: Checkpoint, stage: str, advance: Advance) -> Figures:
        """Validate a simulator on products and periods that nothing was fitted on."""
        run, sizes = self.run, self.sizes
        setting = run.setting_of([checkpoint])
        ids = run.world.products.id
        test = (run.split, run.world.num_periods)
        validation = validate(
            self.spread(stage),
            setting.simulator,
            setting.params,
            setting.test,
            run.test_horizon,
            run.oracle(sizes.replications),
            run.truth(sizes.replications),
            judges=run.judges,
            one_step=OneStep(
                checkpoints=[checkpoint], log=run.drain_data, start=run.split, samples=32
            ),
            notes=overlap_notes(run.fitted, [ids[p] for p in run.judges], test),
            seed=run.config.seed,
            progress=advance,
        )
        np.savez(
            run.out / f"values{stage or '_before'}.npz",
            names=np.asarray(validation.names),
            values=validation.values,
        )
        verdict = judge(validation.select([n for n in validation.names if n != LOGGED]))
        return verdict_figures(validation, verdict)

    def fine_tune(self, advance: Advance) -> Figures:
        """Label, refit, retrain; the last round's policies are saved and never labelled."""
        run, sizes = self.run, self.sizes
        trained = np.flatnonzero(run.trained_products)
        # From the second period on: what was on its way in the first is in the log.
        whole = run.setting_of([run.checkpoint], test=(1, run.split))
        scenario = window(whole.test, 0, run.split - 1, jax.random.key(run.config.seed + 1))
        oracle = run.oracle(2, seed=run.config.seed + 100)
        history = run.drain_data.periods(0, run.split)

        def labelled(policies: Policies, k: int) -> Any:
            chosen = self.explored(policies, k)
            return label(
                chosen, oracle, whole.params, scenario, history,
                dynamics=whole.simulator.dynamics, products=trained, seed=k,
            )  # fmt: skip

        def retrained(checkpoint: Checkpoint, policies: Policies, k: int) -> Policies:
            # From a new start: training that goes on may find nothing better, and would return a
            # policy that was labelled.
            last = k == sizes.rounds - 1
            name = "neural_after" if last else f"neural_round{k}"
            policy, _ = policies["neural"]
            setting = run.setting_of([checkpoint])
            self.trained(name, setting, sizes.updates, seed=run.config.seed + 100 * (k + 1))
            return {"neural": (policy, load_parameters(self.path(name), policy))}

        drain = replace(
            run.config.drain, epochs=sizes.fine_tune_epochs, learning_rate=1e-3, validate_every=1
        )
        found = fine_tune(
            run.checkpoint,
            run.training_data,
            {"neural": self.policy("neural")},
            labelled,
            retrained,
            FineTuneConfig(rounds=sizes.rounds, drain=drain, seed=run.config.seed),
            progress=advance,
        )
        save_checkpoint(found.checkpoint, run.out / "drain_model_after.npz")
        return {
            "rounds": [
                {"labelled": list(r.labelled), "panels": r.panels, "loss": r.loss}
                for r in found.rounds
            ]
        }

    def explored(self, policies: Policies, k: int) -> Policies:
        """Return a round's policies with some around them: lopsided, lean or deep.

        None is among those that judge: order-up-to policies are labelled at other covers.
        """
        order_up_to, covers = self.policy(BASELINE)
        bought, placed = ((0.6, 0.6), (1.6, 1.8))[k % 2]
        other = OrderUpToParams(
            buy_cover=covers.buy_cover * bought,
            place_cover=covers.place_cover * placed,
            safety=covers.safety,
        )
        around = {f"{BASELINE}, {bought:g}x": (order_up_to, other)}
        nodes = self.run.world.network.num_nodes
        off = perturbed({**policies, **around}, nodes, 1, sd=0.6, seed=1000 + k)
        return {**policies, **around, **off}

    def ensemble(self, advance: Advance) -> Figures:
        """Train the other members of an ensemble, from other seeds."""
        run = self.run
        for e in range(1, self.sizes.members):
            found = train(run.training_data, run.config.drain, seed=run.config.seed + 1000 * e)
            save_checkpoint(found.checkpoint, run.out / f"member{e}.npz")
            advance(e, self.sizes.members - 1)
        return {"members": self.sizes.members}

    def pessimism(self, advance: Advance) -> Figures:
        """Train policies on an ensemble's mean less weight times spread, and validate them."""
        run, sizes = self.run, self.sizes
        members = [run.checkpoint] + [
            load_checkpoint(run.out / f"member{e}.npz") for e in range(1, sizes.members)
        ]
        neural, alone = self.policy("neural")
        policies = {"one model": (neural, alone)}
        for done, weight in enumerate(sizes.weights):
            name = f"ensemble, weight {weight:g}"
            self.trained(name, run.setting_of(members, pessimism=weight), sizes.updates)
            policies[name] = (neural, load_parameters(self.path(name), neural))
            advance(done + 1, len(sizes.weights) + 1)
        found = {}
        for name, setting in (
            ("one model", run.setting),
            ("ensemble", run.setting_of(members, pessimism=0.0)),
        ):
            found[name] = validate(
                policies,
                setting.simulator,
                setting.params,
                setting.test,
                run.test_horizon,
                run.oracle(sizes.replications),
                run.truth(sizes.replications),
                judges=run.judges,
                seed=run.config.seed,
            )
        return {
            name: {
                policy: {c: v.estimate(policy, c).to_dict() for c in COLUMNS}
                | {
                    "against one model": v.difference(policy, "one model", "truth").to_dict(),
                }
                for policy in policies
            }
            for name, v in found.items()
        }


def run_parameters(run: Run) -> PyTree:
    """Return the parameters of the policy that wrote the log."""
    from draingym.demo.history import historical_policy

    return historical_policy(run.world, run.config).params

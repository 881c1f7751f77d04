"""One seed of the placement benchmark: its world, models and policies, stage by stage.

Every stage leaves files in the run's folder, so that an interrupted run goes on after the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from benchmarks.policies_parts.placement_sizes import Sizes
from draingym.common.files import read_json, write_json
from draingym.demo.history import historical_policy
from draingym.demo.run import Run, Setting, some_products
from draingym.demo.stages import Advance
from draingym.demo.validation_stage import verdict_figures
from draingym.drain_model import Checkpoint, save_checkpoint
from draingym.policies import (
    Baseline,
    FineTuneConfig,
    OneStep,
    OrderUpToParams,
    PathwiseGradient,
    TuneConfig,
    WindowTask,
    baseline_suite,
    fine_tune,
    judge,
    label,
    load_parameters,
    order_up_to_grid,
    overlap_notes,
    perturbed,
    save_policy,
    train_policy,
    tree_of,
    tune,
    validate,
)
from draingym.policies.validation.fine_tuning import Policies
from draingym.simulator import Dynamics, Params, Policy, PyTree, Scenario, Windows, window

Figures = dict[str, Any]
BASELINE = "order up to"
# Never labelled: the log was written by the first; the others are made for the validation alone.
LOGGED = "historical"


class PlacementRun:
    """One seed's models and policies in a world.

    Attributes:
        sizes: How large everything is.
        run: World, log, drain model and simulator.
        seed: Of policies, and of all that is drawn where they are judged.
        out: Folder of the policies that depend on the seed.
    """

    def __init__(
        self, sizes: Sizes, run: Run, seed: int | None = None, out: Path | None = None
    ) -> None:
        """Do nothing yet; seed and folder are the run's when not given."""
        self.sizes = sizes
        self.run = run
        self.seed = run.config.seed if seed is None else seed
        self.out = run.out if out is None else out

    # Policies

    @cached_property
    def suite(self) -> Mapping[str, Baseline]:
        """All baselines with the boxes that they are tuned in."""
        tree, days = tree_of(self.run.world.network), self.run.world.period_days
        return baseline_suite(tree, period_days=days, programs=False)

    def path(self, name: str) -> Path:
        """Return the file of a policy."""
        kept = "".join(c if c.isalnum() else "_" for c in name)
        folder = self.run.out if self.shared(name) else self.out
        return folder / "policies" / f"{kept}.npz"

    def shared(self, name: str) -> bool:
        """Return whether a policy is the same for all seeds of a world."""
        return name in self.suite

    @cached_property
    def learners(self) -> Mapping[str, Policy]:
        """Return the policies that are trained by gradients."""
        return {"neural": self.run.policies["neural"]}

    def kind(self, name: str) -> Policy:
        """Return the policy behind a name; one object a class, so that programs are shared."""
        known: dict[str, Policy] = {k: b.policy for k, b in self.suite.items()}
        known |= {**self.run.policies, **self.learners}
        return known["neural"] if name.startswith("neural,") else known[name]

    def policy(self, name: str, stage: str = "") -> tuple[Policy, PyTree]:
        """Return a policy that a stage saved."""
        policy = self.kind(name)
        return policy, load_parameters(self.path(name + stage), policy)

    def few(self, windows: Windows) -> Windows:
        """Return the windows that searches and evaluations roll out; see ``Sizes``."""
        products = spread_out(windows.num_products, self.sizes.searched)
        starts = spread_out(windows.num_starts, self.sizes.searched_starts)
        if len(products) == windows.num_products and len(starts) == windows.num_starts:
            return windows
        some = some_products(windows, products)
        cut = jax.tree.map(lambda leaf: leaf[starts], (some.initial, some.start))
        return replace(some, initial=cut[0], start=cut[1])

    def tuned(self, name: str, setting: Setting | None = None, stage: str = "") -> Figures:
        """Tune a baseline in a simulator, the log's at first, unless that was done; save it."""
        config, policy = self.run.config, self.kind(name)
        setting = self.run.setting if setting is None else setting

        def make() -> tuple[PyTree, Figures]:
            found = tune(
                replace(setting, train=self.few(setting.train)).task(config.training_horizon),
                policy,
                self.suite[name].bounds,
                TuneConfig(rollouts=self.sizes.rollouts, seed=self.seed + 100 * bool(stage)),
            )
            return found.params, {"value": found.value, "rollouts": found.rollouts}

        return self.once(name + stage, policy, make)

    def trained(
        self,
        name: str,
        setting: Setting,
        updates: int,
        *,
        kind: str = "neural",
        seed: int | None = None,
    ) -> Figures:
        """Train a policy of a kind by gradients in a simulator, unless that was done; save it."""
        policy, every = self.kind(kind), max(updates // self.sizes.evaluations, 1)
        settings = replace(
            self.sizes.train,
            updates=updates,
            evaluate_every=every,
            seed=self.seed if seed is None else seed,
        )

        def task(windows: Windows) -> WindowTask:
            return replace(setting, train=windows).task(self.run.config.training_horizon)

        def make() -> tuple[PyTree, Figures]:
            found = train_policy(
                PathwiseGradient(policy=policy),
                task(setting.train),
                settings,
                evaluation=task(self.few(setting.train)),
            )
            return found.params, {"value": found.value, "rollouts": found.rollouts}

        return self.once(name, policy, make)

    def once(
        self, name: str, policy: Policy, make: Callable[[], tuple[PyTree, Figures]]
    ) -> Figures:
        """Make a policy and save it with its figures, or return those of the saved one."""
        path = self.path(name)
        if not path.with_suffix(".json").exists():
            path.parent.mkdir(parents=True, exist_ok=True)
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
        run, sizes, neural = self.run, self.sizes, self.kind("neural")
        order_up_to, params = self.policy(BASELINE)
        tuned = {name: self.policy(name) for name in self.suite}
        best = {"neural": self.policy("neural", stage), BASELINE: tuned[BASELINE]}
        return {
            LOGGED: (run.policies[LOGGED], run_parameters(run)),
            **tuned,
            **{name: self.policy(name) for name in self.learners if name != "neural"},
            "neural": best["neural"],
            "neural, untrained": (neural, neural.init(jax.random.key(self.seed))),
            **{name: self.policy(name) for name in ("neural, early",) if sizes.early_updates},
            **order_up_to_grid(order_up_to, params),
            **perturbed(best, run.world.network.num_nodes, seed=1),
        }

    def validated(
        self,
        checkpoint: Checkpoint,
        stage: str,
        advance: Advance,
        policies: Mapping[str, tuple[Policy, PyTree]] | None = None,
    ) -> Figures:
        """Validate a simulator on products and periods that nothing was fitted on.

        Args:
            checkpoint: Its drain model.
            stage: As of ``spread``.
            advance: Called with (runs done, runs).
            policies: What it is validated with; ``spread`` when not given.
        """
        run, sizes = self.run, self.sizes
        setting = run.setting_of([checkpoint])
        ids = run.world.products.id
        test = (run.split, run.world.num_periods)
        one_step = (
            OneStep(
                checkpoints=[checkpoint],
                log=run.drain_data,
                start=run.split,
                samples=max(sizes.one_step, 1),
            )
            if sizes.one_step
            else None
        )
        validation = validate(
            self.spread(stage) if policies is None else policies,
            setting.simulator,
            setting.params,
            setting.test,
            run.test_horizon,
            run.oracle(sizes.replications, self.seed),
            run.truth(sizes.replications),
            judges=run.judges,
            one_step=one_step,
            notes=overlap_notes(run.fitted, [ids[p] for p in run.judges], test),
            seed=self.seed,
            progress=advance,
        )
        np.savez(
            self.out / f"values{stage or '_before'}.npz",
            names=np.asarray(validation.names),
            values=validation.values,
        )
        verdict = judge(validation.select([n for n in validation.names if n != LOGGED]))
        return verdict_figures(validation, verdict)

    def fine_tune(self, advance: Advance, beside: Sequence[PlacementRun] = ()) -> Figures:
        """Label, refit, retrain; the last round's policies are saved and never labelled.

        Args:
            advance: Called with (rounds done, rounds).
            beside: Other seeds in the same world: their policies are labelled and retrained, too.
        """
        run, sizes = self.run, self.sizes
        seeds = {"neural" if m is self else f"neural of seed {m.seed}": m for m in (self, *beside)}
        trained = np.flatnonzero(run.trained_products)
        params, dynamics, scenario = self.logged()
        oracle = run.oracle(2, seed=self.seed + 100)
        history = run.drain_data.periods(0, run.split)

        def labelled(policies: Policies, k: int) -> Any:
            chosen = self.explored(policies, k)
            panels = label(
                chosen, oracle, params, scenario, history,
                dynamics=dynamics, products=trained, seed=k,
            )  # fmt: skip
            if sizes.labelled is None:
                return panels
            random = np.random.default_rng([self.seed, 12, k])
            some = [random.permutation(trained.size)[: sizes.labelled] for _ in panels]
            return [p.products(np.sort(s)) for p, s in zip(panels, some, strict=True)]

        def retrained(checkpoint: Checkpoint, policies: Policies, k: int) -> Policies:
            # From a new start: training that goes on may find nothing better, and would return a
            # policy that was labelled.
            last = k == sizes.rounds - 1
            name = "neural_after" if last else f"neural_round{k}"
            setting = run.setting_of([checkpoint])
            for one in seeds.values():
                one.trained(name, setting, sizes.updates, seed=one.seed + 100 * (k + 1))
            stage = name.removeprefix("neural")
            return {title: one.policy("neural", stage) for title, one in seeds.items()}

        drain = replace(
            run.config.drain, epochs=sizes.fine_tune_epochs, learning_rate=1e-3, validate_every=1
        )
        found = fine_tune(
            run.checkpoint,
            run.training_data,
            {title: one.policy("neural") for title, one in seeds.items()},
            labelled,
            retrained,
            FineTuneConfig(rounds=sizes.rounds, drain=drain, seed=self.seed),
            progress=advance,
        )
        save_checkpoint(found.checkpoint, run.out / "drain_model_after.npz")
        return {
            "rounds": [
                {"labelled": list(r.labelled), "panels": r.panels, "loss": r.loss}
                for r in found.rounds
            ]
        }

    def logged(self) -> tuple[Params, Dynamics, Scenario]:
        """Return costs, dynamics, and the log's training periods, for policies to be labelled."""
        run = self.run
        # From the second period on: what was on its way in the first is in the log.
        whole = run.setting_of([run.checkpoint], test=(1, run.split))
        scenario = window(whole.test, 0, run.split - 1, jax.random.key(self.seed + 1))
        return whole.params, whole.simulator.dynamics, scenario

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


def spread_out(number: int, few: int | None) -> NDArray[np.int64]:
    """Return so many of a number of indices, evenly spread: products are sorted by sales."""
    count = number if few is None else min(few, number)
    return np.unique(np.linspace(0, number - 1, count).round().astype(np.int64))


def run_parameters(run: Run) -> PyTree:
    """Return the parameters of the policy that wrote the log."""
    return historical_policy(run.world, run.config).params

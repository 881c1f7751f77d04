"""A world of scale as a run of the demo's loop, and the policies that are compared in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from benchmarks.drain_parts.world import DrainWorld
from benchmarks.policies_parts.placement_run import PlacementRun, spread_out
from benchmarks.policies_parts.placement_sizes import Sizes
from draingym.demo.run import Run, Setting
from draingym.drain_model import Checkpoint
from draingym.oracle.replays.environment import run as run_truth
from draingym.policies import (
    Baseline,
    ForecastBaseStock,
    ImitatedBaseStock,
    NeuralPlacement,
    baseline_suite,
    imitate_plans,
    load_policy,
    save_policy,
    tree_of,
)
from draingym.policies.rules.base_stock import raise_to, with_safety
from draingym.policies.rules.placement import NEAREST
from draingym.policies.rules.suite import ship_cost_by_distance
from draingym.policies.tree import Tree, catchment_share
from draingym.policies.validation.validate import ReplayedWorld
from draingym.simulator import (
    Dynamics,
    Observation,
    Params,
    Policy,
    Scenario,
    params_from_network,
    window,
)

FloatArray = NDArray[np.float64]
IMITATED, LEARNED = "hindsight, imitated", "learned base stock"
EXTRA_PERIODS, SAFETIES = (0, 1, 3), (0.0, 1.0, 2.0)  # of policies that know the demand


class ScaledRun(Run):
    """A world of scale with a drain model, where the demo has its folder."""

    def __init__(
        self,
        drain_world: DrainWorld,
        fitted: NDArray[np.int64],
        checkpoint: Checkpoint,
        out: Path,
    ) -> None:
        """Put what is there in place of what the demo makes.

        Args:
            drain_world: World, log and oracle.
            fitted: Products that are trained on; the others judge.
            checkpoint: Trained on their training periods.
            out: Folder of what is made.
        """
        share = fitted.size / drain_world.history.data.num_products
        config = replace(drain_world.config, drain=checkpoint.config, train_products=share)
        super().__init__(config, out)
        self.drain_world = drain_world
        self.world = drain_world.world
        self.log = drain_world.oracle.log
        self.panel = drain_world.oracle.panel
        self.split = drain_world.split
        self.drain_data = drain_world.history.data
        self.trained_products = np.isin(np.arange(self.drain_data.num_products), fitted)
        self.checkpoint = checkpoint
        self._last: tuple[Any, Setting] | None = None

    def setting_of(
        self,
        checkpoints: Sequence[Checkpoint],
        *,
        pessimism: float | None = None,
        test: tuple[int, int] | None = None,
    ) -> Setting:
        """Return the simulator with a drain model, as ``Run`` does; the last one is kept.

        Its windows hold what the model made of all products, and one of them is enough.
        """
        asked = (*checkpoints, pessimism, test)
        kept = self._last
        if kept is None or not _alike(kept[0], asked):
            self._last = None
            self.__dict__.pop("setting", None)
            made = super().setting_of(checkpoints, pessimism=pessimism, test=test)
            self._last = kept = (asked, made)
        return kept[1]

    def oracle(self, replications: int, seed: int | None = None) -> ReplayedWorld:
        """Return the log's customers, as the benchmark of scale has them."""
        first = self.config.seed if seed is None else seed
        known = self.drain_world.oracle
        views = [known.views(first + r) for r in range(replications)]
        return ReplayedWorld(systems=known.systems, views=views)

    @cached_property
    def wanted(self) -> NDArray[np.float32]:
        """[P, T, Z] units that customers of the truth want under the best promise."""
        views = self.world.views.candidates(self.world.rates)
        shape = (self.drain_data.num_products, self.world.num_periods, len(self.panel["region"]))
        units = np.zeros(shape, np.float32)
        np.add.at(units, (views.product, views.period, views.region), views.quantity)
        return units


class ScaledPlacement(PlacementRun):
    """One seed's policies in a world of scale."""

    run: ScaledRun

    @cached_property
    def tree(self) -> Tree:
        """The network as policies see it."""
        return tree_of(self.run.world.network)

    @cached_property
    def lead_time(self) -> tuple[float, ...]:
        """[N] mean periods from the parent."""
        pmf = np.asarray(self.run.world.network.lead_time)
        return tuple(float(mean) for mean in pmf @ np.arange(pmf.shape[1]))

    def shared(self, name: str) -> bool:
        """Return whether a policy is the same for all seeds: all that is fitted but the neural."""
        return name == LEARNED or name in self.suite

    @cached_property
    def levels(self) -> ForecastBaseStock:
        """Levels that are linear in features, in the ranges of what is trained on."""
        run = self.run
        price = np.exp(run.training_data.attributes[:, 0])  # its logarithm is the first attribute
        ordered = run.panel["ordered_units"].to_numpy()[run.trained_products, : run.split]
        rate = ordered.sum(axis=(1, 2)) / run.split
        days = run.world.period_days
        return ForecastBaseStock(
            tree=self.tree,
            lead_time=self.lead_time,
            start_cover=(14.0 / days, 7.0 / days),
            demand_range=(1e-3 + float(rate.min()) / 100.0, 1.0 + float(rate.max())),
            price_range=(0.99 * float(price.min()), 1.01 * float(price.max())),
        )

    @cached_property
    def learners(self) -> Mapping[str, Policy]:
        """The neural policy with all of its options, and levels linear in features."""
        plain = cast(NeuralPlacement, self.run.policies["neural"])
        start = self.levels.start_cover
        neural = replace(plain, start_cover=start, cover_per_node=True, spread=True)
        return {"neural": neural, LEARNED: self.levels}

    @cached_property
    def suite(self) -> Mapping[str, Baseline]:
        """All baselines that are tuned, the imitated plans among them."""
        suite = baseline_suite(self.tree, period_days=self.run.world.period_days, programs=False)
        factors = {"buy_factor": (0.1, 5.0), "place_factor": (0.2, 30.0), "safety": (0.02, 30.0)}
        return {**suite, IMITATED: Baseline(self.imitated, factors)}

    @cached_property
    def imitated(self) -> Policy:
        """Plans for some products' training periods, imitated; made once."""
        path = self.run.out / "imitated.npz"
        if not path.exists():
            policy = self._imitate()
            path.parent.mkdir(parents=True, exist_ok=True)
            save_policy(path, policy, policy.init(jax.random.key(0)))
        return load_policy(path)[0]

    def _imitate(self) -> ImitatedBaseStock:
        run = self.run
        setting, fitted = run.setting, np.flatnonzero(run.trained_products)
        some = spread_out(fitted.size, self.sizes.plans)
        start = int(np.asarray(setting.train.start)[0])
        bare = replace(setting.train, market=replace(setting.train.market, exogenous=None))
        horizon = run.split - start
        scenario = window(bare, 0, horizon, jax.random.key(self.seed), jnp.asarray(some))
        ordered = run.panel["ordered_units"].to_numpy()
        active = jnp.asarray(np.asarray(run.world.network.active_from) <= start)
        share = np.asarray(catchment_share(self.tree, active, jnp.float32(NEAREST)))
        people = share * np.asarray(self.tree.population)[None, :]
        cost = (people * np.asarray(ship_cost_by_distance(self.tree))).sum(axis=1)
        return imitate_plans(
            self.levels,
            setting.params,
            scenario,
            ordered[fitted[some], start : start + horizon],
            cost / np.maximum(people.sum(axis=1), 1e-9),
        )

    def logged(self) -> tuple[Params, Dynamics, Scenario]:
        """Return costs, dynamics, and the log's training periods; the kernel plays no part."""
        run = self.run
        params = params_from_network(
            run.world.network, run.config.economics, None, period_days=run.world.period_days
        )
        known = run.drain_world.oracle
        return params, known.dynamics, known.scenario(1, run.split - 1, self.seed + 1)

    def contenders(self, stage: str) -> dict[str, tuple[Policy, Any]]:
        """Return the policies whose values are compared over seeds: tuned and trained ones."""
        fitted = {name: self.policy(name) for name in (*self.suite, *self.learners)}
        return {**fitted, "neural": self.policy("neural", stage)}

    def informed(self) -> FloatArray:
        """Return [K, R, P] values in the truth of policies that know the demand to come.

        They are ``Informed`` at a few settings, on the products that judge, and meet the customers,
        lead times and roundings that ``validate`` lets this seed's policies meet.
        """
        run, sizes = self.run, self.sizes
        truth = run.truth(sizes.replications)
        test = replace(run.setting.test, market=replace(run.setting.test.market, exogenous=None))
        values = []
        for extra in EXTRA_PERIODS:
            known = self._known(extra)
            for safety in SAFETIES:
                policy = Informed(tree=self.tree, safety=safety)
                own = []
                for r in range(sizes.replications):
                    key = jax.random.fold_in(jax.random.key(self.seed), r)
                    key_noise, key_policy = jax.random.split(key)
                    scenario = window(test, 0, run.test_horizon, key_noise)
                    told = replace(scenario.series, calendar=jnp.asarray(known))
                    moves = run_truth(
                        truth.systems,
                        truth.views[r],
                        run.setting.params,
                        policy,
                        policy.init(key_policy),
                        replace(scenario, series=told),
                        dynamics=run.setting.simulator.dynamics,
                        key=key_policy,
                        seed=self.seed + r,
                    ).trajectory.transitions
                    weight = float(run.setting.params.discount) ** np.arange(run.test_horizon)
                    reward = np.asarray(moves.reward, np.float64)[run.judges]
                    own.append((reward * weight).sum(axis=1))
                values.append(np.stack(own))
        return np.stack(values)

    def _known(self, extra: int) -> NDArray[np.float32]:
        """Return [P, T, N] units wanted until what a node orders now, or next, can be sold."""
        run, tree = self.run, self.tree
        periods = np.arange(run.split, run.world.num_periods)
        opens = np.asarray(run.world.network.active_from)
        distance = np.where(np.asarray(tree.serves)[:, None], np.asarray(tree.distance), np.inf)
        there = np.where(opens[:, None] <= run.split, distance, np.inf)
        nearest = there.argmin(axis=0)
        local = np.zeros((run.wanted.shape[0], run.world.num_periods, opens.size), np.float32)
        np.add.at(local.transpose(2, 0, 1), nearest, run.wanted.transpose(2, 0, 1))
        wanted = local @ np.asarray(tree.descends, np.float32).T
        so_far = np.pad(np.cumsum(wanted, axis=1), ((0, 0), (1, 0), (0, 0)))
        ahead = np.ceil(self.lead_time).astype(int) + 1 + extra
        for n in reversed(range(opens.size)):
            parent = int(tree.parent[n])
            if parent >= 0:
                own = int(np.ceil(self.lead_time[parent])) + 1 + extra
                ahead[parent] = max(ahead[parent], own + ahead[n])
        known = np.zeros((wanted.shape[0], periods.size, opens.size), np.float32)
        for n in range(opens.size):
            stop = np.minimum(periods + ahead[n], run.world.num_periods)
            known[:, :, n] = so_far[:, stop, n] - so_far[:, periods, n]
        return known


def _alike(kept: tuple[Any, ...], asked: tuple[Any, ...]) -> bool:
    """Return whether settings are of the same models, whether read from a file or just trained."""

    def same(a: Any, b: Any) -> bool:
        if isinstance(a, Checkpoint) and isinstance(b, Checkpoint):
            pairs = zip(*(jax.tree.leaves(x.weights) for x in (a, b)), strict=True)
            return a.config == b.config and all(np.array_equal(x, y) for x, y in pairs)
        return bool(a == b)

    return len(kept) == len(asked) and all(same(a, b) for a, b in zip(kept, asked, strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Informed:
    """Order up to the demand that is coming: an observation's calendar is [N] units, as told.

    What nobody can do: it says how much there is to gain by a better forecast.
    """

    tree: Tree
    safety: float = field(default=0.0)  # standard deviations of Poisson demand on top

    def init(self, key: Array) -> tuple[()]:
        """Return no parameters."""
        del key
        return ()

    def apply(self, params: tuple[()], observation: Observation, key: Array) -> Float[Array, " N"]:
        """Return the units each node requests from its parent."""
        del params, key
        target = with_safety(observation.calendar, jnp.float32(self.safety))
        return raise_to(self.tree, observation, target)


def sized(sizes: Sizes, updates: int) -> Sizes:
    """Return sizes in which a search has as many rollouts as training of so many updates."""
    searched, starts = sizes.searched, sizes.searched_starts
    if searched is None or starts is None:
        raise ValueError("sizes must say how many products and windows are searched")
    evaluations = 1 + -(-updates // max(updates // sizes.evaluations, 1))
    rollouts = updates * sizes.train.batch_products + evaluations * searched * starts
    return replace(sizes, updates=updates, rollouts=rollouts)

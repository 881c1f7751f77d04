"""Episodes of a run for its pages: what policies did with single products, in an oracle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from draingym.demo.run import Run, Setting
from draingym.oracle.replays.environment import OracleRun
from draingym.oracle.replays.environment import run as run_oracle
from draingym.policies.validation.validate import ReplayedWorld
from draingym.report.live import day_labels, episodes_of, map_place, moves_of, spread
from draingym.simulator import Policy, PyTree, Scenario, window


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Policies in the first replication of a validation's oracle or truth, all products together.

    Attributes:
        run: The run.
        setting: The window that was validated.
        horizon: Its periods.
        world: What the policies ran in.
        seed: Of the validation.
        policies: By name.
    """

    run: Run
    setting: Setting
    horizon: int
    world: ReplayedWorld
    seed: int
    policies: Mapping[str, tuple[Policy, PyTree]]

    @cached_property
    def _drawn(self) -> tuple[Scenario, jax.Array]:
        key = jax.random.fold_in(jax.random.key(self.seed), 0)
        key_noise, key_policy = jax.random.split(key)
        return window(self.setting.test, 0, self.horizon, key_noise), key_policy

    @cached_property
    def runs(self) -> Mapping[str, OracleRun]:
        """What each policy did."""
        scenario, key = self._drawn
        return {
            name: run_oracle(
                self.world.systems,
                self.world.views[0],
                self.setting.params,
                policy,
                params,
                scenario,
                dynamics=self.setting.simulator.dynamics,
                key=key,
                seed=self.seed,
                record=True,
            )
            for name, (policy, params) in self.policies.items()
        }

    def episodes(self, products: NDArray[np.int64], currency: str) -> dict[str, Any]:
        """Return episodes for a page: of some products, spread over their ranks of sales.

        Args:
            products: Indices to choose from.
            currency: Of rewards.
        """
        run, scenario = self.run, self._drawn[0]
        sold = run.drain_data.outbound.sum(axis=(1, 2))[products]
        chosen = products[spread(sold)]
        lanes = {name: found.lanes() for name, found in self.runs.items()}

        def moves(name: str, product: int) -> dict[str, list[Any]]:
            path = self.runs[name].trajectory
            return moves_of(
                jax.tree.map(lambda leaf: leaf[product], path.transitions),
                np.asarray(path.final.pipeline)[product].sum(axis=0),
                {key: slots[product] for key, slots in lanes[name].items()},
            )

        views = np.asarray(scenario.series.glance_views)
        start = int(self.setting.test.start[0])
        days = run.world.period_days
        return episodes_of(
            [{name: moves(name, int(p)) for name in self.runs} for p in chosen],
            [run.world.products.id[p] for p in chosen],
            map_place(run.world.network),
            labels=day_labels(np.asarray(run.panel["date"])[start : start + self.horizon]),
            period="day" if days == 1 else f"{days:g} days",
            currency=currency,
            views=[views[p] for p in chosen],
            of=len(products),
        )

"""How well a drain model predicts one period ahead on the states that a policy visits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from draingym.common.scores import crps
from draingym.drain_model import Checkpoint, DrainData, sample_panel
from draingym.drain_model.outside import Outside
from draingym.simulator import Transition


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OneStep:
    """Scores a drain model on the stock that a policy kept, against what the oracle then shipped.

    A model may be right on the log's states and wrong on others: the score on visited states over
    that on the log's, in the same periods, says how far a policy has left what the log shows.
    """

    checkpoints: Sequence[Checkpoint]  # one model, or the members of an ensemble, pooled
    log: DrainData  # the log's panel, from period 0 on
    start: int  # first period that is scored
    samples: int = 32  # of every member
    seed: int = 0

    def score(
        self, moves: Transition, products: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return [P] the CRPS summed over periods and nodes, and units shipped, of some products.

        Args:
            moves: What happened from ``start`` on, leaves [P, T, ...] of all products.
            products: Indices of those that are scored.
        """
        panel = visited(self.log, moves, self.start)
        return self._score(panel.products(products), panel.num_periods)

    def of_log(self, products: NDArray[np.int64], horizon: int | None = None) -> float:
        """Return the CRPS over the units shipped on the states of the log itself."""
        stop = self.log.num_periods if horizon is None else self.start + horizon
        score, units = self._score(replace(self.log, sales=None).products(products), stop)
        return float(score.sum() / max(units.sum(), 1.0))

    def outside(self, products: NDArray[np.int64]) -> tuple[Outside, ...]:
        """Return which of some products, nodes and regions are beyond what was trained on."""
        data = self.log.products(products)
        found = (x for checkpoint in self.checkpoints for x in checkpoint.outside(data))
        return tuple(dict.fromkeys(found))

    def _score(
        self, panel: DrainData, stop: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        key: Array = jax.random.key(self.seed)
        drawn = [
            sample_panel(checkpoint, panel, (self.start, stop), self.samples, key)[0]
            for checkpoint in self.checkpoints
        ]
        actual = panel.outbound[:, self.start : stop]
        score = crps(np.concatenate(drawn), actual)
        return score.sum(axis=(1, 2)), actual.sum(axis=(1, 2), dtype=np.float64)


def visited(
    log: DrainData,
    moves: Transition,
    start: int,
    lanes: Mapping[str, NDArray[np.int64]] | None = None,
) -> DrainData:
    """Return the log's panel with what happened under another policy from a period on.

    Args:
        log: From period 0 on; views, calendar and attributes stay.
        moves: Leaves [P, T, ...] of all products, from ``start`` on.
        start: First period of ``moves``.
        lanes: Units by lane, of the periods of ``moves``; see ``DrainData.under``.

    Returns:
        Periods up to the last of ``moves``.
    """
    outbound, cost = np.asarray(moves.outbound), np.asarray(moves.ship_cost)
    return log.under(outbound, cost, np.asarray(moves.available), lanes=lanes, start=start)

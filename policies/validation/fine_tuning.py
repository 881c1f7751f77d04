"""Fine-tuning rounds: the oracle labels the states that current policies visit, the model learns.

A drain model fitted to one policy's log is right where that policy went. A policy trained in it
goes elsewhere, and gains where the model errs. A round closes the gap: run current policies in the
oracle on the training periods, add what it shipped to the model's data, fit on, train policies
anew. The policies of the last round are never labelled: they judge.

Source: data aggregation, Ross et al. 2011 (DAgger); the oracle as labeller: Outbound, section 5.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import jax
import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import require_seed, require_whole
from draingym.common.config import require_fields
from draingym.drain_model import Checkpoint, DrainConfig, DrainData, train
from draingym.oracle.replays.environment import run as run_oracle
from draingym.policies.validation.one_step import visited
from draingym.policies.validation.validate import ReplayedWorld
from draingym.simulator import Dynamics, Params, Policy, PyTree, Scenario

Policies = Mapping[str, tuple[Policy, PyTree]]
MAX_ROUNDS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuneConfig:
    """How long fine-tuning is."""

    rounds: int = 2  # at most MAX_ROUNDS: each needs oracle runs, and the model forgets no log
    history_copies: int = 1  # of the log's panel beside the labels of all rounds so far
    drain: DrainConfig = field(default_factory=lambda: DrainConfig(epochs=6, learning_rate=1e-3))
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the bounds."""
        require_fields(self)
        require_whole("rounds", self.rounds, low=1, high=MAX_ROUNDS)
        require_whole("history_copies", self.history_copies, low=0, high=100)
        require_seed(self.seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """What one round did."""

    labelled: tuple[str, ...]  # policies whose states the oracle labelled
    panels: int  # labelled so far, all rounds
    loss: float  # on the last training periods, after the fit


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuned:
    """The last model, and the policies trained in it, whose states it was not fitted to."""

    checkpoint: Checkpoint
    policies: Policies
    rounds: tuple[Round, ...]


def label(
    policies: Policies,
    oracle: ReplayedWorld,
    params: Params,
    scenario: Scenario,
    history: DrainData,
    *,
    dynamics: Dynamics,
    products: NDArray[np.int64] | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> list[DrainData]:
    """Run policies in the oracle; return the log's panel with what happened under each.

    Args:
        policies: By name. The k-th one meets the customers of replication k, in turn: labels of
            one replication share what is drawn, so that more of them show more.
        oracle: Its systems and views.
        params: Costs and structure.
        scenario: Of all products, from a period from which on the policies act.
        history: The log's panel up to the scenario's last period: what happened before it starts
            stays, and so do views, calendar and attributes.
        dynamics: Of the simulator that the policies were trained in.
        products: Those that are kept; all when not given.
        seed: Of the policies' draws and the noise of costs.
        workers: Runs at a time, in threads; the number of cores when not given.

    Returns:
        A panel for each policy.

    Raises:
        ValueError: If a policy requests what cannot be ordered, or the periods do not match.
    """
    start = int(np.asarray(scenario.series.period)[0, 0])
    stop = start + int(scenario.series.period.shape[1])
    if history.num_periods != stop:
        raise ValueError(f"history has {history.num_periods} periods, must have {stop}")
    which = np.arange(history.num_products) if products is None else products

    def one(k: int, name: str) -> DrainData:
        policy, policy_params = policies[name]
        ran = run_oracle(
            oracle.systems,
            oracle.views[k % len(oracle.views)],
            params,
            policy,
            policy_params,
            scenario,
            dynamics=dynamics,
            key=jax.random.fold_in(jax.random.key(seed), k),
            seed=seed + k,
            record=history.lane is not None,
        )
        lanes = None if history.lane is None else ran.lanes()
        return visited(history, ran.trajectory.transitions, start, lanes).products(which)

    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        return list(pool.map(one, range(len(policies)), policies))


def fine_tune(
    checkpoint: Checkpoint,
    history: DrainData,
    policies: Policies,
    labelled: Callable[[Policies, int], Sequence[DrainData]],
    retrained: Callable[[Checkpoint, Policies, int], Policies],
    config: FineTuneConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    folder: Path | None = None,
) -> FineTuned:
    """Label, refit, retrain: up to four rounds.

    Round k: ``labelled(policies, k)`` runs the current policies in the oracle; the model goes on
    from where it is, on the log and the labels of all rounds so far; ``retrained(model, policies,
    k)`` trains policies in it, which are the next round's.

    Args:
        checkpoint: The model fitted to the log.
        history: The log's panel: training products and periods.
        policies: Trained in a simulator with that model.
        labelled: Returns panels as ``label`` makes them.
        retrained: Returns policies trained in a simulator with the new model.
        config: Rounds and fit.
        progress: Called with (rounds done, rounds).
        folder: Keeps the fit of every round: the same call goes on where it was interrupted, once
            labels, which follow from the policies, are made again.

    Returns:
        The model after the last round, and policies trained in it, whose states no round labelled.

    Raises:
        ValueError: If a policy of the last round is one that was labelled, unchanged: training that
            goes on from it found nothing better, and it cannot judge what it was fitted to.
    """
    config = FineTuneConfig() if config is None else config
    parts = [replace(history, sales=None)] * config.history_copies
    rounds: list[Round] = []
    labelled_params: list[PyTree] = []
    for k in range(config.rounds):
        labelled_params += [params for _, params in policies.values()]
        parts += labelled(policies, k)
        fitted = train(
            DrainData.stack(parts),
            config.drain,
            seed=config.seed + k,
            folder=None if folder is None else folder / f"round_{k + 1}",
            initial=checkpoint,
        )
        checkpoint = fitted.checkpoint
        rounds.append(
            Round(
                labelled=tuple(policies),
                panels=len(parts) - config.history_copies,
                loss=fitted.history[-1].best_loss,
            )
        )
        policies = retrained(checkpoint, policies, k)
        if progress is not None:
            progress(k + 1, config.rounds)
    for name, (_, params) in policies.items():
        if any(_same(params, other) for other in labelled_params):
            raise ValueError(
                f"policy {name!r} of the last round is one whose states were labelled, must be "
                "another: train it from a new start"
            )
    return FineTuned(checkpoint=checkpoint, policies=policies, rounds=tuple(rounds))


def _same(params: PyTree, other: PyTree) -> bool:
    left, right = (jax.tree_util.tree_leaves_with_path(tree) for tree in (params, other))
    if [path for path, _ in left] != [path for path, _ in right]:
        return False
    return all(np.array_equal(a, b) for (_, a), (_, b) in zip(left, right, strict=True))

"""How large the benchmark of placement is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from draingym.policies import TrainConfig


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
    # Products that searches and evaluations roll out, and that the oracle labels of each policy,
    # drawn from those that are trained on; None is all.
    searched: int | None = None
    searched_starts: int | None = None  # windows of them, spread over all that are trained in
    labelled: int | None = None
    plans: int = 100  # products whose plans in hindsight are imitated
    evaluations: int = 5  # of a policy that is trained
    one_step: int = 32  # joint samples that score the drain model on visited states; 0 for none
    train: TrainConfig = field(default_factory=TrainConfig)  # but for updates and seed
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

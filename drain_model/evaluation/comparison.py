"""How far a model is from the noise floor and from the closest node, on the same products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from draingym.common.bootstrap import Interval, bootstrap, plain
from draingym.drain_model.evaluation.evaluate import RATIO_SCORES, Evaluation


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One score of a model, relative to the noise floor and to the closest node, paired."""

    to_floor: Interval  # model / floor; 1 is the best there is
    to_closest: Interval  # model / closest node; below 1 is better
    gap_closed: Interval  # (closest - model) / (closest - floor)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Return plain numbers, ready for JSON."""
        names = ("to_floor", "to_closest", "gap_closed")
        return {name: plain(getattr(self, name)) for name in names}


def compare(model: Evaluation, closest: Evaluation, floor: Evaluation) -> dict[str, Comparison]:
    """Relate a model's scores to those of the closest node and of the noise floor.

    Ratios of sums with the same resampled products above and below.

    Args:
        model: Any.
        closest: The tuned closest node.
        floor: The noise floor.

    Returns:
        By score of ``RATIO_SCORES``.

    Raises:
        ValueError: If the evaluations are not of the same data, or of other resamples.
    """
    for other in (closest, floor):
        same = (other.resamples, other.seed) == (model.resamples, model.seed)
        if not same or not _same_entries(model, other):
            raise ValueError(
                f"{other.name} and {model.name} are of other data, groups, resamples or seeds: "
                "must be of the same"
            )
    found = {}
    for name in RATIO_SCORES:
        m, c, f = (x.by_product[name][0] for x in (model, closest, floor))
        settings = {"resamples": model.resamples, "seed": model.seed}
        found[name] = Comparison(
            to_floor=bootstrap(m, f, **settings),
            to_closest=bootstrap(m, c, **settings),
            gap_closed=bootstrap(c - m, c - f, **settings),
        )
    return found


def _same_entries(a: Evaluation, b: Evaluation) -> bool:
    return all(
        a.by_product[name][1].shape == b.by_product[name][1].shape
        and np.array_equal(a.by_product[name][1], b.by_product[name][1])
        for name in RATIO_SCORES
    )

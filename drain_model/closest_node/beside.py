"""Whether a trained model is worth having: its error beside that of the tuned closest node."""

from __future__ import annotations

from dataclasses import dataclass

import jax

from draingym.common.bootstrap import Interval, bootstrap
from draingym.drain_model.checkpoint import Checkpoint
from draingym.drain_model.closest_node.fit import fit_closest_node, sample_closest_node
from draingym.drain_model.data.dataset import DrainData
from draingym.drain_model.evaluation.evaluate import Evaluation, evaluate
from draingym.drain_model.evaluation.sampling import sample_panel

_LEVELS = {"total": "crps_total", "node": "crps_node"}


@dataclass(frozen=True, kw_only=True, slots=True)
class BesideClosest:
    """A model and the closest node on the same products and periods, and their ratios."""

    learned: Evaluation
    closest: Evaluation

    @property
    def ratios(self) -> dict[str, Interval]:
        """CRPS over the closest node's, of a network's total and of a node; below 1 is better."""
        return {
            name: bootstrap(self.learned.by_product[key][0], self.closest.by_product[key][0])
            for name, key in _LEVELS.items()
        }

    def share_won(self, key: str) -> float:
        """Return the share of the products on which the model has the lower sum of a score."""
        own, other = (e.by_product[key][0] for e in (self.learned, self.closest))
        return float((own < other).mean())

    @property
    def warnings(self) -> list[str]:
        """Sentences on what the model is worse at: where the whole interval is above 1."""
        return [
            f"The model predicts units by {name} worse than the closest node does: CRPS is "
            f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}] of its, should be below 1. "
            "Train on more products, for longer, or at a lower rate, before you rely on it."
            for name, ratio in self.ratios.items()
            if ratio.low > 1.0
        ]


def beside_closest(
    checkpoint: Checkpoint, data: DrainData, periods: tuple[int, int], samples: int, seed: int
) -> BesideClosest:
    """Score a checkpoint's one-step-ahead samples, and those of the tuned closest node.

    Args:
        checkpoint: A trained model.
        data: A panel from its first period on.
        periods: First period and the one after the last. The closest node is tuned on those before,
            or on all where there are none.
        samples: Joint samples of each model.
        seed: Of the samples.

    Raises:
        ValueError: If the data does not fit the checkpoint, or the periods are not in it.
    """
    key_learned, key_closest = jax.random.split(jax.random.key(seed))
    column = checkpoint.config.conversion_column
    learned = sample_panel(checkpoint, data, periods, samples, key_learned)
    known = data.periods(0, periods[0]) if periods[0] else data
    params = fit_closest_node(known, conversion_column=column, seed=seed)
    nearest = sample_closest_node(
        params, data, periods, samples, key_closest, conversion_column=column
    )
    part, atoms = data.periods(*periods), checkpoint.config.num_atoms
    return BesideClosest(
        learned=evaluate("learned", *learned, part, num_atoms=atoms),
        closest=evaluate("closest node", *nearest, part, num_atoms=atoms),
    )

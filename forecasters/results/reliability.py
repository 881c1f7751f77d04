"""Whether probabilities mean what they say: of the times that were 30% likely, did 30% come?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from draingym.common.arrays import FloatArray, require, require_shape, require_whole
from draingym.forecasters.plotting import COLOUR, INK, MUTED, OTHER, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reliability:
    """Probabilities in ``B`` bins of equal width, beside how often the event came.

    >>> from draingym.forecasters import reliability
    >>> found = reliability([0.1, 0.3, 0.8, 0.9], [0, 1, 1, 1], bins=2)
    >>> found.number.tolist(), round(found.gap, 3)
    ([2, 2], 0.225)
    """

    predicted: FloatArray  # [B] mean probability; NaN in an empty bin
    happened: FloatArray  # [B] share of times that the event came; NaN in an empty bin
    number: NDArray[np.int64]  # [B] of probabilities
    brier: float  # mean of (probability - event)**2
    base: float  # the same of the mean probability of all, which tells nothing apart

    @property
    def gap(self) -> float:
        """The mean distance of ``predicted`` and ``happened``, bins weighed by their number."""
        there = self.number > 0
        apart = np.abs(self.predicted[there] - self.happened[there])
        return float((apart * self.number[there]).sum() / self.number.sum())

    def table(self) -> dict[str, NDArray[Any]]:
        """Return columns ``low``, ``high``, ``number``, ``predicted`` and ``happened`` by bin."""
        edges = np.linspace(0.0, 1.0, len(self.number) + 1)
        return {
            "low": edges[:-1],
            "high": edges[1:],
            "number": self.number,
            "predicted": self.predicted,
            "happened": self.happened,
        }


def reliability(probability: ArrayLike, event: ArrayLike, bins: int = 10) -> Reliability:
    """Return how often events came, by how probable they were said to be.

    Args:
        probability: [...] in [0, 1].
        event: [...] whether it came; NaN where nobody knows, which is left out.
        bins: Of equal width; the last one has its upper end.

    Raises:
        ValueError: If shapes differ, a probability is outside [0, 1], or nothing is known.

    >>> found = reliability([0.1, 0.3, 0.8, 0.9], [0, 1, 1, 1], bins=2)
    >>> found.number.tolist(), found.predicted.round(2).tolist(), found.happened.tolist()
    ([2, 2], [0.2, 0.85], [0.5, 1.0])
    """
    require_whole("bins", bins, low=1, high=10_000)
    said = np.asarray(probability, np.float64)
    came = np.asarray(event, np.float64)
    require_shape("event", came, said.shape)
    require((said >= 0) & (said <= 1), "probability", said, "in [0, 1]")
    there = ~np.isnan(came)
    said, came = said[there], came[there]
    if said.size == 0:
        raise ValueError("event is missing everywhere, must be known at least once")
    place = np.minimum((said * bins).astype(np.int64), bins - 1)
    number = np.bincount(place, minlength=bins)
    count = np.where(number > 0, number, np.nan)
    return Reliability(
        predicted=np.bincount(place, said, bins) / count,
        happened=np.bincount(place, came, bins) / count,
        number=number.astype(np.int64),
        brier=float(((said - came) ** 2).mean()),
        base=float(came.mean() * (1.0 - came.mean())),
    )


def plot_reliability(found: Mapping[str, Reliability], what: str = "stock-out") -> Figure:
    """Draw how often an event came against how probable it was said to be; size is number.

    Args:
        found: By the name of who said it.
        what: The event.
    """
    figure = new_figure((4.6, 4.6))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 2)))
    for (name, one), colour in zip(found.items(), (COLOUR, OTHER, MUTED, INK), strict=False):
        there = one.number > 0
        size = 12 + 160 * one.number[there] / one.number.max()
        axes.plot(one.predicted[there], one.happened[there], color=colour, linewidth=1.4)
        axes.scatter(
            one.predicted[there],
            one.happened[there],
            s=size,
            color=colour,
            alpha=0.75,
            linewidth=0,
            label=f"{name} (Brier {one.brier:.3f})",
        )
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel=f"probability of a {what}",
        ylabel=f"share of times with a {what}",
    )
    axes.set_box_aspect(1)
    axes.legend(frameon=False, loc="upper left")
    plain(axes)
    return figure

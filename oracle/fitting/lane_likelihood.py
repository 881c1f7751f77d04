"""How likely bills and choices of nodes are under a rate card, lanes, scarcity and noise.

A box costs ``lane * rate`` times noise. A line is shipped by the node of the lowest score, that of
``draingym.oracle.rules.node_score`` plus what no number explains, a Gumbel number times a scale,
so that the choice is a multinomial logit. Lanes are in both: a dear lane shows in its bills where
it is used, and in not being chosen where it is not. Fitted to bills alone, the lanes that nobody
uses would look as cheap as the others, since a far node ships only over a lane that is cheap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from draingym.common.arrays import FloatArray
from draingym.oracle.fitting.box_bills import Bills
from draingym.oracle.fitting.choices import Choices

NUM_RATES = 4  # box, lb, zone, lb zone
NUM_SCALARS = 3  # opportunity cost, scarcity days, choice noise


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How far the parameters are expected to lie from what they lean on.

    A score is a unit's. What moves it for reasons that nobody knows is expected to be small beside
    a unit's share of a bill: a hundredth of the bill where boxes hold a hundred units.
    """

    cost_variance: float  # of a bill over what is expected of it
    unit_bill: float  # a unit's share of a bill, mean bills
    node: float = 0.3  # sd of a node's level, logarithm
    lane: float = 0.3  # sd of a lane's level about its node's, logarithm
    preference: float = 0.05  # sd of what bills do not explain, unit bills
    opportunity: tuple[float, float] = (0.2, 1.5)  # mean bills; sd of the logarithm
    scarcity: tuple[float, float] = (3.0, 1.0)  # days; sd of the logarithm
    noise: tuple[float, float] = (0.1, 2.0)  # unit bills; sd of the logarithm

    @property
    def preference_sd(self) -> float:
        """The sd of preferences, mean bills."""
        return self.preference * self.unit_bill

    @property
    def scalars(self) -> tuple[tuple[float, float], ...]:
        """Where each of the three scalars is expected: mean bills or days; sd of the logarithm."""
        noise, sd = self.noise
        return self.opportunity, self.scarcity, (noise * self.unit_bill, sd)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameters:
    """One vector taken apart. ``N`` nodes, ``Z`` regions; money in mean bills."""

    log_rates: FloatArray  # [4]
    log_scalars: FloatArray  # [3] opportunity cost, scarcity days, choice noise
    node: FloatArray  # [N]
    lane: FloatArray  # [N, Z]
    preference: FloatArray  # [N, Z]

    @property
    def level(self) -> FloatArray:
        """[N, Z] factor on a lane's rate."""
        return np.asarray(np.exp(self.node[:, None] + self.lane), np.float64)

    def vector(self) -> FloatArray:
        """Return [4 + 3 + N + 2 N Z] the numbers in one vector."""
        parts = (self.log_rates, self.log_scalars, self.node, self.lane, self.preference)
        return np.concatenate([part.ravel() for part in parts])

    @classmethod
    def of(cls, vector: FloatArray, nodes: int, regions: int) -> Parameters:
        """Take a vector apart."""
        sizes = np.cumsum([NUM_RATES, NUM_SCALARS, nodes, nodes * regions])
        rates, scalars, node, lane, preference = np.split(vector, sizes)
        return cls(
            log_rates=rates,
            log_scalars=scalars,
            node=node,
            lane=lane.reshape(nodes, regions),
            preference=preference.reshape(nodes, regions),
        )


class LaneLikelihood:
    """The negative logarithm of what a log's bills and choices are worth, with its derivative."""

    def __init__(
        self,
        bills: Bills,
        columns: FloatArray,
        choices: Choices,
        grows: FloatArray,
        daily_demand: FloatArray,
        num_regions: int,
    ) -> None:
        """Take the data.

        Args:
            bills: Their costs in mean bills.
            columns: [B, 4] what each rate is multiplied by.
            choices: Lines that several nodes could have shipped.
            grows: [M, N, 4] what each rate is multiplied by in the growth of a bill, per unit.
            daily_demand: [M, N] units a day near each node, of the line's product.
            num_regions: Regions, ``Z``.
        """
        self.nodes, self.regions = choices.could.shape[1], num_regions
        self.columns, self.cost = columns, bills.cost
        self.box_lane = bills.node * num_regions + bills.region
        self.could, self.grows = choices.could, grows
        self.chosen = np.zeros(choices.could.shape)
        self.chosen[np.arange(choices.num_choices), choices.node] = 1.0
        self.line_lane = np.arange(self.nodes) * num_regions + choices.region[:, None]
        self.cover = choices.stock / daily_demand  # [M, N] days

    def value(self, vector: FloatArray, spread: Spread) -> tuple[float, FloatArray]:
        """Return the negative log posterior and its derivative by the vector."""
        p = Parameters.of(vector, self.nodes, self.regions)
        rates, (_, days, noise) = np.exp(p.log_rates), np.exp(p.log_scalars)
        # Bills: a gamma quasi-likelihood, right for any noise whose sd goes with the mean.
        base = self.columns @ rates
        expected = p.level.ravel()[self.box_lane] * base
        ratio = self.cost / expected
        total = float((ratio + np.log(expected)).sum()) / spread.cost_variance
        slope = (1.0 - ratio) / spread.cost_variance
        billed = np.bincount(self.box_lane, slope, self.nodes * self.regions)
        by_rate = self.columns.T @ (slope / base)
        # Choices: a logit.
        score, bill, scarce = self._scores(p)
        probability, lost = self._choose(score, noise)
        total += lost
        off = (self.chosen - probability) / noise
        by_lane = billed + self.lane_sums(off * bill)
        by_rate = by_rate + np.einsum(
            "mn,mnk->k", off * p.level.ravel()[self.line_lane], self.grows
        )
        by_scalar = np.array(
            [
                (off * scarce).sum(),
                (off * scarce * self.cover).sum() / days,
                -(off * np.where(self.could, score, 0.0)).sum(),
            ]
        )
        by_node = by_lane.reshape(self.nodes, self.regions)
        slopes = Parameters(
            log_rates=by_rate * rates,
            log_scalars=by_scalar,
            node=by_node.sum(axis=1) + p.node / spread.node**2,
            lane=by_node + p.lane / spread.lane**2,
            preference=self.lane_sums(off).reshape(self.nodes, self.regions)
            + p.preference / spread.preference_sd**2,
        )
        total += 0.5 * float((p.node**2).sum()) / spread.node**2
        total += 0.5 * float((p.lane**2).sum()) / spread.lane**2
        total += 0.5 * float((p.preference**2).sum()) / spread.preference_sd**2
        for k, (middle, sd) in enumerate(spread.scalars):
            gap = (p.log_scalars[k] - np.log(middle)) / sd
            total += 0.5 * float(gap**2)
            slopes.log_scalars[k] += gap / sd
        return total, slopes.vector()

    def curvature(self, p: Parameters, spread: Spread) -> FloatArray:
        """Return the diagonal of the expected second derivative at a point, above 0.

        It is what makes the parameters alike for an optimiser: a lane of a thousand boxes bends
        the posterior much more than one of none.
        """
        (_, days, noise), rates = np.exp(p.log_scalars), np.exp(p.log_rates)
        score, bill, scarce = self._scores(p)
        likely, _ = self._choose(score, float(noise))
        weight = likely * (1.0 - likely) / noise**2
        share = self.columns * rates / (self.columns @ rates)[:, None]
        grows = self.grows * rates * p.level.ravel()[self.line_lane][..., None]
        middle = (likely * score).sum(axis=1, keepdims=True)
        boxes = np.bincount(self.box_lane, minlength=self.nodes * self.regions)
        lane = boxes / spread.cost_variance + self.lane_sums(weight * bill**2)
        by_lane = lane.reshape(self.nodes, self.regions)
        preference = self.lane_sums(weight).reshape(self.nodes, self.regions)
        return Parameters(
            log_rates=(share**2).sum(axis=0) / spread.cost_variance
            + np.einsum("mn,mnk->k", weight, grows**2)
            + 1e-6,
            log_scalars=np.array(
                [
                    (weight * scarce**2).sum() + spread.opportunity[1] ** -2,
                    (weight * (scarce * self.cover / days) ** 2).sum() + spread.scarcity[1] ** -2,
                    (likely * (score - middle) ** 2).sum() / noise**2 + spread.noise[1] ** -2,
                ]
            ),
            node=by_lane.sum(axis=1) + spread.node**-2,
            lane=by_lane + spread.lane**-2,
            preference=preference + spread.preference_sd**-2,
        ).vector()

    def expected_cost(self, p: Parameters) -> FloatArray:
        """Return [B] what each box is expected to cost, mean bills."""
        base = self.columns @ np.exp(p.log_rates)
        return np.asarray(p.level.ravel()[self.box_lane] * base, np.float64)

    def score(self, p: Parameters) -> FloatArray:
        """Return [M, N] the score of each node for each line, mean bills a unit."""
        return self._scores(p)[0]

    def probabilities(self, p: Parameters) -> FloatArray:
        """Return [M, N] how likely each node ships each line."""
        return self._choose(self._scores(p)[0], float(np.exp(p.log_scalars[2])))[0]

    def choice_loss(self, p: Parameters, *, scarcity: bool = True) -> float:
        """Return the negative log likelihood of the choices, with or without scarcity."""
        score, _, scarce = self._scores(p)
        score = score if scarcity else score - scarce
        return self._choose(score, float(np.exp(p.log_scalars[2])))[1]

    def explained(self, p: Parameters) -> float:
        """Return the share of the choices that are of the lowest score; 1 without choices."""
        if not len(self.chosen):
            return 1.0
        score = np.where(self.could, self._scores(p)[0], np.inf)
        best = score.argmin(axis=1)
        return float(self.chosen[np.arange(len(best)), best].mean())

    def _scores(self, p: Parameters) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return [M, N] scores, and of these the growth of the bill and the scarcity."""
        opportunity, days = np.exp(p.log_scalars[:2])
        bill = p.level.ravel()[self.line_lane] * (self.grows @ np.exp(p.log_rates))
        scarce = opportunity * np.exp(-self.cover / days)
        return bill + p.preference.ravel()[self.line_lane] + scarce, bill, scarce

    def _choose(self, score: FloatArray, noise: float) -> tuple[FloatArray, float]:
        """Return [M, N] probabilities and the negative log likelihood of what was chosen."""
        if not len(score):
            return score, 0.0
        better = np.where(self.could, -score / noise, -np.inf)
        better = better - better.max(axis=1, keepdims=True)
        weight = np.exp(better)
        total = weight.sum(axis=1, keepdims=True)
        lost = np.log(total[:, 0]) - np.where(self.chosen > 0, better, 0.0).sum(axis=1)
        return weight / total, float(lost.sum())

    def lane_sums(self, values: FloatArray) -> FloatArray:
        """Return [N Z] sums of [M, N] values."""
        return np.bincount(
            self.line_lane.ravel(), values.ravel(), self.nodes * self.regions
        ).astype(np.float64)

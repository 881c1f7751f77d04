"""Rate card, lanes, scarcity and preferences of a log, fitted together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from draingym.common.arrays import BoolArray, FloatArray
from draingym.oracle.config import OracleConfig
from draingym.oracle.fitting.basket_noise import split_noise
from draingym.oracle.fitting.box_bills import Bills, Form, choose_form, design, fit_rates, zones
from draingym.oracle.fitting.choices import Choices
from draingym.oracle.fitting.findings import Finding, finding
from draingym.oracle.fitting.lane_likelihood import LaneLikelihood, Parameters, Spread
from draingym.oracle.rules.ship_cost import rate_card
from draingym.world.weights import DEFAULT_UNIT, pounds_per

FEW = 10  # boxes, below which a lane leans on its node's others
TELLS = 3.0  # log likelihood that a number must be worth, to be told from nothing
ODD = 3.0  # squared errors of lanes' choices over their variances, beyond which bills do not do
LOOSE = 1.0  # sd of preferences where bills do not do, unit bills
# Least and most of the scalars: mean bills, days, unit bills.
LIMITS = ((1e-4, 20.0), (0.05, 60.0), (1e-3, 100.0))
ITERATIONS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneFit:
    """What ships, and what it costs. ``N`` nodes, ``Z`` regions."""

    form: Form
    rates: FloatArray  # [4] currency per box, lb, zone, lb zone
    lane_effect: FloatArray  # [N, Z] factor on a box's rate
    preference: FloatArray  # [N, Z] currency a unit: what bills do not explain
    opportunity_cost: float  # currency per unit where there is no cover
    scarcity_days: float
    choice_noise: float  # currency a unit: what is a line's own
    basket_noise: float  # currency a unit: what the lines of a basket have in common
    cost_noise_sd: float  # of the logarithm
    explained: float  # share of the lines with a choice that went where the scores say
    findings: tuple[Finding, ...]


def fit_lanes(
    bills: Bills,
    choices: Choices,
    weight_lb: FloatArray,
    daily_demand: FloatArray,
    num_regions: int,
    config: OracleConfig | None = None,
    *,
    most_boxes: int = 60_000,
    weight_unit: str = DEFAULT_UNIT,
    seed: int = 0,
) -> LaneFit:
    """Fit rate card, lanes, scarcity and preferences to bills and choices.

    Args:
        bills: Of a log's boxes.
        choices: Of its lines.
        weight_lb: [P] a unit.
        daily_demand: [P, N] units a day near each node.
        num_regions: Regions, ``Z``.
        config: Bands of the carrier, for the form ``bands``; its rate card where the log has no
            bills.
        most_boxes: Boxes that are looked at, drawn at random.
        weight_unit: That the finding of the rate card is told in; the rates are by the pound.
        seed: Of the draws.
    """
    config = OracleConfig() if config is None else config
    billed = bool((bills.cost > 0).any())
    form: Form = "bands"
    lost: dict[Form, float] = {}
    if billed:
        form, lost = choose_form(bills, config.zone_bands_miles, seed=seed)
    some = np.random.default_rng([seed, 17]).permutation(bills.num_boxes)[:most_boxes]
    some = some if billed else some[:0]
    unit = float(bills.cost[some].mean()) if billed else float(rate_card(config).sum())
    used = Bills(
        node=bills.node[some],
        region=bills.region[some],
        distance_km=bills.distance_km[some],
        weight_lb=bills.weight_lb[some],
        units=bills.units[some],
        cost=bills.cost[some] / unit,
    )
    columns = design(zones(form, used.distance_km, config.zone_bands_miles), used.weight_lb)
    per_unit = _growth(choices, weight_lb, form, config)
    both = np.concatenate([columns.reshape(-1, 4), per_unit.reshape(-1, 4), np.zeros((1, 4))])
    scale = np.where(both.max(axis=0) > 0, both.max(axis=0), 1.0)
    likelihood = LaneLikelihood(
        used,
        columns / scale,
        choices,
        per_unit / scale,
        daily_demand[choices.product],
        num_regions,
    )
    listed = rate_card(config) / unit * scale
    first = fit_rates(columns / scale, used.cost) if billed else listed
    share = 1.0 / float(bills.units.mean()) if bills.num_boxes else 1.0
    fit = _Fit(
        likelihood, used, choices, config, form, lost, unit, scale, billed, share, seed, weight_unit
    )
    return fit.run(first)


def _growth(
    choices: Choices, weight_lb: FloatArray, form: Form, config: OracleConfig
) -> FloatArray:
    """Return [M, N, 4] what each rate is multiplied by in the growth of a bill, per unit."""
    pounds = choices.units * weight_lb[choices.product][:, None]
    grows = design(zones(form, choices.distance_km, config.zone_bands_miles), pounds)
    new = np.where(choices.has_box, 0.0, 1.0)
    grows[..., 0] *= new
    grows[..., 2] *= new
    return np.asarray(grows / choices.units[..., None], np.float64)


class _Fit:
    """The posterior mode, its spreads estimated along the way, and the words about it."""

    def __init__(
        self,
        likelihood: LaneLikelihood,
        bills: Bills,
        choices: Choices,
        config: OracleConfig,
        form: Form,
        lost: dict[Form, float],
        unit: float,
        scale: FloatArray,
        billed: bool,
        unit_bill: float,
        seed: int,
        weight_unit: str,
    ) -> None:
        self.likelihood, self.bills, self.choices, self.config = likelihood, bills, choices, config
        self.form, self.lost, self.unit, self.scale, self.billed = form, lost, unit, scale, billed
        self.nodes, self.regions = likelihood.nodes, likelihood.regions
        lane = bills.node * self.regions + bills.region
        count = np.bincount(lane, minlength=self.nodes * self.regions)
        self.boxes = count.reshape(self.nodes, self.regions)
        self.unit_bill, self.seed, self.weight_unit = unit_bill, seed, weight_unit

    def run(self, first: FloatArray) -> LaneFit:
        """Return the fit, from rates [4] to begin with."""
        spread = Spread(cost_variance=1.0, unit_bill=self.unit_bill)
        p = Parameters(
            log_rates=np.log(np.maximum(first, 1e-3)),
            log_scalars=np.log([middle for middle, _ in spread.scalars]),
            node=np.zeros(self.nodes),
            lane=np.zeros((self.nodes, self.regions)),
            preference=np.zeros((self.nodes, self.regions)),
        )
        spread = replace(spread, cost_variance=self._variance(p))
        p = self._mode(p, spread)
        spread = replace(spread, cost_variance=self._variance(p), lane=self._lane_sd(p, spread))
        p = self._mode(p, spread)
        odd = self.oddness(p)
        if odd > ODD:
            spread = replace(spread, preference=LOOSE)
            p = self._mode(p, spread)
        return self._result(p, odd)

    def _mode(self, p: Parameters, spread: Spread) -> Parameters:
        low = np.full(p.vector().size, -np.inf)
        high = -low
        low[:4], high[:4] = np.log(1e-4), np.log(1e3)
        if not self.billed:  # the rate card that is assumed stays
            low[:4] = high[:4] = p.log_rates
        for k, (limits, scale) in enumerate(zip(LIMITS, (1.0, 1.0, spread.unit_bill), strict=True)):
            low[4 + k], high[4 + k] = np.log(np.multiply(limits, scale))
        start = np.clip(p.vector(), low, high)
        unit = self.likelihood.curvature(self._parameters(start), spread) ** -0.5

        def scaled(x: FloatArray) -> tuple[float, FloatArray]:
            value, slope = self.likelihood.value(unit * x, spread)
            return value, unit * slope

        found = minimize(
            scaled,
            start / unit,
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(low / unit, high / unit, strict=True)),
            options={"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "maxcor": 20, "ftol": 1e-8},
        )
        return self._parameters(unit * np.asarray(found.x, np.float64))

    def _parameters(self, vector: FloatArray) -> Parameters:
        return Parameters.of(vector, self.nodes, self.regions)

    def _variance(self, p: Parameters) -> float:
        """Return the variance of bills over what is expected of them."""
        if not self.billed:
            return 1.0
        ratio = self.bills.cost / self.likelihood.expected_cost(p)
        return float(np.clip(((ratio - 1.0) ** 2).mean(), 1e-4, 10.0))

    def _lane_sd(self, p: Parameters, spread: Spread) -> float:
        """Return the sd of lanes about their nodes, from those that have boxes."""
        seen = self.boxes >= FEW
        if seen.sum() < FEW:
            return spread.lane
        unsure = 1.0 / (1.0 / spread.lane**2 + self.boxes[seen] / spread.cost_variance)
        return float(np.clip(np.sqrt((p.lane[seen] ** 2 + unsure).mean()), 0.02, 1.0))

    def oddness(self, p: Parameters) -> float:
        """Return the mean squared error of lanes' choices over their variances."""
        if not self.choices.num_choices:
            return 0.0
        likely = self.likelihood.probabilities(p)
        gap = self.likelihood.lane_sums(self.likelihood.chosen - likely)
        variance = self.likelihood.lane_sums(likely * (1.0 - likely))
        seen = variance >= 5.0
        return float((gap[seen] ** 2 / variance[seen]).mean()) if seen.any() else 0.0

    def _result(self, p: Parameters, odd: float) -> LaneFit:
        level = 1.0
        if self.billed:  # the log's bills add up
            level = float(self.bills.cost.sum() / self.likelihood.expected_cost(p).sum())
        used = np.where(self._column_used(), self.scale, np.inf)
        rates = level * self.unit * np.exp(p.log_rates) / used
        opportunity, days, _ = np.exp(p.log_scalars)
        noise, common = self._noise(p)
        chose = self.choices.num_choices > 0
        worth = 0.0
        if chose:
            worth = self.likelihood.choice_loss(p, scarcity=False) - self.likelihood.choice_loss(p)
        return LaneFit(
            form=self.form,
            rates=rates,
            lane_effect=p.level,
            preference=self.unit * p.preference,
            opportunity_cost=float(self.unit * opportunity) if chose else 0.0,
            scarcity_days=float(days),
            choice_noise=self.unit * noise if chose else 0.0,
            basket_noise=self.unit * common if chose else 0.0,
            cost_noise_sd=float(np.sqrt(np.log1p(self._variance(p)))) if self.billed else 0.0,
            explained=self.likelihood.explained(p),
            findings=self._findings(p, odd, worth, rates, (noise, common)),
        )

    def _noise(self, p: Parameters) -> tuple[float, float]:
        """Return the scales of what chooses for unknown reasons, by line and by basket."""
        return split_noise(
            self.likelihood.score(p),
            self.choices.could,
            self.choices.node,
            self.choices.basket,
            float(np.exp(p.log_scalars[2])),
            least=LIMITS[2][0] * self.unit_bill,
            gain=TELLS,
            seed=self.seed,
        )

    def _column_used(self) -> BoolArray:
        """[4] whether a rate is multiplied by anything."""
        return np.array([True, True, self.form != "flat", self.form != "flat"])

    def _findings(
        self,
        p: Parameters,
        odd: float,
        worth: float,
        rates: FloatArray,
        noises: tuple[float, float],
    ) -> tuple[Finding, ...]:
        zone = {"flat": "", "distance": "km", "bands": "zone"}[self.form]
        pounds = pounds_per(self.weight_unit)
        card = f"{rates[0]:.3g} a box + {rates[1] * pounds:.3g} {self.weight_unit}"
        if zone:
            card += f" + {rates[2]:.3g} {zone}"
            card += f" + {rates[3] * pounds:.3g} {self.weight_unit} x {zone}"
        others = ", ".join(f"{form} {value:.4f}" for form, value in self.lost.items())
        lanes, seen = self.boxes.size, int((self.boxes >= FEW).sum())
        chose, lines = self.choices.num_choices > 0, self.choices.num_choices
        opportunity, days, _ = np.exp(p.log_scalars)
        by_line, by_basket = (self.unit * noise for noise in noises)
        none = "no line could have come from two nodes"
        return (
            Finding(
                part="ship cost",
                what="rate card",
                value=card,
                identified=self.billed,
                why=f"loss of boxes left out: {others}"
                if self.billed
                else "no box has a bill: a list price, in US dollars",
            ),
            finding(
                "ship cost",
                "lanes with bills enough of their own",
                f"{seen} of {lanes}",
                seen == lanes,
                "the others lean on their node, and on being avoided",
            ),
            finding(
                "ship cost",
                "scatter of a bill",
                f"{np.sqrt(self._variance(p)):.1%}" if self.billed else "none",
                self.billed,
                "no box has a bill",
            ),
            finding(
                "fulfilment",
                "lines that went where the scores say",
                f"{self.likelihood.explained(p):.1%} of {lines:,} with a choice",
                chose,
                none,
            ),
            finding(
                "fulfilment",
                "worth of a unit where none is left",
                f"{self.unit * opportunity:.3g}, 1/e of it with {days:.2g} days of cover"
                if chose
                else "0",
                chose and worth >= TELLS,
                "cannot be told from 0" if chose else none,
            ),
            Finding(
                part="fulfilment",
                what="preferences that bills do not explain",
                value=(
                    f"sd {self.unit * p.preference.std():.3g} a unit over lanes, "
                    f"{by_line:.3g} a line and {by_basket:.3g} a basket at random"
                    if chose
                    else "none"
                ),
                identified=chose,
                why=(f"choices of lanes are {odd:.1f} times as odd as chance" if odd > ODD else "")
                if chose
                else none,
            ),
        )

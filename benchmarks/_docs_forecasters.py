"""Tables of the page on forecasters, from the result of their benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks._docs_table import Result, claims, number, table

# A column of a row of scores, and its heading.
_MEASURES = {
    "wMAPE": "wMAPE",
    "mMAPE mean": "mMAPE, mean",
    "mMAPE median": "median",
    "demand error": "demand error",
    "bias": "bias",
    "seconds to fit": "seconds to fit",
}


def _rows(result: Result, name: str) -> list[Mapping[str, Any]]:
    return [row for row in result["rows"] if row["table"] == name]


def _wide(
    rows: Sequence[Mapping[str, Any]], value: Callable[[Mapping[str, Any]], Any], across: str
) -> str:
    """Return a table with a row for each model."""
    columns = list(dict.fromkeys(row[across] for row in rows))
    cells = {(row["model"], row[across]): value(row) for row in rows}
    models = dict.fromkeys(row["model"] for row in rows)
    body = [[model, *(cells.get((model, column)) for column in columns)] for model in models]
    return table(["model", *map(str, columns)], body)


def accuracy(result: Result) -> str:
    """Return CRPS per unit sold by model and data set."""
    return _wide(_rows(result, "accuracy"), lambda row: row["CRPS / units"], "data")


def measures(result: Result) -> str:
    """Return the papers' own measures by data set and model."""
    body = [
        [f"{row['data']}, {row['model']}", *(row[name] for name in _MEASURES)]
        for row in _rows(result, "accuracy")
    ]
    return table(["data, model", *_MEASURES.values()], body)


def ranking(result: Result) -> str:
    """Return what each paper printed beside the same methods here, by data set."""
    found = _rows(result, "ranking")
    body = []
    for paper, model in dict.fromkeys((row["paper"], row["model"]) for row in found):
        mine = [row for row in found if (row["paper"], row["model"]) == (paper, model)]
        ours = [f"{number(row['ours'])} ({row['our rank']})" for row in mine]
        printed = f"{number(mine[0]['printed'])} ({mine[0]['printed rank']})"
        body.append([f"{paper}: {model}", printed, *ours])
    data = dict.fromkeys(row["data"] for row in found)
    return table(["paper: model", "printed (rank)", *data], body)


def papers_claims(result: Result) -> str:
    """Return what the papers claim of parts of their models, and what came out."""
    body = [
        [
            f"{row['model']}: {row['claim']}",
            row["data"],
            row["metric"],
            f"{number(row['value'])} [{number(row['low'])}, {number(row['high'])}]",
            row["holds"],
        ]
        for row in _rows(result, "claim")
    ]
    return table(["claim", "data", "measure", "ratio", "holds"], body)


def prices(result: Result) -> str:
    """Return errors in the truth whose response is known, over LightGBM's."""

    def cell(row: Mapping[str, Any]) -> str:
        ratio = row.get("to_trees")
        ends = "" if ratio is None else f" [{number(row['low'])}, {number(row['high'])}]"
        return f"{number(row['value'])}; {number(ratio)}{ends}" if ends else number(row["value"])

    return _wide(_rows(result, "counterfactual"), cell, "error")


def elasticity(result: Result) -> str:
    """Return elasticities with their intervals."""
    body = [
        [row["model"], f"{number(row['value'])} [{number(row['low'])}, {number(row['high'])}]"]
        for row in _rows(result, "elasticity")
    ]
    return table(["estimate", "elasticity"], body)


def scaling(result: Result) -> str:
    """Return demand error by model and number of series."""
    return _wide(_rows(result, "scaling"), lambda row: row["demand error"], "series")


def worth(result: Result) -> str:
    """Return what policies gain by each forecast over the moving average, and how it errs."""
    body = []
    errors = {row["forecast"]: row for row in _rows(result, "forecasts")}
    for row in _rows(result, "worth"):
        gain = row["against the moving average"]
        apart = f"{number(gain['mean'])} [{number(gain['low'])}, {number(gain['high'])}]"
        said = errors.get(row["forecast"].removeprefix("generated, "), {})
        off = [number(said[key]) if said else "" for key in ("wMAPE, held out", "bias, held out")]
        body.append([f"{row['policy']}, {row['forecast']}", row["USD per product"], apart, *off])
    head = ["policy, forecast", "USD per product", "over the moving average"]
    return table([*head, "wMAPE of views", "bias"], body)


def stockouts(result: Result) -> str:
    """Return how well stock-outs are foreseen: Brier scores, and gaps to the diagonal."""
    prefix = "stock-outs: "
    told = [c for c in result["claims"] if c["what"].startswith(prefix)]
    return table(
        ["stock-outs", "value"],
        [[c["what"].removeprefix(prefix), number(c["value"])] for c in told],
    )


def needed(result: Result) -> str:
    """Return the claims that need something."""
    return claims({"claims": [c for c in result["claims"] if c["passes"] is not None]})


KINDS: dict[str, Callable[[Result], str]] = {
    "forecasters-accuracy": accuracy,
    "forecasters-measures": measures,
    "forecasters-ranking": ranking,
    "forecasters-claims": papers_claims,
    "forecasters-prices": prices,
    "forecasters-elasticity": elasticity,
    "forecasters-scaling": scaling,
    "forecasters-worth": worth,
    "forecasters-stockouts": stockouts,
    "forecasters-needed": needed,
}

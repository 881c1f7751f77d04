"""Tables of the page on differentiability, from the results of the benchmark of derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks._docs_table import Result, number, table


def _rows(result: Result, name: str) -> list[Mapping[str, Any]]:
    return [row for row in result["rows"] if row["table"] == name]


def derivatives_mechanisms(result: Result) -> str:
    """Return the largest relative error of a path's derivative, by mechanism."""
    return table(
        ["mechanism", "largest error of any path, relative"],
        ([row["mechanism"], row["largest error"]] for row in _rows(result, "mechanism")),
    )


def derivatives_means(result: Result) -> str:
    """Return autodiff of the mean beside differences, where a path jumps."""
    return table(
        ["mechanism", "autodiff of the mean", "difference of the mean"],
        (
            [row["mechanism"], row["autodiff"], row["difference"]]
            for row in _rows(result, "mean of jumps")
        ),
    )


def derivatives_whole_units(result: Result) -> str:
    """Return bias and noise of the mean's derivative with whole units."""
    body = []
    for row in _rows(result, "whole units"):
        moved = "" if row["parameters"] == "all" else f", {row['parameters']}"
        body.append(
            [
                row["problem"] + moved,
                row["derivative"],
                f"{row['bias, %']:+.1f} ± {row['+-']:.1f}",
                f"{row['noise of a path']:.2g}",
            ]
        )
    return table(["problem", "derivative", "bias, %", "noise of a path"], body)


def derivatives_decisions(result: Result) -> str:
    """Return derivatives of decisions beside the truth, with standard errors."""

    def with_error(value: float, error: float) -> str:
        return f"{number(value)} ± {error:.2g}" if error else number(value)

    return table(
        ["policy: parameter", "truth", "path alone", "`decision_returns`", "trajectories"],
        (
            [
                f"{row['problem']}: {row['parameter']}",
                with_error(row["truth"], row["truth s.e."]),
                row["path alone"],
                with_error(row["decision_returns"], row["s.e."]),
                row["trajectories"],
            ]
            for row in _rows(result, "decision")
        ),
    )


KINDS: dict[str, Callable[[Result], str]] = {
    "derivatives-mechanisms": derivatives_mechanisms,
    "derivatives-means": derivatives_means,
    "derivatives-whole-units": derivatives_whole_units,
    "derivatives-decisions": derivatives_decisions,
}

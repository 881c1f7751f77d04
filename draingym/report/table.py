"""The report's tables: for the page as plain cells, for the terminal with rich."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from draingym.report.check import BASELINE, MODELS, check
from draingym.report.style import MODEL_COLOUR, policy_colour
from draingym.report.words import interval, mean, name_of, percent, tick, verdict, widest

_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A number, what stands under it, and whether it is the best of its kind."""

    main: str
    under: str = ""
    mark: str = ""  # best, above, below, open


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A row of a table; a row without cells is a heading."""

    label: str
    cells: tuple[Cell, ...] = ()
    colour: str = ""  # name in the palette


def accuracy_rows(results: Mapping[str, Any]) -> list[Row]:
    """Return the accuracy table: one row a measure, one column each of ``MODELS``."""
    models = results["accuracy"]["models"]

    def score(label: str, *keys: str) -> Row:
        found = []
        for name in MODELS:
            value = models[name]
            for key in keys:
                value = value[key]
            found.append(value)
        # The floor is no competitor: the best of the others is marked.
        best = min(found[i]["mean"] for i, name in enumerate(MODELS) if name != "noise floor")
        size = widest(*found)
        cells = (
            Cell(
                main=mean(e, like=size),
                under=interval(e, like=size),
                mark="best" if name != "noise floor" and e["mean"] == best else "",
            )
            for name, e in zip(MODELS, found, strict=True)
        )
        return Row(label=label, cells=tuple(cells))

    def slopes(level: str) -> list[Row]:
        labels = {"p10": "p10", "p50": "p50", "p90": "p90", "ols": "least squares"}
        return [
            Row(
                label=label,
                cells=tuple(Cell(main=f"{models[m][level][key]:.2f}") for m in MODELS),
            )
            for key, label in labels.items()
        ]

    return [
        Row(label="CRPS, less is better"),
        score("Per node, units", "crps_node"),
        score("Network total, units", "crps_total"),
        score("Ship cost per node, USD", "cost_crps_node"),
        Row(label="Quantile loss per node, per unit shipped"),
        *(score(f"p{p}", "quantile_loss", f"p{p}") for p in (10, 50, 90)),
        Row(label="Calibration slope per node, 1 is right"),
        *slopes("slopes_node"),
        Row(label="Calibration slope of the network total"),
        *slopes("slopes_total"),
    ]


def validation_rows(results: Mapping[str, Any]) -> list[Row]:
    """Return the three-column table: values, paired differences, the simulator's error."""
    validation = results["validation"]
    names, columns = validation["policies"], validation["columns"]
    rows = [Row(label="Value, USD per product")]
    for name in names:
        values = {c: validation["value"][name][c] for c in columns}
        best = {c: max(validation["value"][p][c]["mean"] for p in names) for c in columns}
        cells = (
            Cell(main=mean(e), under=interval(e), mark="best" if e["mean"] == best[c] else "")
            for c, e in values.items()
        )
        rows.append(Row(label=name_of(name), cells=tuple(cells), colour=policy_colour(name)))
    rows.append(Row(label=f"Paired difference against {name_of(BASELINE)}, USD"))
    for name in names:
        if name != BASELINE:
            differences = [validation["difference"][name][c] for c in columns]
            rows.append(
                Row(
                    label=name_of(name),
                    cells=tuple(
                        Cell(main=mean(e, sign=True), under=interval(e), mark=verdict(e))
                        for e in differences
                    ),
                    colour=policy_colour(name),
                )
            )
    return rows


def summary_table(results: Mapping[str, Any]) -> Table:
    """Return what the demo prints last: the three-column validation, and the CRPS rows.

    Args:
        results: What ``results.json`` of a run holds.

    Returns:
        A table of four columns.

    Raises:
        ValueError: If a key is missing, naming its path.
    """
    check(results)
    validation, models = results["validation"], results["accuracy"]["models"]
    columns = validation["columns"]
    table = Table(
        box=box.SIMPLE_HEAD,
        title="Value of each policy, USD per product",
        caption=Text(
            f"{validation['horizon']} held-out periods, {validation['products']} products, "
            f"{validation['replications']} replications. [95% intervals over products]; "
            "* the interval of the difference excludes zero."
        ),
        caption_justify="left",
    )
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for name in validation["policies"]:
        table.add_row(name_of(name), *(_plain(validation["value"][name][c]) for c in columns))
    table.add_section()
    for name in validation["policies"]:
        if name != BASELINE:
            differences = [validation["difference"][name][c] for c in columns]
            table.add_row(
                f"{name_of(name)} - {name_of(BASELINE)}",
                *(_plain(e, sign=True, star=verdict(e) != "open") for e in differences),
            )
    table.add_section()
    # The models take the place of the worlds: both are three.
    table.add_row("[bold]CRPS, less is better[/bold]", *(f"[bold]{m}[/bold]" for m in MODELS))
    for key, label in (("crps_node", "units per node"), ("crps_total", "units of the network")):
        table.add_row(label, *(_plain(models[m][key]) for m in MODELS))
    gap = results["accuracy"]["gap_closed"]
    table.add_row("gap to the floor closed", "", percent(gap["mean"]).replace(_MINUS, "-"), "")
    return table


def _plain(estimate: Mapping[str, float], sign: bool = False, star: bool = False) -> Text:
    """Format for a terminal that may not have a minus sign: the interval under the mean."""
    text = Text(mean(estimate, sign).replace(_MINUS, "-") + ("*" if star else ""))
    return text.append("\n" + interval(estimate).replace(_MINUS, "-"), style="dim")


def world_rows(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the facts of the world and its history: (what, how much)."""
    data, history = results["data"], results["history"]
    upstream = sum(node["upstream"] for node in data["nodes"])
    period = "1 day" if data["period_days"] == 1 else f"{data['period_days']} days"
    quantiles = history["outbound_quantiles"]
    return [
        ("Orders", data["source"]),
        ("Covered", f"{data['days']} days from {data['first_date']}"),
        ("Periods", f"{data['periods']} of {period}"),
        ("Products", f"{data['products']:,} best sellers"),
        ("Order lines", f"{data['order_lines']:,}"),
        ("Customers", f"{data['customers']:,}"),
        ("Glance views", f"{data['views']:,}"),
        ("of them could buy", f"{data['candidates']:,}"),
        ("Nodes", f"{len(data['nodes']) - upstream} and {upstream} upstream"),
        ("Regions", f"{len(data['regions'])}"),
        ("Orders in the log", f"{history['orders']:,}"),
        ("Units shipped", f"{history['units']:,}"),
        ("Units lost", percent(history["lost_share"])),
        (
            "Units per node, product, period",
            ", ".join(f"{tick(v)} ({k})" for k, v in quantiles.items()),
        ),
    ]


def model_columns() -> list[tuple[str, str]]:
    """Return the accuracy table's columns: (name, colour)."""
    return [(name, MODEL_COLOUR[name]) for name in MODELS]

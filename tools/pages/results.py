"""The page of results: every claim of every benchmark, those that fail first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks._docs_table import number, table
from tools.pages.links import ROOT

RESULTS = ROOT / "benchmarks" / "results"
_VERDICT = {True: "yes", False: "**no**", None: ""}


def pages(folder: Path = RESULTS) -> dict[str, str]:
    """Return the page of results.

    Args:
        folder: Holds ``NAME.json``, and pictures that begin with its name.
    """
    results = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))
    ]
    held = [
        claim for result in results for claim in result["claims"] if claim["passes"] is not None
    ]
    passed = sum(claim["passes"] for claim in held)
    parts = [
        "# Results",
        f"{len(results)} benchmarks hold {len(held)} claims to a bound; {passed} pass and "
        f"{len(held) - passed} do not. A claim that does not pass stays here until it does. Each "
        "benchmark is one command, `make bench-NAME`, and writes `benchmarks/results/NAME.json`.",
        "## All benchmarks",
        table(["benchmark", "pass", "fail", "without a bound", "seconds"], map(_counted, results)),
        *(_section(result, folder) for result in results),
    ]
    return {"results.md": "\n\n".join(parts) + "\n"}


def _counted(result: Mapping[str, Any]) -> list[Any]:
    verdicts = [claim["passes"] for claim in result["claims"]]
    name = result["name"]
    counts = [verdicts.count(True), verdicts.count(False), verdicts.count(None)]
    return [f"[{name}](#{name})", *counts, number(result["seconds"])]


def _section(result: Mapping[str, Any], folder: Path) -> str:
    name, machine = result["name"], result["machine"]
    bounded = sorted(
        (c for c in result["claims"] if c["passes"] is not None), key=lambda claim: claim["passes"]
    )
    rest = [claim for claim in result["claims"] if claim["passes"] is None]
    on = f"{machine['cpu']}, {machine['cores']} cores"
    if machine.get("gpu"):
        on = f"{machine['gpu']}, {on}"
    versions = ", ".join(f"{name} {value}" for name, value in result["versions"].items() if value)
    parts = [f"## {name}", f"`make bench-{name}`. {on}. Setting: {result['preset']}."]
    if bounded:
        parts.append(_claims(bounded))
    if rest:
        parts.append(_folded(f"{len(rest)} figures without a bound", _claims(rest)))
    parts.append(_folded("Versions", versions))
    for picture in sorted(folder.glob("*.png")):
        if picture.stem == name:
            parts.append(f"![{name}, drawn](../benchmarks/results/{picture.name})")
    return "\n\n".join(parts)


def _claims(claims: list[Mapping[str, Any]]) -> str:
    rows = (
        (c["what"], f"{number(c['value'])} {c['unit']}".strip(), c["needs"], _VERDICT[c["passes"]])
        for c in claims
    )
    return table(["figure", "value", "needs", "passes"], rows)


def _folded(title: str, text: str) -> str:
    inner = text.replace("\n", "\n    ")
    return f'??? note "{title}"\n\n    {inner}'

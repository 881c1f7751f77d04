"""What was estimated from a log, what the log cannot tell, and how a page says it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Part = Literal["promise", "fulfilment", "ship cost", "boxes"]
PARTS: tuple[Part, ...] = ("promise", "fulfilment", "ship cost", "boxes")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One number, or table, of a fitted oracle, and whether the log tells it.

    >>> Finding(part="promise", what="cut-off hour", value="16", identified=True).identified
    True
    """

    part: Part
    what: str  # "cut-off hour"
    value: str  # in words, with its unit
    identified: bool  # False where it is assumed, or told for a part of the log alone
    why: str = ""  # what was looked at; what the log lacks where it is not identified

    def __post_init__(self) -> None:
        """Check that what is assumed says why."""
        if self.part not in PARTS:
            raise ValueError(f"finding.part is {self.part!r}, must be one of {', '.join(PARTS)}")
        if not self.identified and not self.why:
            raise ValueError(f"finding {self.what!r} is not identified, must say why")


def finding(part: Part, what: str, value: str, known: bool, otherwise: str) -> Finding:
    """Return what was found; ``otherwise`` says what the log lacks, unless it is ``known``.

    >>> finding("promise", "cut-off hour", "16.00", True, "no hour tells").why
    ''
    """
    why = "" if known else otherwise
    return Finding(part=part, what=what, value=value, identified=known, why=why)


@dataclass(frozen=True, kw_only=True, slots=True)
class FitReport:
    """Everything that was estimated for an oracle, and what could not be.

    >>> known = Finding(part="promise", what="cut-off hour", value="16", identified=True)
    >>> noise = {"part": "ship cost", "what": "noise", "value": "0.2"}
    >>> guess = Finding(**noise, identified=False, why="the log has no bills")
    >>> report = FitReport(findings=(known, guess))
    >>> [finding.what for finding in report.unidentified]
    ['noise']
    """

    findings: tuple[Finding, ...]

    @property
    def unidentified(self) -> tuple[Finding, ...]:
        """What the log does not tell."""
        return tuple(finding for finding in self.findings if not finding.identified)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: ``findings``, a list of mappings."""
        return {"findings": [asdict(finding) for finding in self.findings]}

    def text(self) -> str:
        """Return the findings as lines, one part after the other; "?" marks what is assumed."""
        lines = []
        for part in PARTS:
            found = [finding for finding in self.findings if finding.part == part]
            if found:
                lines.append(f"{part}:")
            for finding in found:
                mark = " " if finding.identified else "?"
                why = f" ({finding.why})" if finding.why else ""
                lines.append(f" {mark} {finding.what}: {finding.value}{why}")
        return "\n".join(lines)

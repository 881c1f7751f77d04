"""What was left out, mended and assumed on the way from tables to a log: counts, for the page."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Notes:
    """Counts by what they count; filled while tables become a log."""

    dropped: dict[str, dict[str, int]] = field(default_factory=dict)  # table -> why -> rows
    mended: dict[str, int] = field(default_factory=dict)  # what was put right -> how often
    assumed: list[str] = field(default_factory=list)  # sentences

    def drop(self, table: str, why: str, rows: int) -> None:
        """Count rows of a table that are left out."""
        if rows:
            reasons = self.dropped.setdefault(table, {})
            reasons[why] = reasons.get(why, 0) + int(rows)

    def mend(self, what: str, times: int) -> None:
        """Count what was put right."""
        if times:
            self.mended[what] = self.mended.get(what, 0) + int(times)

    def assume(self, sentence: str) -> None:
        """Say what was not in the tables, and what stands in for it."""
        if sentence not in self.assumed:
            self.assumed.append(sentence)

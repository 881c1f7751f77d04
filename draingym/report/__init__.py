"""The report of a run: one page without a network, its figures, and the last table printed."""

from draingym.report.page import write_report
from draingym.report.table import summary_table

__all__ = ["summary_table", "write_report"]

"""Reports of runs and validations: pages without a network, figures, and what is printed last."""

from draingym.report.check import check_stage
from draingym.report.page import write_report
from draingym.report.table import summary_table
from draingym.report.verdict_page import (
    final_verdict,
    verdict_table,
    verdict_text,
    verdicts_text,
    write_validation,
)

__all__ = [
    "check_stage",
    "final_verdict",
    "summary_table",
    "verdict_table",
    "verdict_text",
    "verdicts_text",
    "write_report",
    "write_validation",
]

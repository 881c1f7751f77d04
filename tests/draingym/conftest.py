"""What several files of tests share."""

import pytest

from tests.draingym.report_results import Results, fake_results


@pytest.fixture
def results() -> Results:
    """Results of a run that a test may break."""
    return fake_results()

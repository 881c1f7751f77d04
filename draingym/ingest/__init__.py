"""``draingym ingest``: a company's own tables become an event log, with a page on their quality.

``docs/own_data.md`` says what the tables are.
"""

from draingym.ingest.given.mapping import Mapping, read_mapping
from draingym.ingest.run import ingest

__all__ = ["Mapping", "ingest", "read_mapping"]

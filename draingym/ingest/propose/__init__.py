"""``draingym ingest --init``: a mapping with comments, proposed from the columns of files."""

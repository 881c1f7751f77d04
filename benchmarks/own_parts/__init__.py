"""Parts of the benchmark of a user's own data, one for each claim."""

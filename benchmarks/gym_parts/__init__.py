"""Parts of the benchmark of how fast the environments are: rates, the edge, and learning."""

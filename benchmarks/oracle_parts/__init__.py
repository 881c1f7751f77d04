"""Parts of the oracle's benchmarks: policies far from history, and measures of an estimate."""

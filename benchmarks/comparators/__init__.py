"""Models and gradient estimators that only benchmarks and tests compare with."""

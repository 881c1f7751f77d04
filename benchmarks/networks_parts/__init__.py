"""What ``benchmarks.networks`` measures, a part a file."""

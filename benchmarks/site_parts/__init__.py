"""The parts of ``benchmarks.site``."""

"""What ``benchmarks.scale`` is made of: its worlds' cells, models, and claims."""

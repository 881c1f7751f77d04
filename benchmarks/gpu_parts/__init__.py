"""What ``benchmarks.gpu`` is made of: cards and their limits, what programs cost, and its cases."""

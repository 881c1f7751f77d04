"""Off-policy validation: what policies are worth in the simulator, the oracle and the truth.

`validate` makes the table, `judge` the verdict, and `fine_tune` learns from the oracle's labels.
"""

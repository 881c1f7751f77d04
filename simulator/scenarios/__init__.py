"""What is exogenous: demand, lead times and every random draw, all made before a rollout.

A scenario comes from parametric demand, from a panel, or from a process fitted to one. Stands on
the simulator's types alone.
"""

"""Training of the drain model: losses, compiled updates, and a run that goes on after a stop.

`train` in `run.py` is the one way in.
"""

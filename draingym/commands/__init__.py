"""The commands beside the demo: replay, train-drain, evaluate-drain, validate and forecast.

`draingym/cli.py` reads their arguments.
"""

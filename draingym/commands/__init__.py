"""The commands beside the demo: replay, validate, forecast, and those that train or evaluate.

`draingym/cli.py` reads their arguments.
"""

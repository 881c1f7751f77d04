"""The commands beside the demo: replay, validate, forecast, and those that train or evaluate.

`draingym/cli` reads their arguments.
"""

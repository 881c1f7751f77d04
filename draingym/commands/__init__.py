"""The commands beside the demo: replay, train-drain, evaluate-drain and validate.

`draingym/cli.py` reads their arguments.
"""

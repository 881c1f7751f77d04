"""The demo: the whole loop, from order lines to a verdict, in stages that finish or leave nothing.

`loop.py` lists the stages, `config.py` their settings.
"""

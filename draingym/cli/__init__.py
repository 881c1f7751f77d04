"""The command line: ``draingym --help`` lists its verbs; one file a group, one function a verb.

A verb reads its options, and loads what does the work, which imports JAX, only when it is called.
"""

from draingym.cli.entry import main

__all__ = ["main"]

"""``python -m draingym.cli``: the command line where its script is not on the path."""

from draingym.cli import main

main()

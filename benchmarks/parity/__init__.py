"""Our dynamics against trajectories that other simulators produced.

``python -m benchmarks.parity FOLDER`` reads the files of a folder, plays their actions on a
``draingym.Network`` and compares every number. What a peer does at another time, or charges
elsewhere, is mapped here, a file a peer; the core has no switch for it.
"""

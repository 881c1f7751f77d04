"""What every package uses: arrays and their checks, whole files, bootstrap, devices, logs.

It knows nothing of inventory, and imports nothing of the other packages.
"""

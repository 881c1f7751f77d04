"""The simulator behind other interfaces: Gymnasium, its vectors, gymnax, and pictures of a period.

Auto-reset, spaces and NumPy arrays belong here; the dynamics never see them.
"""

"""The closest node: the baseline that ships every unit from a near node with stock.

A kernel of the simulator, a fit to training periods, and a compiled sampler for many periods at
once.
"""

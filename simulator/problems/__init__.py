"""Ready-made problems: the classic ones with known optima, and demand that answers to a price.

Each is parameters, a kernel and a sampler of scenarios for the one simulator.
"""

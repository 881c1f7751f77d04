"""The mechanisms of a network of arcs: what is requested, rationed, received, aged and charged.

Each is a few pure functions that ``draingym.simulator.dynamics`` calls in the order of events, and
is left out of the compiled program where its field is None.
"""

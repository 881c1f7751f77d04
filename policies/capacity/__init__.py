"""Storage that products share: prices of a node's space, and policies that answer to them.

Prices come from dual ascent, or from a forecast of it.
"""

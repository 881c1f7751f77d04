"""Policies that are rules of a few numbers: base stock, echelons, placement, linear programs.

`suite.py` lists them with the boxes that they are tuned in.
"""

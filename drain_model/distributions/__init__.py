"""Distributions of counts and costs, and how the counts of all nodes are drawn together.

Pure functions of the heads' outputs, with the derivative of every draw; no network is known here.
"""

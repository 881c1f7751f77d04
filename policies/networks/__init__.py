"""Policies that are networks, and the noise that makes a policy stochastic.

Each maps an observation to requests, as the rules do.
"""

"""What the drain model learns from: a panel as arrays, their statistics, in memory or streamed.

Knows the world's panel, and nothing of networks.
"""

"""The rules of the production systems: promise, conversion, and what a box costs.

Each stands in one file, is written once, and is called by replays, noise floors and the truth
alike.
"""

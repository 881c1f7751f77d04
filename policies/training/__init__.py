"""Trainers: gradients through rollouts, PPO, score function, evolution, and search.

All share one loop (`loop.py`) and one protocol of a method (`method.py`).
"""

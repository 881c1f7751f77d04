"""How good forecasts of a drain are: samples, scores, calibration, and the paper's tables.

Judges samples of any model, ours or not.
"""

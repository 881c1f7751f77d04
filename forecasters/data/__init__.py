"""Series as the forecasters see them: time grids, long frames, panels, cleaning, windows.

One window layer serves all models: masks, missing values, padding, scales and categories.
"""

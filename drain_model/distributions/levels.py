"""The levels at which tails and costs are known by their quantiles."""

LEVELS = tuple(round(0.1 * j, 1) for j in range(1, 10))
NUM_LEVELS = len(LEVELS)
STEP = 0.1  # between two levels, below the first and above the last

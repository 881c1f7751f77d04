"""A supply network in a user's own words, and the environment that it becomes."""

"""Parts of the drain model's benchmarks: its world, models, policies, claims, and speed."""

"""Parts of the benchmark of policies: classic problems, gradients, baselines, and placement."""

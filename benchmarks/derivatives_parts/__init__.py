"""Parts of the benchmark of derivatives: mechanisms, whole units, and decisions made or not."""

"""Parts of the simulator's speed benchmark: each problem, and the peers that it is timed beside."""

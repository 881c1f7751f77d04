"""Parts of the benchmark of the zoo: rules, what is trained, and how all are judged."""

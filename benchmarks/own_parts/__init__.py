"""Parts of ``benchmarks.own``: a company's own log, from its tables to a panel and to training."""

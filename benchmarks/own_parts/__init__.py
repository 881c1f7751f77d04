"""Parts of ``benchmarks.own``: a company's own log, from tables to panel, oracle and training."""

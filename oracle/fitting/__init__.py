"""The systems behind a log, fitted to it: promise, ship cost and fulfilment, for its oracle.

``systems_fit`` puts them together; ``findings`` says what the log tells and what it does not.
"""

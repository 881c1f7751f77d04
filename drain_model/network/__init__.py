"""The network: causal encoders, attention within and across streams, lanes and heads.

From inputs to the arguments of distributions; what is drawn from them is decided elsewhere.
"""

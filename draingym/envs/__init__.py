"""The ready-made environments: how they are made, registered and drawn.

Adding one takes one entry in `draingym/registration.py` and the function that it names.
"""

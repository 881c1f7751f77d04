"""Does this machine compute right, and how fast? ``draingym selftest``, in under a minute.

    python -m draingym.selftest.speed

records anew what a machine takes (``recorded.json``), which slow ones are told by.
"""

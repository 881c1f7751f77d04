"""Replays: a log, or the truth, played again under another policy or on other stock.

Also what is recorded from them, the settings they need, and the noise floor that they define.
"""

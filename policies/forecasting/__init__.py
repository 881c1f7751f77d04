"""Fitted forecasters at work: what policies see of demand to come, and scenarios to train them on.

Every forecast is made from the periods before its origin alone.
"""

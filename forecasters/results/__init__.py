"""Forecasts as joint samples, and their scores."""

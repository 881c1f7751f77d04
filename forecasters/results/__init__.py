"""Forecasts as joint samples, their scores, and rolling cross-validation."""

"""What a log tells about the systems behind it: conversion rates, and what boxes cost.

Estimated from observed columns alone, never from the hidden truth.
"""

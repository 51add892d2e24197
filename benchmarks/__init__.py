"""Experiments and timings that are too slow for the tests; each is a documented command."""

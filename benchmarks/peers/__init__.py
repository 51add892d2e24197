"""Sparse codes of everyday methods beside ours: ``python -m benchmarks.peers --help``."""

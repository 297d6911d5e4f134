"""Benchmarks: each prints figures of this server beside those of others, measured in the same run."""

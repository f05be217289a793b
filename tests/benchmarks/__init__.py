"""Benchmarks as ratios within one run, interleaved, medians: `python -m tests.benchmarks NAME`."""

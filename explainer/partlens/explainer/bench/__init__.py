"""Benchmarks: one module per measurement, each with a pure function and a command."""

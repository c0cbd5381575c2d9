"""Benchmarks of the indexer, as ratios measured side by side in one run."""

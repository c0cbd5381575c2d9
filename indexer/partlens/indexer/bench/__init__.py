"""Measurements of the indexer, as ratios taken side by side in one run."""

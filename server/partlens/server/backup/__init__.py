"""Snapshots of a gallery together with what its server keeps, and restoring them."""

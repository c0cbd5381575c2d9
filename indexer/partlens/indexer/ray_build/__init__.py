"""Indexing on a Ray cluster: workers extract and write rows, and one process commits them."""

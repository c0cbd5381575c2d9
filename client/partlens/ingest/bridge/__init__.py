"""Bridges: programs that put pictures of other systems into the ingest stream."""

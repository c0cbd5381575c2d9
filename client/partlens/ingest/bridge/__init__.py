"""Bridges: programs that send pictures from other systems to the ingest stream."""

"""Programs that feed a server, as its clients: workers of the ingest stream, and bridges."""

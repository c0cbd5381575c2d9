"""Programs that feed a server as its clients: ingest workers, and bridges to other systems."""

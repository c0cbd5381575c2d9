"""What the server and the programs that feed it share: settings, log, metrics, Redis."""

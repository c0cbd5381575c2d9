"""Search results as pages and pictures that need no server."""

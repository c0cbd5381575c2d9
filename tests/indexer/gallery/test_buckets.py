"""Galleries in buckets: what only they have, and what goes wrong with stores."""

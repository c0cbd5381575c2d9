"""Searches answered by shards on a Ray cluster. Only `serve --shards ray` imports ray."""

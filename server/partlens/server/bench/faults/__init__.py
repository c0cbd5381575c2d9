"""`partlens bench faults`: how searches fare while replicas and nodes of their shards die."""

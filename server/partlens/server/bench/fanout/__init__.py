"""`partlens bench fanout`: how long searches take that wait for every shard, by simulation."""

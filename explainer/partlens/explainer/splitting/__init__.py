"""Split a network into backbone and head, and check that the head decomposes."""

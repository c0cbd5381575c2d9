"""Published networks, for `partlens model import --torch` with weights that come without code."""

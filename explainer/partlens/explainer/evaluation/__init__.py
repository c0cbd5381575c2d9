"""Measurements on annotated images: each a pure function in a module of its own."""

"""Measurements on annotated images, each a pure function in its own module."""

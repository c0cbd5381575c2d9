"""Measurements on annotated images: one module each, a pure function and a command."""

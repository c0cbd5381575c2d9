"""Measurements on annotated images: one module a measurement, each a pure function and a command."""

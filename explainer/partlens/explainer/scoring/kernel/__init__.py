"""Scores images in compiled code, read from where they are stored, without Python's lock."""

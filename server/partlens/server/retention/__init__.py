"""Erasing old images while the server runs."""

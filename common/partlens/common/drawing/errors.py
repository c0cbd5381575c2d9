"""Errors of figures."""


class FigureError(ValueError):
    """A figure cannot be drawn or saved as asked; the message says what is allowed."""

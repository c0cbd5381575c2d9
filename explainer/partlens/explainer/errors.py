"""What can go wrong in the explainer.

ExplainerError
└── ShapeError    arrays that do not fit together, or values that cannot be explained
"""


class ExplainerError(Exception):
    """Base of every error that partlens.explainer raises on purpose."""


class ShapeError(ExplainerError, ValueError):
    """Arrays that do not fit together; the message names what was given and what is allowed."""

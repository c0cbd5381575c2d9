"""What can go wrong in the explainer.

ExplainerError
├── ShapeError                    arrays that do not fit together, or cannot be explained
├── ImageError                    bytes that are not a usable picture
├── RegionError                   a region outside its image, or of no area
├── AnnotationError               labels and tables of images that cannot be read or used
├── TableError                    a table that cannot be read, of whatever it is
└── ModelError                    a model that cannot be used
    ├── UnsupportedOperatorError  the head has an operator that no rule decomposes
    ├── ModelFileError            a model folder that is damaged, incomplete or not ours
    └── CompletenessError         the contributions and the bias do not add up to the embedding
"""

from collections.abc import Iterable


class ExplainerError(Exception):
    """Base of every error that partlens.explainer raises on purpose."""


class ShapeError(ExplainerError, ValueError):
    """Arrays that do not fit together; the message names what was given and what is allowed."""


class ImageError(ExplainerError, ValueError):
    """Not a usable picture: not an image at all, empty, truncated, too large."""


class RegionError(ExplainerError, ValueError):
    """A region that lies outside its image or covers no area of it."""


class AnnotationError(ExplainerError, ValueError):
    """Tables of annotated images that cannot be read or used; names the row."""


class TableError(ExplainerError, ValueError):
    """A table that cannot be read: its encoding, its header or a row, which is named."""


class ModelError(ExplainerError):
    """A model that cannot be imported, loaded or run."""


class UnsupportedOperatorError(ModelError, NotImplementedError):
    """The head has an operator that cannot be decomposed into positions.

    Attributes:
        operator: its name where the model came from ("aten.erf.default", "Erf") or its kind here.
        module_path: where it stands in the model ("head.act"), "" where that is unknown.
    """

    def __init__(
        self, operator: str, module_path: str, known: Iterable[str] = (), why: str = ""
    ) -> None:
        self.operator, self.module_path = operator, module_path
        message = f"the head's operator {operator} (at {module_path or 'an unnamed place'})"
        message += f" cannot be decomposed: {why or 'there is no rule for it'}."
        if kinds := ", ".join(sorted(known)):
            message += f" Known: {kinds}."
        super().__init__(
            f"{message} Choose a later feature layer so that the operator is part of the backbone,"
            " or add a rule (see partlens.explainer.head.rules)."
        )


class ModelFileError(ModelError, ValueError):
    """A model folder that is damaged, incomplete, or not one that this version reads."""


class CompletenessError(ModelError):
    """Contributions and bias that do not add up to the model's own embedding."""

"""Errors raised by the explainer.

ExplainerError
├── ShapeError                    arrays do not fit together or cannot be explained
├── ImageError                    the bytes are not a usable image
├── RegionError                   a region is outside its image or empty
├── AnnotationError               labels or annotation tables cannot be read or used
├── TableError                    a table cannot be read
├── MapsError                     maps cannot be written to a folder
├── EngineError                   images cannot be scored by the engine that is asked for
└── ModelError                    a model cannot be used
    ├── UnsupportedOperatorError  the head has an operator without a rule
    ├── ModelFileError            a model folder is damaged, incomplete or not ours
    │   └── EarlierModelError     it lacks what an earlier version did not write
    ├── HubError                  a model of the Hugging Face hub cannot be had
    └── CompletenessError         contributions and bias do not add up to the embedding
"""

from collections.abc import Iterable


class ExplainerError(Exception):
    """Base class of all errors raised by partlens.explainer."""


class ShapeError(ExplainerError, ValueError):
    """Arrays do not fit together; the message says what was given and what is allowed."""


class ImageError(ExplainerError, ValueError):
    """Not a usable image: another file type, empty, truncated or too large."""


class RegionError(ExplainerError, ValueError):
    """A region lies outside its image or covers no area."""


class AnnotationError(ExplainerError, ValueError):
    """Annotation tables cannot be read or used; the message names the row."""


class TableError(ExplainerError, ValueError):
    """A table cannot be read: its encoding, header or a row, which the message names."""


class MapsError(ExplainerError):
    """Maps cannot be written to a folder, as it holds something else."""


class EngineError(ExplainerError, ValueError):
    """Images cannot be scored by the engine that PARTLENS_SCORING asks for."""


class ModelError(ExplainerError):
    """A model cannot be imported, loaded or run."""


class UnsupportedOperatorError(ModelError, NotImplementedError):
    """The head has an operator that cannot be decomposed into positions.

    Attributes:
        operator: its name in the source framework ("aten.erf.default", "Erf") or its kind here.
        module_path: its path in the model ("head.act"); "" if unknown.
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
    """A model folder is damaged, incomplete, or in a format that this version cannot read."""


class EarlierModelError(ModelFileError):
    """A model.json lacks what an earlier version did not write; the caller says what to do."""


class HubError(ModelError):
    """A model of the Hugging Face hub cannot be had."""


class CompletenessError(ModelError):
    """Contributions and bias do not add up to the model's own embedding."""

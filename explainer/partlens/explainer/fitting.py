"""Whether the parts of a model folder fit together."""

from partlens.explainer.errors import ModelFileError, ShapeError, UnsupportedOperatorError
from partlens.explainer.head.operators import Head
from partlens.explainer.head.size import output_shape
from partlens.explainer.head.work import require_bounded
from partlens.explainer.parts_on_disk import HEAD_FILE, MODEL_FILE
from partlens.explainer.spec import ModelSpec
from partlens.explainer.trial import feature_shape


def require_fit(spec: ModelSpec, head: Head, backbone: bytes) -> None:
    """Try the backbone, and refuse parts that do not give what model.json says.

    Raises:
        ModelFileError: they do not.
    """
    size = spec.preprocessing
    feature = feature_shape(backbone, size.height, size.width)
    rows, cols = spec.feature_grid
    tokens = (len(spec.extras) + rows * cols,)
    fits = len(feature) == 3 and feature[1:] == (rows, cols) and not spec.extras
    if not fits and not (len(feature) == 2 and feature[:1] == tokens):
        raise ModelFileError(
            f"the backbone gives a feature map of {list(feature)}; {MODEL_FILE} says"
            f" {rows}x{cols} cells and {len(spec.extras)} extras"
        )
    try:
        found = output_shape(head, feature)
    except (ShapeError, UnsupportedOperatorError) as error:
        raise ModelFileError(f"{HEAD_FILE} does not fit the backbone: {error}") from error
    try:
        require_bounded(head, feature)
    except UnsupportedOperatorError as error:
        raise ModelFileError(f"{HEAD_FILE}: {error}") from error
    if found != (spec.dimensions,):
        raise ModelFileError(
            f"{HEAD_FILE} gives embeddings of {list(found)} numbers, {MODEL_FILE} says"
            f" {spec.dimensions}"
        )

"""Compares two pictures with a model folder: `partlens explain --model`."""

from collections.abc import Sequence
from pathlib import Path

from partlens.common.comparison import Comparison
from partlens.common.regions import Region
from partlens.explainer.decomposition import Decomposition
from partlens.explainer.errors import ImageError
from partlens.explainer.model import MetricModel
from partlens.explainer.pair import PairExplanation
from partlens.explainer.similarity_map import images_of, marked_region


def compare(
    folder: Path,
    pictures: Sequence[tuple[str, bytes]],
    query_regions: Sequence[Region],
    retrieved_regions: Sequence[Region],
) -> Comparison:
    """Why two pictures are similar.

    Args:
        folder: model folder.
        pictures: name and encoded bytes of the query and of the retrieved image.
        query_regions, retrieved_regions: in pixels of the upright image that they lie on.

    Raises:
        ExplainerError: the model cannot be loaded, a picture not be read, or a region does not lie
            on its image.
    """
    model = MetricModel.load(folder)
    pair = PairExplanation(*(decomposed(model, name, data) for name, data in pictures))
    maps = [pair.partial_map(region) for region in query_regions]
    maps += [pair.partial_map(region, of="retrieved") for region in retrieved_regions]
    regions = [
        marked_region(map.other, map.region, map.weights) for map in maps if map.weights is not None
    ]
    images = images_of("query", pair.query, pair.retrieved)
    identity: dict[str, object] = {"model": model.spec.name, "model_digest": model.spec.digest}
    return Comparison(pair.plain(maps), images, regions, model.spec.bias_share, identity)


def decomposed(model: MetricModel, name: str, data: bytes) -> Decomposition:
    """One encoded picture; an error names it.

    Raises:
        ImageError: it cannot be read.
        ShapeError: the model gives NaN or infinity.
    """
    try:
        return model.decompose(data)[0].named(name)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error

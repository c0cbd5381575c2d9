"""Writes what each image of a folder has in common with a query: `partlens maps`.

A run that was stopped resumes from the list of what was written; see maps_list.
"""

import errno
import hashlib
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from partlens.common.drawing.scale import Scale
from partlens.common.durable import make_folder, write_atomically
from partlens.common.files import lacks_descriptors, read_file
from partlens.common.regions import Mask, Region, Whole
from partlens.explainer.comparing import decomposed
from partlens.explainer.decomposition import Decomposition
from partlens.explainer.errors import ImageError, MapsError, RegionError, ShapeError
from partlens.explainer.images import image_files
from partlens.explainer.maps_list import MapsList
from partlens.explainer.model import MetricModel
from partlens.explainer.pair import PairExplanation
from partlens.explainer.similarity_map import SimilarityMap

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Asked:
    """What to write.

    Attributes:
        folder: its images, and those of its subfolders, are compared with the query.
        name, query: name and encoded bytes of the query.
        region: in pixels of the upright query; None for overall maps.
        out: folder to write to.
        scale: value at which colours are strongest; None for a round number that suits the query
            compared with itself.
    """

    folder: Path
    name: str
    query: bytes
    region: Region | None
    out: Path
    scale: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one image.

    Attributes:
        image: its path in the folder.
        skipped: why nothing was written; "" if the maps are there.
        unchanged: whether they were there before.
    """

    image: str
    skipped: str = ""
    unchanged: bool = False


def write_maps(model: MetricModel, asked: Asked) -> Iterator[Outcome]:
    """Write maps, one image after the other; an image that cannot be read is skipped.

    For each image IMAGE, `IMAGE.npy` holds the map, float32 [rows, cols], and `IMAGE.png` its
    figure. All figures have one colour scale.

    Raises:
        ExplainerError: the query cannot be read, its region does not lie on it or adds nothing, the
            folder cannot be listed, or `out` holds other files or maps.
        OSError: the maps cannot be written.
    """
    _require_apart(asked)
    query = decomposed(model, asked.name, asked.query)
    scale = _scale(query, asked)
    files = image_files(asked.folder)
    if not files:
        raise ImageError(f"{asked.folder} contains no images")
    listed = MapsList(asked.out, _about(model, asked, scale))
    for path in files:
        image = path.relative_to(asked.folder).as_posix()
        try:
            data = read_file(path)
            digest = hashlib.sha256(data).hexdigest()
            if listed.holds(image, digest):
                yield Outcome(image, unchanged=True)
                continue
            map = _map(PairExplanation(query, decomposed(model, image, data)), asked.region)
        except (ImageError, ShapeError) as error:
            yield Outcome(image, skipped=str(error).removeprefix(f"{image}: "))
            continue
        except OSError as error:
            if lacks_descriptors(error):
                raise
            yield Outcome(image, skipped=error.strerror or str(error))
            continue
        try:
            _write(asked.out, image, map, scale)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            yield Outcome(image, skipped="its name is too long for the files of its map")
            continue
        listed.add({"image": image, "digest": digest} | _numbers(map))
        yield Outcome(image)


def _map(pair: PairExplanation, region: Region | None) -> SimilarityMap:
    return pair.retrieved_map() if region is None else pair.partial_map(region)


def _scale(query: Decomposition, asked: Asked) -> float:
    own = _map(PairExplanation(query, query), asked.region)
    found = Scale.numbered(own.placed, strongest=asked.scale).strongest
    if not found:
        raise RegionError(
            f"the region adds nothing to the embedding of {asked.name}: the model's pooling takes"
            " nothing from these positions. Mark another region"
        )
    return found


def _about(model: MetricModel, asked: Asked, scale: float) -> dict[str, object]:
    region: object = "overall"
    if isinstance(asked.region, Mask):
        region = {"mask": hashlib.sha256(np.packbits(asked.region.array).tobytes()).hexdigest()}
    elif isinstance(asked.region, Whole):
        region = "whole"
    elif asked.region is not None:
        region = {type(asked.region).__name__.lower(): asdict(asked.region)}
    return {
        "format": _FORMAT,
        "model": model.spec.digest,
        "query": hashlib.sha256(asked.query).hexdigest(),
        "region": region,
        "scale": scale,
    }


def _numbers(map: SimilarityMap) -> dict[str, object]:
    placed, view = map.placed, map.image.view
    return {
        "sum": placed.sums.sum,
        "constant": map.constant,
        "total": map.total,
        "size": None if view is None else list(view.size),
        "extent": list(asdict(placed.extent).values()),
    }


def _write(out: Path, image: str, map: SimilarityMap, scale: float) -> None:
    array = io.BytesIO()
    np.save(array, map.numpy().astype(np.float32), allow_pickle=False)
    path = out / image
    make_folder(path.parent)
    write_atomically(path.with_name(f"{path.name}.npy"), array.getvalue())
    write_atomically(path.with_name(f"{path.name}.png"), map.figure(scale).encoded())


def _require_apart(asked: Asked) -> None:
    if asked.out.resolve().is_relative_to(asked.folder.resolve()):
        raise MapsError(
            f"{asked.out} lies in {asked.folder}, so its figures would be compared next time;"
            " choose a folder outside"
        )

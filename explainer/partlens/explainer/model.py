"""A metric-learning model: a backbone, a linearised head, and what is known about them."""

import hashlib
import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from partlens.common import strict_json
from partlens.common.compute import CPU, Compute
from partlens.common.text import visible
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.backbone import Backbone, FloatArray, OnnxBackbone
from partlens.explainer.completeness import Completeness
from partlens.explainer.decompositions import Decompositions
from partlens.explainer.drafts import drafted
from partlens.explainer.errors import (
    EarlierModelError,
    ModelError,
    ModelFileError,
    ShapeError,
)
from partlens.explainer.fitting import require_fit
from partlens.explainer.halves import one_torch_thread
from partlens.explainer.head import store
from partlens.explainer.head.linearise import linearise
from partlens.explainer.head.operators import Head
from partlens.explainer.head.rules import Rules
from partlens.explainer.head.run import run
from partlens.explainer.pair import PairExplanation
from partlens.explainer.parts_on_disk import (
    BACKBONE_FILE,
    HEAD_FILE,
    MODEL_FILE,
    WEIGHTS_FILE,
    read_part,
)
from partlens.explainer.pooling import pool
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.reading import ImageLike, ImagesLike, NamedImage, read_images
from partlens.explainer.spec import ModelSpec
from partlens.explainer.splitting.module import split_module
from partlens.explainer.splitting.parts import ModelParts
from partlens.explainer.view import LONGEST, View

FORMAT = 3
"""The newest; a folder is written in the oldest that holds it, see ModelSpec.format."""
_DIGESTED = (BACKBONE_FILE, HEAD_FILE, WEIGHTS_FILE)


@dataclass(frozen=True, repr=False)
class MetricModel:
    """A model that can say what each position adds to its embedding.

    Attributes:
        spec: what it is.
        backbone: pixels to the feature map.
        head: the feature map to the embedding.
        rules: the caller's own, before RULES; a model with any lives in Python only.
        measured: what the import measured on "random" and on "real" images; empty once loaded.
    """

    spec: ModelSpec
    backbone: Backbone
    head: Head
    rules: Rules = ()
    measured: Mapping[str, Completeness] = field(default_factory=dict)

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        *,
        feature_layer: str = "",
        embedding: str = "",
        preprocessing: Preprocessing,
        name: str = "",
        licence: str = "",
        images: ImagesLike = (),
        extras: tuple[str, ...] = (),
        rules: Rules = (),
    ) -> "MetricModel":
        """A live PyTorch module, for work that touches no disk.

        Args:
            module: pixels [N, 3, height, width] to an embedding [N, D]; it is put into eval mode.
            feature_layer: dotted name of the submodule that gives the feature map; "" takes the
                last tensor through which every path goes and which changes where the picture does.
            embedding: of a module that returns several tensors, the key or place of the embedding,
                as "features" or "1", dotted where they are nested.
            preprocessing: how the module wants its pixels; its size is the model's input size.
            name, licence: for model.json; "" names the model after the module's class.
            images: real images on which completeness is measured too; see read_image.
            extras: names of the first tokens of the feature map [N, T, C] that lie on no cell, as
                ("class", "register_1"); the others are positions.
            rules: (operator, rule) pairs that come before RULES; see docs/explainer.md.

        Raises:
            ModelError: the module cannot be exported, cut or decomposed, its embeddings depend on
                the batch, or its positions look elsewhere; see its subclasses.
        """
        return cls.of(
            split_module(
                module,
                feature_layer=feature_layer,
                embedding=embedding,
                preprocessing=preprocessing,
                name=name or type(module).__name__,
                licence=licence,
                images=[image.picture.pixels for image in read_images(images)],
                extras=extras,
                rules=rules,
            )
        )

    @classmethod
    def of(cls, parts: ModelParts) -> "MetricModel":
        """The model that a network was split into."""
        return cls(parts.spec, parts.backbone, parts.head, parts.rules, parts.measured)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], compute: Compute = CPU) -> "MetricModel":
        """The model in a folder that `save` wrote.

        The folder may be untrusted. Its backbone is first tried on one image in a process
        of its own, with bounds on time and memory; each process tries a backbone once.

        Args:
            compute: what the backbone runs on; the head is decomposed on the CPU.

        Raises:
            ModelFileError: a file is missing, a link, too large, damaged, changed since, or of a
                newer format; or the model does not run, or not as its model.json says.
            ModelError: there is no such device.
        """
        folder = Path(folder)
        spec = read_spec(folder)
        parts = {name: read_part(folder, name) for name in _DIGESTED}
        if (found := _digest(spec, parts)) != spec.digest:
            raise ModelFileError(
                f"the files of model {spec.name!r} have the digest {found}, its {MODEL_FILE} says"
                f" {spec.digest}: a file was changed or cut short; import the model again"
            )
        head = store.read(parts[HEAD_FILE], parts[WEIGHTS_FILE])
        require_fit(spec, head, parts[BACKBONE_FILE])
        return cls(spec, OnnxBackbone(parts[BACKBONE_FILE], compute), head)

    def save(self, folder: str | os.PathLike[str]) -> "MetricModel":
        """Write a model folder, all of it or nothing, and return the model with its digest.

        Raises:
            ModelFileError: the folder is there already.
            ModelError: the backbone cannot be written as ONNX, or the model has rules of the
                caller's own.
        """
        if self.rules:
            raise ModelError(
                f"a model with rules of your own ({', '.join(kind for kind, _ in self.rules)})"
                " cannot be saved: a model folder holds no code; use it as it is"
            )
        folder = Path(folder)
        with drafted(folder) as draft:
            draft.mkdir()
            (draft / BACKBONE_FILE).write_bytes(self.backbone.to_onnx())
            store.write(self.head, draft)
            parts = {name: read_part(draft, name) for name in _DIGESTED}
            spec = replace(self.spec, digest=_digest(self.spec, parts))
            text = json.dumps({"format": spec.format} | spec.to_json(), indent=1)
            (draft / MODEL_FILE).write_text(text + "\n", encoding="utf-8")
        return replace(self, spec=spec)

    def decompose_pixels(
        self, pixels: FloatArray, require_waiting: RequireWaiting = wait_always
    ) -> Decompositions:
        """Decompositions of preprocessed pixels, float32 [N, 3, height, width].

        Args:
            require_waiting: called before each part of the work; what it raises ends it early.

        Raises:
            ShapeError: pixels of another shape, or the model gives NaN or infinity.
        """
        shape = (3, self.spec.preprocessing.height, self.spec.preprocessing.width)
        if pixels.ndim != 4 or pixels.shape[1:] != shape:
            raise ShapeError(f"pixels have shape {pixels.shape}; this model needs [N, {shape}]")
        require_waiting()
        return self.decompose_features(torch.from_numpy(self.backbone(pixels)), require_waiting)

    def decompose_features(
        self, feature: torch.Tensor, require_waiting: RequireWaiting = wait_always
    ) -> Decompositions:
        """Decompositions of what the backbone gave, [N, C, rows, cols] or tokens [N, T, C].

        Args:
            require_waiting: as of decompose_pixels.

        Raises:
            ShapeError: another shape, or the model gives NaN or infinity.
        """
        names = self.spec.extras
        with one_torch_thread():
            contributions, bias = linearise(
                self.head, feature, self.rules, require_waiting=require_waiting
            )
            # Whatever is not finite makes the sum so.
            if not (contributions.sum(1) + bias).isfinite().all():
                raise ShapeError("the model gave NaN or infinity for these images")
            extras = contributions[:, : len(names)]
            cells = np.ascontiguousarray(contributions[:, len(names) :].numpy())
            return Decompositions(
                pool(cells, self.spec.feature_grid, self.spec.grid),
                (bias + extras.sum(1)).numpy(),
                self.spec.grid,
                extras.numpy(),
                names,
            )

    def on_grid(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps of all that the feature map holds, [N, T, 1] of tokens, as [N, rows, cols].

        What belongs to no cell (class and register tokens) is left out.
        """
        cells = maps.flatten(1)[:, len(self.spec.extras) :, None]
        if self.spec.feature_grid != self.spec.grid:
            pooled = pool(cells.cpu().numpy(), self.spec.feature_grid, self.spec.grid)
            cells = torch.from_numpy(pooled).to(maps)
        return cells.reshape(-1, *self.spec.grid)

    def decompose(self, images: ImagesLike) -> Decompositions:
        """Decompositions of one or several images of any size; see read_image for what they may be.

        They know the size and the name of their image, so that regions in its pixels can be given.

        Raises:
            ImageError: an image cannot be read.
            ShapeError: no image at all, or the model gives NaN or infinity.
        """
        read = read_images(images, self.spec.preprocessing.least)
        feature, size, looks = self._features(read), self.spec.preprocessing, self.spec.registration
        # The list of a head with rules of the caller's own can only be decomposed.
        own = None if self.rules else run(self.head, feature).numpy()
        views = tuple(View.of(one.to_show(LONGEST), size, looks, one.name) for one in read)
        return replace(self.decompose_features(feature), views=views, model_embeddings=own)

    def features(self, images: ImagesLike) -> torch.Tensor:
        """The feature map A of one or several images, as COMPARATORS take it.

        Returns:
            Shape [N, C, rows, cols], or tokens [N, T, C].

        Raises:
            ImageError, ShapeError: as in decompose.
        """
        return self._features(read_images(images, self.spec.preprocessing.least))

    def _features(self, images: Sequence[NamedImage]) -> torch.Tensor:
        if not images:
            raise ShapeError("at least one image is needed")
        pixels = [self.spec.preprocessing.pixels(image.picture) for image in images]
        return torch.from_numpy(self.backbone(np.stack(pixels)))

    def explain(
        self,
        query: ImageLike,
        retrieved: ImageLike,
        *,
        retrieved_model: "MetricModel | None" = None,
    ) -> PairExplanation:
        """Why two images are similar.

        Args:
            query, retrieved: see read_image.
            retrieved_model: the model of the retrieved image if two streams share one embedding
                space (cross-view); it may have another input size, grid and head. Default: this
                one.

        Raises:
            ImageError: an image cannot be read.
            ShapeError: an embedding of zero length, or models whose embeddings differ in dimension.
        """
        (pair,) = self.explain_many(query, [retrieved], retrieved_model=retrieved_model)
        return pair

    def explain_many(
        self,
        query: ImageLike,
        retrieved: ImagesLike,
        *,
        retrieved_model: "MetricModel | None" = None,
    ) -> list[PairExplanation]:
        """Explain one query against k images, in their order; each model runs once.

        Arguments and errors as in explain.
        """
        ours = self.decompose([query])[0]
        return [
            PairExplanation(ours, theirs)
            for theirs in (retrieved_model or self).decompose(retrieved)
        ]

    def __repr__(self) -> str:
        (rows, cols), size = self.spec.grid, self.spec.preprocessing
        return (
            f"MetricModel({self.spec.name!r}, input {size.height}x{size.width}, {rows}x{cols}"
            f" positions, {self.spec.dimensions} dimensions, bias share {self.spec.bias_share:.2f})"
        )

    def _repr_html_(self) -> str:
        facts = {"name": self.spec.name, "digest": self.spec.digest, "head": self.spec.head}
        rows = "".join(
            f"<tr><th>{key}</th><td>{html.escape(visible(value))}</td></tr>"
            for key, value in facts.items()
        )
        return f"<p><code>{html.escape(visible(repr(self)))}</code></p><table>{rows}</table>"


def read_spec(folder: Path) -> ModelSpec:
    """What model.json says, without loading the model.

    Raises:
        ModelFileError: missing, damaged, of a newer format, or without what an earlier version
            did not write.
    """
    try:
        plain = strict_json.loads(read_part(folder, MODEL_FILE))
    except ModelFileError:
        raise
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{MODEL_FILE} cannot be read: {error}") from error
    if not isinstance(plain, dict) or type(plain.get("format")) is not int:
        raise ModelFileError(f"{MODEL_FILE} has no format number; it is not a partlens model")
    if (found := plain.pop("format")) > FORMAT:
        raise ModelFileError(
            f"{MODEL_FILE} has format {found}, this version reads up to {FORMAT}; upgrade partlens"
        )
    try:
        return ModelSpec.from_json(plain)
    except EarlierModelError as error:
        raise EarlierModelError(
            f"the model folder {folder} cannot be used: {error}. Import the model again from its"
            " original, as in `partlens model import NEW_FOLDER --onnx FILE` (or --torch, --hf);"
            f" its feature layer was {plain.get('feature_layer')!r:.100}"
        ) from error


def unregistered_digest(folder: Path) -> str:
    """Digest that a model folder would have without measured centres.

    That is the digest of the folder that it is a registered copy of; both give the same
    contributions.

    Raises:
        ModelFileError: a file is missing, damaged or too large.
    """
    parts = {name: read_part(folder, name) for name in _DIGESTED}
    return _digest(replace(read_spec(folder), registered=None), parts)


def _digest(spec: ModelSpec, parts: Mapping[str, bytes]) -> str:
    """sha256 over the spec without its digest, and over each file with its length."""
    total = hashlib.sha256(json.dumps(replace(spec, digest="").to_json(), sort_keys=True).encode())
    for name in _DIGESTED:
        total.update(f"\n{name} {len(parts[name])}\n".encode())
        total.update(parts[name])
    return f"sha256:{total.hexdigest()}"

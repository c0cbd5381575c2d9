"""A Hugging Face folder or hub id as a module: ViT, DINOv2 and v3, CLIP and SigLIP vision, ResNet
and ConvNeXt.

Weights are read from safetensors only, and no code of a repository is run. The feature layer of a
transformer is what goes into its last block, so that the block's attention says what each patch
token adds to the embedding; class and register tokens are extras. SigLIP has a learned query for
that, which pools behind the last block, and no class token.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from partlens.common import strict_json
from partlens.common.files import read_file
from partlens.common.installing import pip_install
from partlens.explainer.errors import HubError, ModelError
from partlens.explainer.importing.hub import HUB_ID, SECONDS, look_up
from partlens.explainer.importing.huggingface_pixels import (
    CLIP,
    HALF,
    IMAGENET,
    Normalisation,
    origins_from,
    preprocessing_from,
)
from partlens.explainer.preprocessing import Preprocessing

Pooling = Literal["cls", "mean", "attention"]
_MOST_SAID = 400
"""Of what transformers says."""
_MOST_BYTES = 2**20
"""Of a file that describes pixels; a longer one is cut and refused."""


@dataclass(frozen=True)
class Architecture:
    """How one family of models in transformers becomes an embedding.

    Attributes:
        model_class: its class in transformers.
        blocks: dotted name of its list of transformer blocks; "" for a convolutional family.
        stem: dotted name of the layer before the first block, or of all of a convolutional family.
        normalisation: of pixels, where a folder says nothing.
        options: for the class.
        other_size: what its forward() needs to take other sizes.
        poolings: of tokens; empty for a convolutional family.
    """

    model_class: str
    blocks: str
    stem: str
    normalisation: Normalisation
    options: Mapping[str, object] = field(default_factory=dict)
    other_size: Mapping[str, object] = field(default_factory=dict)
    poolings: tuple[Pooling, ...] = ("cls", "mean")


_INTERPOLATED = {"interpolate_pos_encoding": True}
_CLIP = Architecture(
    "CLIPVisionModelWithProjection",
    "vision_model.encoder.layers",
    "vision_model.pre_layrnorm",
    CLIP,
    other_size=_INTERPOLATED,
)
_SIGLIP = Architecture(
    "SiglipVisionModel",
    "encoder.layers",
    "embeddings",
    HALF,
    other_size=_INTERPOLATED,
    poolings=("attention", "mean"),
)
ARCHITECTURES: Mapping[str, Architecture] = {
    "vit": Architecture(
        "ViTModel", "layers", "embeddings", HALF, {"add_pooling_layer": False}, _INTERPOLATED
    ),
    # These interpolate or rotate their position encodings unasked.
    "dinov2": Architecture("Dinov2Model", "encoder.layer", "embeddings", IMAGENET),
    "dinov2_with_registers": Architecture(
        "Dinov2WithRegistersModel", "encoder.layer", "embeddings", IMAGENET
    ),
    "dinov3_vit": Architecture("DINOv3ViTModel", "model.layer", "embeddings", IMAGENET),
    "clip": _CLIP,
    "clip_vision_model": _CLIP,
    "siglip": _SIGLIP,
    "siglip_vision_model": _SIGLIP,
    "resnet": Architecture("ResNetModel", "", "encoder", IMAGENET, poolings=()),
    "convnext": Architecture("ConvNextModel", "", "encoder", IMAGENET, poolings=()),
    "convnextv2": Architecture("ConvNextV2Model", "", "encoder", IMAGENET, poolings=()),
}
"""model_type of config.json -> what is known about it."""


@dataclass(frozen=True)
class Pretrained:
    """What MetricModel.from_module needs of a pretrained model.

    Attributes:
        modules: for each pooling that it can have, its own first: pixels [N, 3, height, width] to
            an embedding [N, D], in eval mode. They share their weights.
        feature_layer: dotted name of the layer to cut at.
        extras: names of the tokens that lie on no cell, which come first.
        preprocessing: as the folder says; another size may be chosen, since position encodings
            are interpolated.
        origins: where each field of it comes from.
        licence: as the hub states it; "" for a folder.
    """

    modules: Mapping[Pooling, nn.Module]
    feature_layer: str
    extras: tuple[str, ...]
    preprocessing: Preprocessing
    origins: Mapping[str, str]
    licence: str = ""

    @property
    def module(self) -> nn.Module:
        """The module with its own pooling."""
        return next(iter(self.modules.values()))


def load_pretrained(source: str, pooling: Pooling | None = None) -> Pretrained:
    """Read a model and its preprocessing.

    Args:
        source: a folder that `save_pretrained` wrote, or the id of a model on the hub.
        pooling: for transformers, the class token or the mean of the patch tokens, both after
            the last layer norm; None for both. CLIP's visual projection follows. Convolutional
            families have their own average and take "mean" only.

    Raises:
        ModelError: no such model, of another family, without safetensors, or with weights missing.
    """
    place, licence = _place(source)
    try:
        import transformers
    except ImportError as error:
        raise ModelError(f"--hf needs transformers: {pip_install('huggingface')}") from error
    try:
        config: Any = transformers.AutoConfig.from_pretrained(place, trust_remote_code=False)
        architecture = _architecture(source, config.model_type)
        model = _model(transformers, place, architecture, config)
        said = _preprocessor_config(transformers, place)
    except ModelError:
        raise
    except Exception as error:  # whatever a config of any values makes transformers raise
        why = " ".join(str(error).split())[:_MOST_SAID]
        raise ModelError(f"{source} cannot be read by transformers: {why}") from error
    if pooling is not None and pooling not in (architecture.poolings or ("mean",)):
        raise ModelError(
            f"--pooling {pooling}: a {config.model_type} can pool by"
            f" {', '.join(architecture.poolings) or 'mean'}"
        )
    if not architecture.blocks:
        modules: dict[Pooling, nn.Module] = {"mean": _Convolutional(model)}
        layer, extras = f"model.{architecture.stem}", tuple[str, ...]()
    else:
        extras = _extras(model, architecture)
        poolings = architecture.poolings if pooling is None else (pooling,)
        modules = {one: _transformer(model, architecture, one, len(extras)) for one in poolings}
        layer = _last_block(model, architecture)
    size = getattr(model.config, "image_size", 224) or 224
    preprocessing = preprocessing_from(said, size, architecture.normalisation)
    for module in modules.values():
        module.eval()
    origins = origins_from(said, config.model_type)
    return Pretrained(modules, layer, extras, preprocessing, origins, licence)


def _place(source: str) -> tuple[str, str]:
    """What transformers reads, and the licence that the hub states.

    Raises:
        ModelError: there is no such folder, and no such model on the hub.
    """
    if Path(source).is_dir():
        return source, ""
    if Path(source).exists():
        raise ModelError(f"--hf {source}: is a file; give the folder that contains config.json")
    if not HUB_ID.fullmatch(source):
        raise ModelError(f"--hf {source}: no such folder (a hub id has the form owner/name)")
    try:
        found = look_up(source, SECONDS)
    except HubError as error:
        raise ModelError(f"--hf {source}: there is no folder of this name, and {error}") from error
    return found.source, found.licence


def _architecture(source: str, model_type: str) -> Architecture:
    if model_type not in ARCHITECTURES:
        raise ModelError(
            f"{source} is a {model_type!r}; known are {', '.join(ARCHITECTURES)}. Another model can"
            " be imported as a module with --torch"
        )
    return ARCHITECTURES[model_type]


def _model(transformers: Any, source: str, architecture: Architecture, config: Any) -> Any:
    """The model in float32, every weight of it read from the folder."""
    if config.model_type == "clip":
        projection, config = config.projection_dim, config.vision_config
        config.projection_dim = projection
    elif config.model_type == "siglip":
        config = config.vision_config
    model, info = getattr(transformers, architecture.model_class).from_pretrained(
        source,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,  # they are named below
        output_loading_info=True,
        **architecture.options,
    )
    # transformers fills what is missing with random numbers.
    if missing := sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]])):
        raise ModelError(
            f"{source} lacks weights of {architecture.model_class}, or has them in other shapes:"
            f" {', '.join(missing)}"
        )
    return model


def _preprocessor_config(transformers: Any, source: str) -> Mapping[str, Any]:
    """What the folder says of its images; empty where it says nothing."""
    for name in ("preprocessor_config.json", "processor_config.json"):
        path = transformers.utils.cached_file(
            source, name, _raise_exceptions_for_missing_entries=False
        )
        if path is not None:
            plain = strict_json.loads(read_file(Path(path), _MOST_BYTES))
            if not isinstance(plain, dict):
                raise ModelError(f"{name} of {source} must be an object")
            inner = plain.get("image_processor", plain)
            return inner if isinstance(inner, dict) else plain
    return {}


class _Convolutional(nn.Module):
    """A family that pools its own feature map."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        pooled: Tensor = self.model(pixels).pooler_output
        return pooled.flatten(1)


class _Transformer(nn.Module):
    """The class token, or the mean of the patch tokens, of normalised tokens."""

    def __init__(
        self, model: nn.Module, pooling: Pooling, extras: int, options: Mapping[str, object]
    ) -> None:
        super().__init__()
        self.model, self.pooling, self.extras, self.options = model, pooling, extras, dict(options)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.pooled(self.model(pixels, **self.options).last_hidden_state)

    def pooled(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0] if self.pooling == "cls" else tokens[:, self.extras :].mean(1)


class _Clip(_Transformer):
    """CLIP's visual projection of pooled tokens; its own embedding for the class token."""

    def forward(self, pixels: Tensor) -> Tensor:
        model: Any = self.model
        tokens = model.vision_model(pixels, **self.options).last_hidden_state
        pooled = self.pooled(model.vision_model.post_layernorm(tokens))
        projected: Tensor = model.visual_projection(pooled)
        return projected


class _Siglip(_Transformer):
    """SigLIP's own embedding, pooled by a learned query, or the mean of the patch tokens."""

    def forward(self, pixels: Tensor) -> Tensor:
        found: Any = self.model(pixels, **self.options)
        pooled: Tensor = found.pooler_output
        return pooled if self.pooling == "attention" else found.last_hidden_state.mean(1)


def _transformer(
    model: nn.Module, architecture: Architecture, pooling: Pooling, extras: int
) -> nn.Module:
    made = {_CLIP.model_class: _Clip, _SIGLIP.model_class: _Siglip}
    wrapper = made.get(architecture.model_class, _Transformer)
    return wrapper(model, pooling, extras, architecture.other_size)


def _extras(model: Any, architecture: Architecture) -> tuple[str, ...]:
    """Names of the tokens that lie on no cell."""
    if "cls" not in architecture.poolings:
        return ()
    registers = int(getattr(model.config, "num_register_tokens", 0))
    return ("class", *(f"register_{i + 1}" for i in range(registers)))


def _last_block(model: Any, architecture: Architecture) -> str:
    """The layer to cut at: before the last block, or after it where a learned query pools."""
    count = int(model.config.num_hidden_layers)
    number = count - 1 if "attention" in architecture.poolings else count - 2
    before = f"{architecture.blocks}.{number}" if number >= 0 else architecture.stem
    return f"model.{before}"

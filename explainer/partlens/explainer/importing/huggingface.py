"""A Hugging Face folder or hub id as a module: ViT, DINOv2, CLIP vision, ResNet and ConvNeXt.

Weights are read from safetensors only, and no code of a repository is run. The feature layer of a
transformer is what goes into its last block, so that the block's attention says what each patch
token adds to the embedding; class and register tokens are extras.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from partlens.common import strict_json
from partlens.common.files import read_file
from partlens.explainer.errors import ModelError
from partlens.explainer.importing.hub import HUB_ID
from partlens.explainer.importing.huggingface_pixels import (
    CLIP,
    HALF,
    IMAGENET,
    Normalisation,
    preprocessing_from,
)
from partlens.explainer.preprocessing import Preprocessing

Pooling = Literal["cls", "mean"]
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
    """

    model_class: str
    blocks: str
    stem: str
    normalisation: Normalisation
    options: Mapping[str, object]


_DINOV2 = Architecture("Dinov2Model", "encoder.layer", "embeddings", IMAGENET, {})
_CLIP = Architecture(
    "CLIPVisionModelWithProjection",
    "vision_model.encoder.layers",
    "vision_model.pre_layrnorm",
    CLIP,
    {},
)
ARCHITECTURES: Mapping[str, Architecture] = {
    "vit": Architecture("ViTModel", "layers", "embeddings", HALF, {"add_pooling_layer": False}),
    "dinov2": _DINOV2,
    "dinov2_with_registers": Architecture(
        "Dinov2WithRegistersModel", "encoder.layer", "embeddings", IMAGENET, {}
    ),
    "clip": _CLIP,
    "clip_vision_model": _CLIP,
    "resnet": Architecture("ResNetModel", "", "encoder", IMAGENET, {}),
    "convnext": Architecture("ConvNextModel", "", "encoder", IMAGENET, {}),
    "convnextv2": Architecture("ConvNextV2Model", "", "encoder", IMAGENET, {}),
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
    """

    modules: Mapping[Pooling, nn.Module]
    feature_layer: str
    extras: tuple[str, ...]
    preprocessing: Preprocessing

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
    if not Path(source).is_dir() and not HUB_ID.fullmatch(source):
        raise ModelError(f"--hf {source!r} is neither a folder nor a hub id like owner/name")
    try:
        import transformers
    except ImportError as error:
        raise ModelError("--hf needs: pip install 'partlens[huggingface]'") from error
    try:
        config: Any = transformers.AutoConfig.from_pretrained(source, trust_remote_code=False)
        architecture = _architecture(source, config.model_type)
        model = _model(transformers, source, architecture, config)
        said = _preprocessor_config(transformers, source)
    except ModelError:
        raise
    except Exception as error:  # whatever a config of any values makes transformers raise
        raise ModelError(f"{source} cannot be read by transformers: {error}") from error
    if not architecture.blocks:
        if pooling == "cls":
            raise ModelError(f"a {config.model_type} has no class token; its pooling is mean")
        modules: dict[Pooling, nn.Module] = {"mean": _Convolutional(model)}
        layer, extras = f"model.{architecture.stem}", tuple[str, ...]()
    else:
        registers = int(getattr(model.config, "num_register_tokens", 0))
        extras = ("class", *(f"register_{i + 1}" for i in range(registers)))
        poolings: tuple[Pooling, ...] = ("cls", "mean") if pooling is None else (pooling,)
        modules = {
            one: _transformer(model, config.model_type, one, len(extras)) for one in poolings
        }
        count = int(model.config.num_hidden_layers)
        before = f"{architecture.blocks}.{count - 2}" if count > 1 else architecture.stem
        layer = f"model.{before}"
    size = getattr(model.config, "image_size", 224) or 224
    preprocessing = preprocessing_from(said, size, architecture.normalisation)
    for module in modules.values():
        module.eval()
    return Pretrained(modules, layer, extras, preprocessing)


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


def _transformer(model: nn.Module, model_type: str, pooling: Pooling, extras: int) -> nn.Module:
    # DINOv2 interpolates its position encodings unasked.
    options = {} if model_type.startswith("dinov2") else {"interpolate_pos_encoding": True}
    made = _Clip if model_type.startswith("clip") else _Transformer
    return made(model, pooling, extras, options)

"""Small Hugging Face models with random weights, as save_pretrained writes them."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import transformers as hf

_BLOCKS: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}

MODELS: Mapping[str, Callable[[], Any]] = {
    "vit": lambda: hf.ViTModel(hf.ViTConfig(**_BLOCKS), add_pooling_layer=False),
    "vit_with_classifier": lambda: hf.ViTForImageClassification(hf.ViTConfig(**_BLOCKS)),
    "dinov2": lambda: hf.Dinov2Model(hf.Dinov2Config(**_BLOCKS)),
    "dinov2_with_registers": lambda: hf.Dinov2WithRegistersModel(
        hf.Dinov2WithRegistersConfig(**_BLOCKS, num_register_tokens=3)
    ),
    "dinov3": lambda: hf.DINOv3ViTModel(hf.DINOv3ViTConfig(**_BLOCKS, num_register_tokens=3)),
    "siglip_vision": lambda: hf.SiglipVisionModel(hf.SiglipVisionConfig(**_BLOCKS)),
    "siglip": lambda: hf.SiglipModel(
        hf.SiglipConfig(
            text_config={**_BLOCKS, "vocab_size": 50, "projection_size": 24},
            vision_config=dict(_BLOCKS),
        )
    ),
    "clip_vision": lambda: hf.CLIPVisionModelWithProjection(
        hf.CLIPVisionConfig(**_BLOCKS, projection_dim=10)
    ),
    "clip": lambda: hf.CLIPModel(
        hf.CLIPConfig(
            text_config={**_BLOCKS, "vocab_size": 50},
            vision_config=dict(_BLOCKS),
            projection_dim=10,
        )
    ),
    "resnet": lambda: hf.ResNetModel(
        hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
    ),
    "convnext": lambda: hf.ConvNextModel(
        hf.ConvNextConfig(hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1])
    ),
}


def make(name: str) -> Any:
    """A model with weights large enough that every part of it has an effect."""
    torch.manual_seed(1)
    model = MODELS[name]().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model

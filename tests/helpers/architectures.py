"""The architectures that metric learning uses, small and with random weights.

Each keeps the structure of its paper or of the code that its weights come with, with fewer
channels and blocks.
"""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from head_modules import GeM, Net, Normalised, randomised
from torch import Tensor, nn

from partlens.explainer.architectures.mobilefacenet import MobileFaceNet

C = 8


class Bottleneck(nn.Module):
    """torchvision's residual block: 1x1, 3x3, 1x1, and a projection on the shortcut."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(C, inside, 1, bias=False), nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, inside, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inside)
        self.conv3, self.bn3 = nn.Conv2d(inside, outside, 1, bias=False), nn.BatchNorm2d(outside)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential(
            nn.Conv2d(C, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(out)))))
        out += self.downsample(x)
        rectified: Tensor = self.relu(out)
        return rectified


class ResNet(nn.Module):
    """torchvision's ResNet-50: the layers' names, and the head after "layer4"."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, C, 7, 2, 3, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(C), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer4 = nn.Sequential(Bottleneck(4, 12, 1))
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        embedding: Tensor = self.head(self.layer4(self.maxpool(self.relu(self.bn1(self.conv1(x))))))
        return embedding


class Inception(nn.Module):
    """BN-Inception's block: branches joined along the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.three = nn.Conv2d(C, 3, 1), nn.Conv2d(C, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(7)

    def forward(self, x: Tensor) -> Tensor:
        joined = F.relu(self.bn(torch.cat([self.one(x), self.three(x)], 1)))
        return torch.cat([joined, F.max_pool2d(x, 3, 1, 1)], 1)


class SqueezeAndExcite(nn.Module):
    """A gate on every channel, computed from all channels' means."""

    def __init__(self, gate: Callable[[Tensor], Tensor] = torch.sigmoid) -> None:
        super().__init__()
        self.fc1, self.fc2, self.gate = nn.Conv2d(C, 2, 1), nn.Conv2d(2, C, 1), gate

    def forward(self, x: Tensor) -> Tensor:
        gate = self.gate(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))
        return (x * gate).mean((2, 3))


class TwoBranches(nn.Module):
    """Average and maximum, each with its own batch norm and layer, added and joined."""

    def __init__(self) -> None:
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm1d(C), nn.BatchNorm1d(C)
        self.fc = nn.Linear(C, 5)

    def forward(self, x: Tensor) -> Tensor:
        average = self.bn1(F.adaptive_avg_pool2d(x, 1).flatten(1))
        largest = self.bn2(F.adaptive_max_pool2d(x, 1).flatten(1))
        return torch.cat([self.fc(average + largest), largest], 1)


class Parts(nn.Module):
    """PCB: horizontal stripes, each with its own 1x1 convolution, batch norm and ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            nn.Sequential(nn.Conv2d(C, 3, 1), nn.BatchNorm2d(3), nn.ReLU()) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        stripes = F.adaptive_avg_pool2d(x, (4, 1))
        return torch.cat(
            [p(stripes[:, :, i : i + 1]).flatten(1) for i, p in enumerate(self.parts)], 1
        )


class AttentionPooling(nn.Module):
    """A learned query that attends to all positions, with `heads` heads."""

    def __init__(self, heads: int = 2) -> None:
        super().__init__()
        self.heads, self.query = heads, nn.Parameter(torch.randn(1, 1, C))
        self.q, self.k, self.v = (nn.Linear(C, C) for _ in range(3))
        self.out = nn.Linear(C, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = (
            one.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for one in (self.q(self.query), self.k(tokens), self.v(tokens))
        )
        weights = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).softmax(-1)
        embedding: Tensor = self.out((weights @ v).transpose(1, 2).flatten(1))
        return embedding


class WeightedPooling(nn.Module):
    """The mean of all positions, weighted by a softmax of each position's own logit."""

    def __init__(self) -> None:
        super().__init__()
        self.say = nn.Conv2d(C, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.say(x).flatten(2).softmax(-1)
        pooled: Tensor = (x.flatten(2) * weights).sum(-1)
        return pooled


class TokenBlock(nn.Module):
    """A transformer's last block and norm; the embedding is the mean of all tokens."""

    def __init__(self, attention: nn.Module, norm: type[nn.Module] = nn.LayerNorm) -> None:
        super().__init__()
        self.norm1, self.attention, self.scale = norm(C), attention, nn.Parameter(torch.rand(C))
        self.norm2, self.norm = norm(C), norm(C)
        self.mlp = nn.Sequential(nn.Linear(C, 12), nn.GELU(), nn.Linear(12, C))

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2)
        x = x + self.scale * self.attention(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        embedding: Tensor = self.norm(x).mean(1)
        return embedding


class AtOnce(nn.Module):
    """timm's attention: queries, keys and values by one layer, then split on a moved axis."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.qkv, self.proj, self.fused = nn.Linear(C, 3 * C), nn.Linear(C, C), fused

    def forward(self, x: Tensor) -> Tensor:
        images, tokens, _ = x.shape
        q, k, v = self.qkv(x).reshape(images, tokens, 3, 2, -1).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:  # as in MAE and DINO
            mixed = (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(-1) @ v
        embedding: Tensor = self.proj(mixed.transpose(1, 2).reshape(images, tokens, C))
        return embedding


class SelfAttention(nn.Module):
    """torch.nn.MultiheadAttention of tokens with themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(C, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.layer(x, x, x)[0]
        return mixed


class Probe(nn.Module):
    """SigLIP's head: a learned query attends to all tokens, then an MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.randn(1, 1, C))
        self.attention = nn.MultiheadAttention(C, 2, batch_first=True)
        self.norm, self.mlp = nn.LayerNorm(C), nn.Sequential(nn.Linear(C, 6), nn.Linear(6, C))

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        pooled = self.attention(self.probe.repeat(x.shape[0], 1, 1), tokens, tokens)[0]
        embedding: Tensor = (pooled + self.mlp(self.norm(pooled)))[:, 0]
        return embedding


class AttentionPool2d(nn.Module):
    """CLIP's pooling of ResNets: the mean attends to all positions, tokens before images."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.randn(9, C))
        self.q, self.k, self.v = (nn.Linear(C, C) for _ in range(3))
        self.out = nn.Linear(C, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).permute(2, 0, 1)
        x = torch.cat([x.mean(0, keepdim=True), x], 0) + self.place[:, None]
        pooled, _ = F.multi_head_attention_forward(
            x[:1],
            x,
            x,
            C,
            2,
            None,
            torch.cat([self.q.bias, self.k.bias, self.v.bias]),
            None,
            None,
            False,
            0.0,
            self.out.weight,
            self.out.bias,
            training=self.training,
            need_weights=False,
            use_separate_proj_weight=True,
            q_proj_weight=self.q.weight,
            k_proj_weight=self.k.weight,
            v_proj_weight=self.v.weight,
        )
        embedding: Tensor = pooled.squeeze(0)
        return embedding


class EncoderLayer(nn.Module):
    """torch.nn.TransformerEncoderLayer, images or tokens first."""

    def __init__(self, images_first: bool) -> None:
        super().__init__()
        self.images_first = images_first
        self.layer = nn.TransformerEncoderLayer(
            C, 2, 12, 0.1, "gelu", batch_first=images_first, norm_first=images_first
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2)
        tokens = x.transpose(1, 2) if self.images_first else x.permute(2, 0, 1)
        embedding: Tensor = self.layer(tokens).mean(1 if self.images_first else 0)
        return embedding


class ByVariance(nn.Module):
    """A LayerNorm written out, with the variance."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(size))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, -1, keepdim=True, correction=0)
        return self.weight * (x - mean) / (variance + 1e-6).sqrt()


class ByDeviation(nn.Module):
    """The same with the deviation, as in the first transformers."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(size))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6)


def _pooled(*after: nn.Module) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *after)


def _activated(activation: nn.Module) -> nn.Module:
    hidden = nn.Sequential(nn.Linear(C, 6), nn.LayerNorm(6), activation, nn.Linear(6, 5))
    return nn.Sequential(nn.Conv2d(C, C, 1), activation, _pooled(hidden))


HEADS: Mapping[str, Callable[[], nn.Module]] = {
    "bn-inception, gmp and fc": lambda: nn.Sequential(
        Inception(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(15, 5)
    ),
    "arcface: bn, flatten, fc, bn": lambda: nn.Sequential(
        nn.BatchNorm2d(C), nn.Dropout(), nn.Flatten(), nn.Linear(8 * C, 5), nn.BatchNorm1d(5)
    ),
    "vgg, gap": lambda: _pooled(),
    "vgg, gmp": lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()),
    "vgg, flatten": lambda: nn.Sequential(
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2 * C, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 5)
    ),
    "osnet: gap, fc, bn, relu": lambda: _pooled(nn.Linear(C, 5), nn.BatchNorm1d(5), nn.ReLU()),
    "gem": lambda: nn.Sequential(GeM(), Normalised()),
    "gem, bn neck": lambda: nn.Sequential(GeM(), nn.BatchNorm1d(C)),
    "pcb": Parts,
    "two branches": TwoBranches,
    "squeeze and excite": SqueezeAndExcite,
    "layer norm, gelu": lambda: _activated(nn.GELU()),
    "layer norm, silu": lambda: _activated(nn.SiLU()),
    "layer norm, hardswish": lambda: _activated(nn.Hardswish()),
    "attention pooling": AttentionPooling,
    "weighted pooling": WeightedPooling,
    "timm: attention at once": lambda: TokenBlock(AtOnce(fused=True)),
    "mae: attention at once, written out": lambda: TokenBlock(AtOnce(fused=False)),
    "multi-head attention": lambda: TokenBlock(SelfAttention()),
    "siglip: a probe attends": Probe,
    "clip resnet: the mean attends": AttentionPool2d,
    "encoder layer, images first": lambda: EncoderLayer(images_first=True),
    "encoder layer, tokens first": lambda: EncoderLayer(images_first=False),
    "rms norm": lambda: TokenBlock(AtOnce(fused=True), nn.RMSNorm),
    "layer norm by variance": lambda: TokenBlock(AtOnce(fused=True), ByVariance),
    "layer norm by deviation": lambda: TokenBlock(AtOnce(fused=True), ByDeviation),
    "hard squeeze and excite": lambda: SqueezeAndExcite(F.hardsigmoid),
}

NETS: Mapping[str, tuple[Callable[[], nn.Module], str]] = {
    "resnet-50, gap": (lambda: ResNet(_pooled()), "layer4"),
    "resnet-50, gap and fc": (lambda: ResNet(_pooled(nn.Linear(12, 5))), "layer4"),
    # torchreid and BagOfTricks test with the features before the neck, others after it.
    "re-id resnet, before the neck": (lambda: ResNet(_pooled(nn.Identity())), "layer4"),
    "re-id resnet, after the neck": (lambda: ResNet(_pooled(nn.BatchNorm1d(12))), "layer4"),
    "mobilefacenet": (lambda: MobileFaceNet((32, 32)), "conv2"),
}
"""Name -> network and feature layer."""


def make(name: str) -> tuple[nn.Module, str]:
    """A network in eval mode and its feature layer."""
    torch.manual_seed(4)
    if name in HEADS:
        return randomised(Net(HEADS[name]())), "stem"
    factory, layer = NETS[name]
    return randomised(factory()), layer

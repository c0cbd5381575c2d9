"""MobileFaceNet (Chen, Liu, Gao, Han: MobileFaceNets, 2018), a small network for faces."""

from torch import Tensor, nn

from partlens.explainer.errors import ModelError

# Table 1 of the paper: expansion t, channels c, repeats n, stride s of the first.
_BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
_STRIDE = 16


class MobileFaceNet(nn.Module):
    """Table 1 of the paper: pixels [N, 3, height, width] to an embedding [N, 128].

    Its head is the global depthwise convolution that the paper proposes instead of average pooling,
    so each position of the feature map (layer "conv2") has its own weights. Submodules are named as
    in the public checkpoints, so these load with strict=True.

    Args:
        input_size: (height, width) of the pixels, multiples of 16. The default, (112, 96), is a
            variant in the paper; its main size is (112, 112).

    Raises:
        ModelError: an input size that is not a multiple of 16.
    """

    def __init__(self, input_size: tuple[int, int] = (112, 96)) -> None:
        super().__init__()
        self.input_size = height, width = input_size
        if min(input_size) < _STRIDE or height % _STRIDE or width % _STRIDE:
            raise ModelError(f"input size {height}x{width}: both must be multiples of {_STRIDE}")
        self.conv1 = ConvBlock(3, 64, 3, stride=2)
        self.dw_conv1 = ConvBlock(64, 64, 3, groups=64)
        blocks, channels = [], 64
        for expansion, out, repeats, stride in _BOTTLENECKS:
            for i in range(repeats):
                blocks.append(Bottleneck(channels, out, expansion, stride if i == 0 else 1))
                channels = out
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = ConvBlock(channels, 512, 1)
        grid = (height // _STRIDE, width // _STRIDE)
        self.linear7 = LinearConvBlock(512, 512, grid, groups=512)
        self.linear1 = LinearConvBlock(512, 128, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels [N, 3, height, width] to the embedding [N, 128], not normalised.

        Raises:
            ModelError: pixels of another size.
        """
        # Larger pixels would run, but give an embedding of the wrong length.
        if tuple(pixels.shape[2:]) != self.input_size:
            given = "x".join(str(side) for side in pixels.shape[2:])
            height, width = self.input_size
            raise ModelError(f"this MobileFaceNet takes {height}x{width} pixels, got {given}")
        feature = self.conv2(self.blocks(self.dw_conv1(self.conv1(pixels))))
        embedding: Tensor = self.linear1(self.linear7(feature)).flatten(1)
        return embedding


class LinearConvBlock(nn.Module):
    """Convolution and batch normalisation, without a nonlinearity."""

    def __init__(
        self, channels: int, out: int, kernel: int | tuple[int, int], groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, rows, cols] to [N, out, rows - kernel + 1, cols - kernel + 1]."""
        normalised: Tensor = self.bn(self.conv(x))
        return normalised


class ConvBlock(nn.Module):
    """Convolution that keeps the size except for its stride, batch normalisation, PReLU."""

    def __init__(
        self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(out)
        self.prelu = nn.PReLU(out)

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, rows, cols] to [N, out, rows / stride, cols / stride]."""
        activated: Tensor = self.prelu(self.bn(self.conv(x)))
        return activated


class Bottleneck(nn.Module):
    """Expand, depthwise 3x3, project; adds the input if the shape stays (MobileNetV2)."""

    def __init__(self, channels: int, out: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.residual = stride == 1 and channels == out
        self.conv = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.PReLU(wide),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.PReLU(wide),
            nn.Conv2d(wide, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, rows, cols] to [N, out, rows / stride, cols / stride]."""
        projected: Tensor = self.conv(x)
        return x + projected if self.residual else projected

"""Generated pictures of pedestrians, with full ground truth and no real person."""

from partlens.explainer.starter.pictures.canvas import PARTS
from partlens.explainer.starter.pictures.picture import Picture, generate, probes

__all__ = ["PARTS", "Picture", "generate", "probes"]

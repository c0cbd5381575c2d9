"""Generated pictures of pedestrians: nobody's photograph, everything known about each."""

from partlens.explainer.starter.pictures.canvas import PARTS
from partlens.explainer.starter.pictures.picture import Picture, generate

__all__ = ["PARTS", "Picture", "generate"]

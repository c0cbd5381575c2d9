"""A drawn figure: saved to a file, or shown by a notebook."""

import base64
import html
import io
import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from partlens.common.drawing.errors import FigureError

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""Format of a file by its extension."""


@dataclass(frozen=True, eq=False, repr=False)
class Figure:
    """A picture with a text that says what it shows.

    Attributes:
        image: RGB.
        text: for those who cannot see it.
    """

    image: Image.Image
    text: str

    def __repr__(self) -> str:
        return f"Figure({self.image.width}x{self.image.height}: {self.text})"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file: PNG, JPEG or WebP, by its extension.

        Raises:
            FigureError: another extension.
            OSError: the file cannot be written.
        """
        file = Path(path)
        Path(path).write_bytes(self.encoded(file.suffix, str(file)))

    def encoded(self, suffix: str = ".png", name: str = "") -> bytes:
        """The bytes of a file with this extension; raises FigureError.

        Args:
            suffix: one of FORMATS.
            name: of the file, for the error.
        """
        kind = FORMATS.get(suffix.lower())
        if kind is None:
            raise FigureError(
                f"a figure cannot be saved as {name or suffix!r}: its extension must be one of"
                f" {', '.join(FORMATS)}"
            )
        out = io.BytesIO()
        self.image.save(out, kind, quality=92)
        return out.getvalue()

    def _repr_png_(self) -> bytes:
        return self.encoded()

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.encoded()).decode()
        text = html.escape(self.text, quote=True)
        return f'<img src="data:image/png;base64,{data}" alt="{text}" style="max-width:100%">'

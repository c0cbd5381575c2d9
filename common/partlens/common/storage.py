"""Number types in which a gallery can store contributions."""

from typing import Literal

Storage = Literal["float16", "int8"]

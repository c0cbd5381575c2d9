"""Base of the sections."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from partlens.common.bucket_address import LOCAL, is_url


class Section(BaseModel):
    """Base of the sections. Unknown settings are rejected, and so are URLs instead of paths."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @field_validator("*")
    @classmethod
    def _local(cls, value: Any) -> Any:
        paths = value if isinstance(value, tuple) else (value,)
        if any(isinstance(one, Path) and is_url(str(one)) for one in paths):
            raise ValueError(LOCAL)
        return value

"""Base of the sections."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of the sections. Unknown settings are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

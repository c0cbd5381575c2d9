"""What came of trying one thing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Trial:
    """What came of using a part: a finding, or a complaint where it failed."""

    finding: str
    complaint: str = ""

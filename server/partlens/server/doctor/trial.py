"""The result of one check."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Trial:
    """The result of one check: a finding, and a complaint if something is wrong."""

    finding: str
    complaint: str = ""

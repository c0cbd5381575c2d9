"""Digests that identify a request, in page tokens and in the audit log."""

import hashlib
import json


def digest(*parts: object) -> str:
    """A short digest that identifies a request by its parts (plain JSON values).

    >>> digest("a", [1]) == digest("a", [1]), digest("ab", "c") == digest("a", "bc")
    (True, False)
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]

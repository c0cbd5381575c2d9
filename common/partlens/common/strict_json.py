"""JSON that refuses duplicate keys."""

import json
from typing import Any


def loads(text: str | bytes) -> Any:
    """Parse a JSON text.

    Python's own parser silently keeps only the last of two equal keys.

    Raises:
        ValueError: not JSON, or an object has a key twice.
        RecursionError: it is nested too deeply.

    >>> loads('{"box": 1, "box": 2}')
    Traceback (most recent call last):
    ValueError: key 'box' comes twice in an object; give it once
    """
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key[:80]!r} comes twice in an object; give it once")
        found[key] = value
    return found

"""Shows the page in a browser, where there is a screen to show it on."""

import os
import sys
import webbrowser
from collections.abc import Mapping


def has_display(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether a browser can open a window.

    >>> has_display({"DISPLAY": ":0"}, "linux"), has_display({}, "linux")
    (True, False)
    >>> has_display({}, "darwin"), has_display({"SSH_CONNECTION": "10.0.0.1"}, "darwin")
    (True, False)
    """
    if platform == "darwin":
        return "SSH_CONNECTION" not in environment
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def show(address: str) -> None:
    """Open an address in the user's browser, if a window can be opened."""
    if has_display(os.environ):
        webbrowser.open(address)

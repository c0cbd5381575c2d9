"""How to install what is missing, in the same words everywhere."""


def pip_install(extra: str) -> str:
    """The command that installs an extra of partlens.

    Args:
        extra: name in pyproject.toml; several are separated by commas.

    >>> print(pip_install("report"))
    pip install "partlens[report]"
    """
    return f'pip install "partlens[{extra}]"'

"""The program `partlens`. Its libraries are not part of the base install."""

import sys

_OF_THE_EXTRA = ("click", "jinja2", "PIL", "rich")


def main() -> None:
    """Run a command, or say how to install the command line."""
    try:
        from partlens.cli.main import main as command
    except ModuleNotFoundError as error:
        if error.name not in _OF_THE_EXTRA:
            raise
        sys.exit("The command line needs the extra `cli`: pip install 'partlens[cli]'")
    command()


if __name__ == "__main__":
    main()

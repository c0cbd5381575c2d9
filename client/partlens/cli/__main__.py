"""The program `partlens`. Its libraries are not part of the base install."""

import io
import os
import sys

from partlens.common.installing import pip_install

_OF_THE_EXTRA = ("click", "jinja2", "PIL", "rich")


def main() -> None:
    """Run a command, or say how to install the command line."""
    # gRPC's core reads this as it is imported. It would write a line for each TLS handshake that
    # fails, and strangers can make those fail without end.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        if (asked := os.environ.get("_PARTLENS_COMPLETE")) is not None:
            from partlens.cli.completion import answer

            sys.exit(answer(asked))
        from partlens.cli.main import main as command
    except ModuleNotFoundError as error:
        if error.name not in _OF_THE_EXTRA:
            raise
        sys.exit(f"The command line needs the extra `cli`: {pip_install('cli')}")
    # A name that the terminal cannot show is escaped, as Python does in error messages.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        command()
    except OSError as error:  # such as a full disk behind the standard output
        _forget_output()
        from partlens.common.terminal import safe

        sys.exit(safe(f"Error: {error}"))


def _forget_output() -> None:
    """Drop what could not be written, which Python would try again on its way out."""
    try:
        sys.stdout.close()
    except OSError:
        pass


if __name__ == "__main__":
    main()

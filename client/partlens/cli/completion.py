"""`partlens completion`, and the answers that shells ask for.

They come from completions.json, which scripts/write_docs.py writes, so that no key press imports
what a command needs.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import click
from click.shell_completion import get_completion_class, shell_complete

from partlens.common.terminal import say

VARIABLE = "_PARTLENS_COMPLETE"
"""Environment variable by which a shell asks; click's own name for it."""
_PROGRAM = "partlens"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes commands and options in SHELL.

    For bash, put `eval "$(partlens completion bash)"` in ~/.bashrc; for zsh, `eval "$(partlens
    completion zsh)"` in ~/.zshrc, after compinit; for fish, write the script to
    ~/.config/fish/completions/partlens.fish.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    say(kind(click.Command(_PROGRAM), {}, _PROGRAM, VARIABLE).source())


def answer(instruction: str) -> int:
    """Print what a shell asks for; returns the exit status.

    Args:
        instruction: value of VARIABLE.
    """
    return shell_complete(_command(_PROGRAM, _tree()), {}, _PROGRAM, VARIABLE, instruction)


def described(command: click.Command, context: click.Context) -> dict[str, Any]:
    """What completion needs to know of a command, as plain values."""
    plain: dict[str, Any] = {"help": command.get_short_help_str(80)}
    if options := dict(_options(command, context)):
        plain["options"] = options
    if arguments := list(_arguments(command)):
        plain["arguments"] = arguments
    if isinstance(command, click.Group):
        below = {
            name: command.get_command(context, name) for name in command.list_commands(context)
        }
        plain["commands"] = {
            name: described(one, click.Context(one, parent=context, info_name=name))
            for name, one in below.items()
            if one is not None
        }
    return plain


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, Any]]:
    for one in command.get_params(context):
        if isinstance(one, click.Option):
            names = " ".join([*one.opts, *one.secondary_opts])
            plain: dict[str, Any] = {"help": (one.help or "").partition(". ")[0]}
            if one.is_flag:
                plain["flag"] = True
            else:
                plain |= _values(one.type)
            if one.nargs != 1:
                plain["nargs"] = one.nargs
            yield names, plain


def _arguments(command: click.Command) -> Iterator[dict[str, Any]]:
    for one in command.params:
        if isinstance(one, click.Argument):
            yield {"name": one.name, "nargs": one.nargs, **_values(one.type)}


def _values(type: click.ParamType[Any]) -> dict[str, Any]:
    if isinstance(type, click.Choice):
        return {"choices": list(type.choices)}
    return (
        {"path": "folder" if not type.file_okay else "any"} if isinstance(type, click.Path) else {}
    )


@cache
def _tree() -> Mapping[str, Any]:
    text = files("partlens.cli").joinpath("completions.json").read_text(encoding="utf-8")
    tree: Mapping[str, Any] = json.loads(text)
    return tree


def _command(name: str, plain: Mapping[str, Any]) -> click.Command:
    params: list[click.Parameter] = [
        click.Option(
            names.split(),
            help=one["help"],
            is_flag=one.get("flag", False),
            multiple=not one.get("flag", False),
            nargs=one.get("nargs", 1),
            type=None if one.get("flag") else _type(one),
        )
        for names, one in plain.get("options", {}).items()
    ]
    params += [
        click.Argument([one["name"]], nargs=one["nargs"], type=_type(one))
        for one in plain.get("arguments", [])
    ]
    if "commands" not in plain:
        return click.Command(name, params=params, help=plain["help"], add_help_option=False)
    below = {name: _command(name, one) for name, one in plain["commands"].items()}
    return click.Group(name, below, params=params, help=plain["help"], add_help_option=False)


def _type(plain: Mapping[str, Any]) -> click.ParamType[Any] | None:
    if "choices" in plain:
        return click.Choice(plain["choices"])
    if "path" in plain:
        return click.Path(file_okay=plain["path"] != "folder")
    return None

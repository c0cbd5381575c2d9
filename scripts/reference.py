"""The Python reference: every public name of the libraries, from source and docstrings."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import indent

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "partlens.client": "Calls a server ([guide](python.md)).",
    "partlens.testing": "A server for your tests ([guide](python.md#testing)).",
    "partlens.explainer": "Explains images without a server ([guide](explainer.md)).",
}
_FOLDERS = ("client", "server", "explainer", "common")
_WIDTH = 80
Def = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Name:
    """A public name.

    Attributes:
        module: module that defines it.
        node: its definition.
        text: its docstring, or that below an assignment.
    """

    module: str
    node: ast.stmt
    text: str


def reference_page(note: str) -> str:
    """The page, as Markdown.

    Args:
        note: where it comes from.
    """
    parts = [
        "# Python reference",
        note,
        "Every public name, with its docstring. The methods of `AsyncClient` are those of `Client`,"
        " to be awaited.",
    ]
    seen = set[tuple[str, str]]()
    for package, about in PACKAGES.items():
        parts += [f"## {package}", about]
        names = public(package)
        for name in sorted(names, key=str.lower):
            found = names[name]
            if (found.module, name) not in seen:
                seen.add((found.module, name))
                parts += section(name, found)
    return "\n\n".join(parts) + "\n"


def public(package: str) -> dict[str, Name]:
    """The names that a package exports, and the bases of its classes that have a section."""
    modules = imported(ast.parse(file_of(package).read_text("utf-8")))
    found = {name: definition(modules[name], name) for name in exported(package)}
    for one in list(found.values()):
        for name, base in bases(one).items():
            if not is_part(name, base):
                found.setdefault(name, base)
    return found


@cache
def exported(package: str) -> frozenset[str]:
    """What `__all__` of a package names."""
    (names,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(file_of(package).read_text("utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    return frozenset(names)


def is_part(name: str, base: Name) -> bool:
    """Whether a class is only a part of its subclasses: no package exports or shares it."""
    shared = base.module.startswith("partlens.common.")
    return not shared and not any(name in exported(package) for package in PACKAGES)


def bases(found: Name) -> dict[str, Name]:
    """Our own classes that a class inherits from another module."""
    if not isinstance(found.node, ast.ClassDef):
        return {}
    above = imported(ast.parse(file_of(found.module).read_text("utf-8")))
    names = [ast.unparse(base) for base in found.node.bases]
    ours = [name for name in names if above.get(name, "").startswith("partlens.")]
    return {name: definition(above[name], name) for name in ours}


def members(found: Name) -> list[ast.stmt]:
    """What is in a class, after what is in the bases that are parts of it."""
    inherited = [
        node for name, base in bases(found).items() if is_part(name, base) for node in members(base)
    ]
    own = found.node.body if isinstance(found.node, ast.ClassDef) else []
    # Two bases may have a base in common.
    return list({ast.unparse(node): node for node in [*inherited, *own]}.values())


def imported(tree: ast.Module) -> dict[str, str]:
    """Module of each name that a module imports from another."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module)
    return {alias.name: str(node.module) for node in nodes for alias in node.names}


def file_of(module: str) -> Path:
    """The source of a module."""
    path = Path(*module.split("."))
    for folder in _FOLDERS:
        for file in (ROOT / folder / path.with_suffix(".py"), ROOT / folder / path / "__init__.py"):
            if file.exists():
                return file
    raise FileNotFoundError(module)


def definition(module: str, name: str) -> Name:
    """The definition of a name, in this module or the one that it is imported from."""
    tree = ast.parse(file_of(module).read_text("utf-8"))
    body = tree.body
    for number, node in enumerate(body):
        if isinstance(node, ast.ClassDef | Def) and node.name == name:
            return Name(module, node, ast.get_docstring(node) or "")
        if isinstance(node, ast.Assign | ast.AnnAssign) and name in assigned(node):
            below = body[number + 1] if number + 1 < len(body) else None
            text = below.value if isinstance(below, ast.Expr) else None
            says = text.value if isinstance(text, ast.Constant) else ""
            return Name(module, node, inspect.cleandoc(str(says)))
    return definition(imported(tree)[name], name)


def assigned(node: ast.Assign | ast.AnnAssign) -> set[str]:
    """Names that a statement assigns to."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}


def section(name: str, found: Name) -> Iterator[str]:
    """A name's heading, its form and its text, and those of its methods."""
    yield f"### {name}"
    node = found.node
    if not isinstance(node, ast.ClassDef):
        form = signature(node) if isinstance(node, Def) else ast.unparse(node)
        yield block(form, found.text)
        return
    yield block(class_form(found, node), found.text)
    for method in members(found):
        if isinstance(method, Def) and not method.name.startswith("_") and name != "AsyncClient":
            yield f"#### {name}.{method.name}"
            yield block(signature(method), ast.get_docstring(method) or "")


def class_form(found: Name, node: ast.ClassDef) -> str:
    """The first line of a class, and its fields or what creates it."""
    parts = {name for name, base in bases(found).items() if is_part(name, base)}
    shown = ", ".join(name for name in map(ast.unparse, node.bases) if name not in parts)
    lines = [f"class {node.name}({shown})" if shown else f"class {node.name}"]
    for one in members(found):
        if isinstance(one, ast.AnnAssign):
            lines.append(f"    {ast.unparse(one)}")
        elif isinstance(one, Def) and one.name == "__init__":
            lines.append(indent(signature(one), "    "))
    return "\n".join(lines)


def signature(node: Def) -> str:
    """A function as it is defined, one argument in a line if they are many."""
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    if any(ast.unparse(one) == "property" for one in node.decorator_list):
        return f"{node.name}: {returns.removeprefix(' -> ')}"
    arguments = ast.unparse(node.args)
    if len(arguments) > _WIDTH:
        arguments = "\n    " + ",\n    ".join(split(arguments)) + ",\n"
    return f"{kind} {node.name}({arguments}){returns}"


def split(arguments: str) -> list[str]:
    """Arguments one by one.

    >>> split("self, at: tuple[int, int]=(1, 2), *, top: int")
    ['self', 'at: tuple[int, int]=(1, 2)', '*', 'top: int']
    """
    parts, depth = [""], 0
    for sign in arguments:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [one.strip() for one in parts]


def block(form: str, text: str) -> str:
    """A form as code, then a docstring as it is written."""
    code = f"```py\n{form}\n```"
    return f"{code}\n\n```text\n{text}\n```" if text else code

"""`partlens gallery`: the galleries of a server, and their aliases."""

import click

from partlens.client.answers import NamedGallery
from partlens.client.cli.arguments import clear_errors
from partlens.client.cli.connection import server_options
from partlens.client.sync_client import Client
from partlens.common.results import json_lines_option, json_option, say_json, say_result
from partlens.common.tables import Column, Table, say_table
from partlens.common.terminal import say


@click.group()
def gallery() -> None:
    """List the galleries of a server, and move their aliases."""


@gallery.command("list")
@json_lines_option
@server_options
def list_command(as_json: bool, client: Client) -> None:
    """List the galleries that the token may use, with their aliases and models."""
    with clear_errors(), client:
        found = client.list_galleries()
    if as_json:
        for one in found:
            say_json(_plain(one))
        return
    images = Column("images", justify="right", no_wrap=True)
    table = Table("name", "gallery", images, "model", "")
    for one in found:
        table.add_row(
            one.name,
            one.gallery,
            str(one.images),
            f"{one.model.name} ({one.model.digest[:15]})",
            "default" if one.default else "",
        )
    say_table(table)


@gallery.command("alias")
@click.argument("alias")
@click.argument("gallery")
@json_option
@server_options
def alias_command(alias: str, gallery: str, as_json: bool, client: Client) -> None:
    """Make the name ALIAS lead to GALLERY, from the next call on. Needs scope admin.

    ALIAS may be the name of another gallery, which it then hides; give its own name as GALLERY to
    take that back. Calls in progress keep the gallery that they began with.
    """
    with clear_errors(), client:
        moved = client.set_gallery_alias(alias, gallery)
    facts = {"alias": alias, "gallery": gallery, "before": moved.before, "left": dict(moved.left)}
    before = f", before to {moved.before}" if moved.before else ""
    say_result(facts, f"{alias} leads to {gallery}{before}", as_json=as_json)
    for id, name in moved.left.items():
        say(
            f"warning: standing query {id} ({name}) exists only in {moved.before}, so new images"
            f" of {gallery} are not scored against it",
            err=True,
        )


@gallery.command("unalias")
@click.argument("alias")
@json_option
@server_options
def unalias_command(alias: str, as_json: bool, client: Client) -> None:
    """Remove ALIAS; a gallery with the same name is no longer hidden. Needs scope admin."""
    with clear_errors(), client:
        client.delete_gallery_alias(alias)
    say_result({"removed": alias}, f"{alias} is no alias any more", as_json=as_json)


def _plain(one: NamedGallery) -> dict[str, object]:
    return {
        "name": one.name,
        "gallery": one.gallery,
        "default": one.default,
        "images": one.images,
        "version": one.version,
        "model": one.model.name,
        "model_digest": one.model.digest,
        "moved_at": one.moved_at.isoformat() if one.moved_at else None,
    }

"""The hits of a search as a table."""

from collections.abc import Sequence

from partlens.client.search_answers import Hit
from partlens.common.tables import Column, Name, Table

_ATTRIBUTES = 3
"""Most attributes to show; --json has all."""


def hit_table(hits: Sequence[Hit]) -> Table:
    """The hits, best first, with the metadata that some have and the attributes that differ."""
    # In a narrow terminal, names are shortened, never numbers.
    place, score, where = (Column(name, no_wrap=True) for name in ("", "score", "box x,y,w,h"))
    table = Table(place, "image", score, where)
    # A column that no hit has a value for would only make names shorter.
    known = [hit.image.metadata for hit in hits]
    columns = {
        name: values
        for name in ("camera", "track")
        if any(values := [getattr(one, name) for one in known])
    }
    for name in differing_attributes(hits)[:_ATTRIBUTES]:
        columns[f"{name}:" if name in columns else name] = [
            one.attributes.get(name, "") for one in known
        ]
    if any(hit.group for hit in hits):
        columns["others"] = [str(hit.others_in_group) for hit in hits]
    for name in columns:
        table.add_column(name)
    for at, hit in enumerate(hits):
        box = hit.box
        table.add_row(
            str(at + 1),
            Name(hit.id),
            f"{hit.score:.4f}",
            f"{box.x:.0f},{box.y:.0f},{box.width:.0f},{box.height:.0f}",
            *(Name(values[at]) for values in columns.values()),
        )
    return table


def differing_attributes(hits: Sequence[Hit]) -> list[str]:
    """Names of the attributes that are not the same for all hits, in alphabetical order."""
    known = [hit.image.metadata.attributes for hit in hits]
    names = {name for one in known for name in one}
    return sorted(name for name in names if len({one.get(name, "") for one in known}) > 1)


def hidden_attributes(hits: Sequence[Hit]) -> list[str]:
    """The attributes that differ, but have no column."""
    return differing_attributes(hits)[_ATTRIBUTES:]

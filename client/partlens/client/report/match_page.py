"""The page of a match of a standing query."""

from dataclasses import replace

from partlens.client.report import shown
from partlens.client.report.rendering import rendered
from partlens.client.standing import StandingMatch
from partlens.common.drawing.scale import Scale


def match_page(match: StandingMatch, thumbnail: bytes, bias_share: float = 0.0) -> str:
    """The page of a match of a standing query.

    Args:
        thumbnail: thumbnail of the image, encoded; b"" if it is not available.
        bias_share: of the gallery's model; a large one is warned of.
    """
    scale = Scale.of(match.hit.map)
    return rendered(
        "match.html.j2",
        bias_share,
        embedded="",
        title="",
        name=match.query_name or match.query_id,
        query_id=match.query_id,
        revision=match.revision,
        hit=shown.hit(replace(match.hit, thumbnail=thumbnail), scale),
        grid=None if match.hit.map is None else match.hit.map.values.shape,
        scale=scale,
    )

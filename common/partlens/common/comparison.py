"""Two images that were compared, with what figures of them need."""

from collections.abc import Sequence
from dataclasses import dataclass

from partlens.common.drawing.figure import Figure
from partlens.common.drawing.pair_figure import MarkedRegion, explained_figure
from partlens.common.drawing.shown_image import ShownImage
from partlens.common.explained_pair import ExplainedPair, Side


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two images that were compared.

    Attributes:
        pair: the explanation.
        images: pictures of both.
        regions: those of pair.partial_maps, in their order.
        bias_share: of the model.
        identity: what the numbers can be traced to: ids of the images, or the model's digest.
    """

    pair: ExplainedPair
    images: dict[Side, ShownImage]
    regions: Sequence[MarkedRegion]
    bias_share: float
    identity: dict[str, object]

    def figure(self, scale: float | None = None) -> Figure:
        """See explained_figure."""
        return explained_figure(self.images, self.pair, self.regions, scale)

"""Rank pictures by what a part of a query adds to the similarity, and draw why. Needs no server.

    python explain_offline.py query.jpg photos/ --box 26,2,52,40 --out why/

Uses the starter model, which knows only generated people, unless you give --model, a folder that
`partlens model import` wrote. `partlens maps` does the same from the command line.
"""

import argparse
from pathlib import Path

from partlens.explainer import Box, MetricModel
from partlens.explainer.starter import model_folder


def main() -> None:
    """Rank, print and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("query", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--box", required=True, help="x,y,width,height of the part, in pixels")
    parser.add_argument("--model", type=Path, default=model_folder())
    parser.add_argument("--top", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("why"))
    given = parser.parse_args()
    part = Box(*(float(number) for number in given.box.split(",")))
    model = MetricModel.load(given.model)
    found = []
    for path in sorted(given.folder.glob("*.jpg")):
        # What the part adds to the similarity of the two pictures, by position of the second.
        found.append((model.explain(given.query, path).partial_map(part), path))
    found.sort(key=lambda one: -one[0].total)
    given.out.mkdir(parents=True, exist_ok=True)
    for map, path in found[: given.top]:
        print(f"{map.total:+.4f}  {path.name}")
        map.figure(scale=0.1).save(given.out / f"{path.stem}.png")


if __name__ == "__main__":
    main()

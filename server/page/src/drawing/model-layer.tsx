// What the model sees of a picture: the lines between its cells, the cells that regions cover, and what it does not see at all.
import type { Grid } from "../geometry/grid.ts";
import { at } from "../geometry/axis.ts";
import type { ImageRef } from "../query/question.ts";
import { coveredBy } from "./covered.ts";
import type { Placed } from "./regions-on.ts";

interface Props {
  readonly grid: Grid;
  readonly imageRef: ImageRef;
  /** The regions whose cells are shaded. */
  readonly placed: readonly Placed[];
  /** Whether the lines are drawn too. */
  readonly lines: boolean;
}

export function ModelLayer({ grid, imageRef, placed, lines }: Props) {
  return (
    <g class="model" aria-hidden="true">
      {placed.map((one) => <Cells key={one.index} one={one} grid={grid} imageRef={imageRef} />)}
      {lines && <path class="unseen-part" fill-rule="evenodd" d={outside(grid)} />}
      {lines && <path class="grid-lines" d={linesOf(grid)} />}
    </g>
  );
}

function Cells({ one, grid, imageRef }: { readonly one: Placed; readonly grid: Grid; readonly imageRef: ImageRef }) {
  const shares = coveredBy(one.region, grid, imageRef);
  if (!shares) return null;
  return (
    <g class={one.exclude ? "cells excluded" : "cells"}>
      {Array.from(shares, (share, position) => {
        if (share <= 0) return null;
        const { x, y, width, height } = grid.cell(position);
        return <rect key={position} x={x} y={y} width={width} height={height} fill-opacity={0.08 + 0.52 * share} />;
      })}
    </g>
  );
}

function linesOf(grid: Grid): string {
  const { xs, ys } = grid.lines();
  const [left, right, top, bottom] = [at(xs, 0), at(xs, xs.length - 1), at(ys, 0), at(ys, ys.length - 1)];
  return xs.map((x) => `M${x} ${top}V${bottom}`).join("") + ys.map((y) => `M${left} ${y}H${right}`).join("");
}

function outside({ image, extent }: Grid): string {
  const box = (x: number, y: number, width: number, height: number) => `M${x} ${y}h${width}v${height}h${-width}Z`;
  return box(0, 0, image.width, image.height) + box(extent.x, extent.y, extent.width, extent.height);
}

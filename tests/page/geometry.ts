// Answers geometry questions, one a line of JSON, for test_geometry.py: the functions that the page itself uses.
import { createInterface } from "node:readline";
import { coverage } from "../../server/page/src/geometry/coverage.ts";
import { Grid, type Described } from "../../server/page/src/geometry/grid.ts";
import { maskOf } from "../../server/page/src/geometry/mask.ts";
import type { Region, Size } from "../../server/page/src/geometry/region.ts";
import { coloured, upsampled } from "../../server/page/src/heat/colours.ts";

interface Asked {
  readonly grid: Described;
  readonly image: Size;
  readonly region?: Region;
  /** Pixels of a mask, in place of a region. */
  readonly pixels?: readonly number[];
  /** A map to draw, in place of a region. */
  readonly values?: readonly number[];
  readonly strongest: number;
}

function answer({ grid: described, image, region, pixels, values, strongest }: Asked): unknown {
  const grid = new Grid(described, image);
  if (values) {
    const drawn = upsampled(values, grid, image.width, image.height);
    return { drawn: [...drawn], rgba: [...coloured(drawn, { strongest, largest: strongest })] };
  }
  const asked = region ?? { kind: "mask" as const, mask: maskOf(pixels ?? [], image) };
  return [...(coverage(asked, grid) ?? [])];
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(JSON.parse(line) as Asked))}\n`);
}

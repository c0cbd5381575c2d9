// What the model covers of each region; and a warning where that is less than a person would think.
import { signal } from "@preact/signals";
import { searchService } from "../api/clients.ts";
import { coverage } from "../geometry/coverage.ts";
import type { Grid } from "../geometry/grid.ts";
import type { Point, Region } from "../geometry/region.ts";
import { refText } from "../query/address.ts";
import { InTurn } from "../query/in-turn.ts";
import type { ImageRef } from "../query/question.ts";
import { toImage, toRegion } from "../query/request.ts";

const computed = new WeakMap<Region, { readonly grid: Grid; readonly shares: Float32Array }>();
// Where a point snaps to depends only on the cell that it lies in.
const parts = signal<ReadonlyMap<string, Float32Array>>(new Map());

interface Asked {
  readonly key: string;
  readonly ref: ImageRef;
  readonly point: Region;
}

const snapping = new InTurn<Asked>(async ({ key, ref, point }) => {
  if (parts.peek().has(key)) return;
  try {
    const { coverage: [map] } = await searchService.describeQuery({ image: toImage(ref), regions: [toRegion(point)] });
    if (map) parts.value = new Map(parts.peek()).set(key, Float32Array.from(map.values));
  } catch {
    // The search says why.
  }
});

/** The share of each cell that a region covers; undefined while only the server knows. */
export function coveredBy(region: Region, grid: Grid, ref: ImageRef): Float32Array | undefined {
  if (region.kind === "point" && region.snap) return partAt(region, grid, ref);
  const found = computed.get(region);
  if (found?.grid === grid) return found.shares;
  const shares = coverage(region, grid);
  if (shares) computed.set(region, { grid, shares });
  return shares;
}

function partAt(point: Region & Point, grid: Grid, ref: ImageRef): Float32Array | undefined {
  const position = grid.positionAt(point);
  if (position === undefined) return new Float32Array(grid.positions);
  const key = `${refText(ref)} ${position}`, found = parts.value.get(key);
  if (!found) snapping.ask({ key, ref, point });
  return found;
}

/** What a person should know of a region; undefined if there is nothing. */
export function warningOf(shares: Float32Array | undefined): string | undefined {
  if (!shares) return undefined;
  const cells = shares.reduce((sum, share) => sum + share, 0);
  if (cells === 0) return "Outside what the model sees";
  return cells < 0.999 ? "Smaller than one cell: the whole cell counts in part" : undefined;
}

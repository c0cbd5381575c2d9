// The sum that makes a score.
import { at } from "../../../geometry/axis.ts";
import { coverage } from "../../../geometry/coverage.ts";
import type { Grid } from "../../../geometry/grid.ts";
import type { Box } from "../../../geometry/region.ts";
import { sums } from "../../../heat/colours.ts";

// Scores are sums of single-precision numbers; more than this apart is an error somewhere.
const TOLERANCE = 1e-4;

export interface Sum {
  readonly red: number;
  readonly blue: number;
  readonly constant: number;
  /** Red, blue and constant together, as added up in the browser. */
  readonly total: number;
  /** Whether they make the score that the server gave. */
  readonly agrees: boolean;
}

export function sumOf(values: ArrayLike<number>, constant: number, score: number): Sum {
  const { red, blue } = sums(values), total = red + blue + constant;
  return { red, blue, constant, total, agrees: Math.abs(total - score) <= TOLERANCE * Math.max(1, Math.abs(score)) };
}

/** The share of the red that lies in a box; undefined if nothing is red. */
export function redInside(values: ArrayLike<number>, grid: Grid, box: Box): number | undefined {
  const shares = coverage({ kind: "box", ...box }, grid), { red } = sums(values);
  if (!shares || red <= 0) return undefined;
  return shares.reduce((sum, share, position) => sum + share * Math.max(at(values, position), 0), 0) / red;
}

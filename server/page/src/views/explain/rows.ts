// Partial maps from a pair matrix: the whole of it, or, where the grids are too fine for that, the rows that are asked for.
import { at } from "../../geometry/axis.ts";
import { partialMap, transposed, type Pairs, type Partial } from "../../geometry/pairs.ts";
import type { Region } from "../../geometry/region.ts";
import { shapeText } from "../../query/address.ts";
import { other, type Side } from "../../explanation/explanation.ts";

/** A region of an image, and the share of each position that it covers. */
export interface Covered {
  readonly side: Side;
  readonly region: Region;
  readonly shares: Float32Array;
}

export interface Rows {
  /** The partial map of a region on the other image; undefined while it is on its way. */
  partial(covered: Covered): Partial | undefined;
}

/** Rows of a matrix that is there as a whole. */
export class WholeRows implements Rows {
  readonly #pairs: Readonly<Record<Side, Pairs>>;

  /** @param pairs the rows belong to A. */
  constructor(pairs: Pairs) {
    this.#pairs = { a: pairs, b: transposed(pairs) };
  }

  partial({ side, shares }: Covered): Partial {
    return partialMap(this.#pairs[side], shares);
  }
}

interface Row {
  readonly values: Float32Array;
  readonly bias: number;
}

interface Options {
  /** Number of positions of each image. */
  readonly positions: Readonly<Record<Side, number>>;
  /** Most pairs of positions in one call. */
  readonly most: number;
  /** The rows of these positions, in their order. */
  readonly fetchRows: (side: Side, positions: readonly number[]) => Promise<Pairs>;
  /** The partial map of a region. */
  readonly fetchPartial: (side: Side, region: Region) => Promise<Partial>;
  /** Called whenever something has come in. */
  readonly onChange: () => void;
  /** Called when a call has failed; it is not made again until `partial` wants it. */
  readonly onProblem: (error: unknown) => void;
}

const MOST_NUMBERS = 16_000_000, MOST_MAPS = 100;

/**
 * Rows that are fetched with their neighbours when a region needs them, and kept. Of a region with more rows than one call may
 * return, the server computes the partial map.
 */
export class FetchedRows implements Rows {
  readonly #options: Options;
  readonly #rows = { a: new Map<number, Row>(), b: new Map<number, Row>() };
  readonly #maps = new Map<string, Partial>();
  #wanted: (() => Promise<void>) | undefined;
  #busy = false;

  constructor(options: Options) {
    this.#options = options;
  }

  partial({ side, region, shares }: Covered): Partial | undefined {
    const covered = [...shares.keys()].filter((position) => shares[position]);
    if (covered.length > this.#room(side)) return this.#large(side, region);
    const rows = covered.map((position) => this.#rows[side].get(position));
    const missing = covered.filter((_, i) => !rows[i]);
    if (missing.length) {
      this.#want(async () => {
        const asked = this.#withNeighbours(side, missing);
        this.keep(side, asked, await this.#options.fetchRows(side, asked));
      });
      return undefined;
    }
    return sumOf(rows, covered.map((position) => at(shares, position)), this.#options.positions[other(side)]);
  }

  /** Keeps rows that are already there. */
  keep(side: Side, positions: readonly number[], pairs: Pairs): void {
    const kept = this.#rows[side];
    positions.forEach((position, row) => {
      const values = pairs.values.subarray(row * pairs.cols, (row + 1) * pairs.cols);
      kept.delete(position);
      kept.set(position, { values, bias: at(pairs.bias, row) });
    });
    letGo(kept, Math.floor(MOST_NUMBERS / pairs.cols));
  }

  #large(side: Side, region: Region): Partial | undefined {
    const name = `${side}:${shapeText(region)}`, found = this.#maps.get(name);
    if (found) return found;
    this.#want(async () => {
      this.#maps.set(name, await this.#options.fetchPartial(side, region));
      letGo(this.#maps, MOST_MAPS);
    });
    return undefined;
  }

  /** Number of rows that one call may return. */
  #room(side: Side): number {
    return Math.max(1, Math.floor(this.#options.most / this.#options.positions[other(side)]));
  }

  // One call at a time. What was wanted meanwhile and is no longer is never asked for.
  #want(call: () => Promise<void>): void {
    this.#wanted = call;
    if (!this.#busy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    try {
      for (let call = this.#next(); call; call = this.#next()) {
        await call();
        this.#options.onChange();
      }
    } catch (error) {
      this.#wanted = undefined;
      this.#options.onProblem(error);
    } finally {
      this.#busy = false;
    }
  }

  #next(): (() => Promise<void>) | undefined {
    const call = this.#wanted;
    this.#wanted = undefined;
    return call;
  }

  /** Positions for one call: those that are missing, and what precedes and follows them. */
  #withNeighbours(side: Side, missing: readonly number[]): number[] {
    const count = this.#options.positions[side], room = this.#room(side), asked = new Set(missing);
    const first = Math.min(...asked), last = Math.max(...asked);
    for (let step = 1; asked.size < room && step < count; step++) {
      for (const near of [first - step, last + step]) {
        if (near >= 0 && near < count && asked.size < room && !this.#rows[side].has(near)) asked.add(near);
      }
    }
    return [...asked].sort((one, next) => one - next);
  }
}

/** Lets go of what was kept first. */
function letGo(kept: Map<unknown, unknown>, most: number): void {
  for (const key of kept.keys()) {
    if (kept.size <= Math.max(1, most)) return;
    kept.delete(key);
  }
}

function sumOf(rows: readonly (Row | undefined)[], shares: readonly number[], cols: number): Partial {
  const values = new Float32Array(rows.length * cols), bias = new Float32Array(rows.length);
  rows.forEach((row, i) => {
    if (!row) return;
    values.set(row.values, i * cols);
    bias[i] = row.bias;
  });
  return partialMap({ rows: rows.length, cols, values, bias, otherBias: new Float32Array(cols) }, Float32Array.from(shares));
}

/** Positions spread evenly over an image, as many as fit into one call. */
export function sample(positions: number, otherPositions: number, most: number): number[] {
  const count = Math.min(positions, Math.max(1, Math.floor(most / otherPositions)));
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * positions) / count));
}

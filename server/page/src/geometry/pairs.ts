// Partial maps from the contributions of position pairs, without a call.
import { add, at } from "./axis.ts";

/** Contributions of position pairs: see PairMatrix in the contract. */
export interface Pairs {
  /** Number of positions of the image that the rows belong to. */
  readonly rows: number;
  /** Number of positions of the other image. */
  readonly cols: number;
  /** c_p.c_o / Z, [rows, cols]. */
  readonly values: Float32Array;
  /** What the other image's bias adds to each row. */
  readonly bias: Float32Array;
  /** What the bias of the rows' image adds at each position of the other image. */
  readonly otherBias: Float32Array;
}

/** What a region explains of the similarity: a map of the other image, and a constant. */
export interface Partial {
  readonly values: Float32Array;
  readonly constant: number;
}

/** The partial map on the other image of a region that covers the rows by these shares. */
export function partialMap(pairs: Pairs, shares: Float32Array): Partial {
  const values = new Float32Array(pairs.cols);
  let constant = 0;
  shares.forEach((share, row) => {
    if (!share) return;
    constant += share * at(pairs.bias, row);
    for (let col = 0; col < pairs.cols; col++) add(values, col, share * at(pairs.values, row * pairs.cols + col));
  });
  return { values, constant };
}

/** The same pairs, seen from the other image. */
export function transposed(pairs: Pairs): Pairs {
  const { rows, cols } = pairs, values = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) values[col * rows + row] = at(pairs.values, row * cols + col);
  }
  return { rows: cols, cols: rows, values, bias: pairs.otherBias, otherBias: pairs.bias };
}

/** What two regions, one on each image, add to the similarity together. */
export function between(pairs: Pairs, shares: Float32Array, otherShares: Float32Array): number {
  return partialMap(pairs, shares).values.reduce((sum, value, col) => sum + value * at(otherShares, col), 0);
}

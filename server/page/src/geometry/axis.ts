// Where each cell of a feature map looks: the same map between places and cells as the server's (common/registration.py).
// Places are fractions of what the model sees, 0 at the top or left edge and 1 at the other; cell i spans i to i + 1.

/** One axis of cells: the rows from top to bottom, or the columns from left to right. */
export class Axis {
  readonly #places: readonly number[];
  readonly #cells: readonly number[];

  readonly centres: readonly number[];

  /** @param centres where each cell looks, as fractions, ascending. */
  constructor(centres: readonly number[]) {
    this.centres = centres;
    this.#places = [0, ...centres, 1];
    this.#cells = [0, ...centres.map((_, cell) => cell + 0.5), centres.length];
  }

  /** An axis as the server sends it: no centres means evenly spread cells. */
  static of(cells: number, centres: readonly number[]): Axis {
    if (centres.length === cells) return new Axis(centres);
    return new Axis(Array.from({ length: cells }, (_, cell) => (cell + 0.5) / cells));
  }

  get length(): number {
    return this.centres.length;
  }

  /** A place in units of cells; places outside continue the outermost slope. */
  toCells(place: number): number {
    return continued(place, this.#places, this.#cells);
  }

  /** Inverse of toCells. */
  toPlaces(cell: number): number {
    return continued(cell, this.#cells, this.#places);
  }

  /** Places at which toCells changes its slope. */
  bends(): number[] {
    const places = this.#places, cells = this.#cells;
    const slope = (i: number) => (at(cells, i + 1) - at(cells, i)) / (at(places, i + 1) - at(places, i));
    return this.centres.filter((_, i) => Math.abs(slope(i + 1) - slope(i)) > 1e-9 * this.length);
  }

  /** The two neighbouring cells of a place, and the weight of the second: a map is linear between centres. */
  neighbours(place: number): readonly [first: number, second: number, weight: number] {
    const centre = Math.min(Math.max(this.toCells(place) - 0.5, 0), this.length - 1);
    const first = Math.floor(centre);
    return [first, Math.min(first + 1, this.length - 1), centre - first];
  }
}

function continued(value: number, from: readonly number[], to: readonly number[]): number {
  let i = 0;
  while (i < from.length - 2 && value >= at(from, i + 1)) i++;
  const [left, right] = [at(from, i), at(from, i + 1)];
  const [start, end] = [at(to, i), at(to, i + 1)];
  return start + ((value - left) * (end - start)) / (right - left);
}

/** An element that is known to exist. */
export function at<T>(list: ArrayLike<T>, index: number): T {
  const found = list[index];
  if (found === undefined) throw new RangeError(`no element ${index} of ${list.length}`);
  return found;
}

/** Adds to an element that is known to exist. */
export function add(numbers: number[] | Float32Array | Float64Array, index: number, amount: number): void {
  numbers[index] = at(numbers, index) + amount;
}

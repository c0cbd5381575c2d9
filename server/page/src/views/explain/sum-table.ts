// The similarity as a table of what parts of A and parts of B add to it together. Without pins it has the four terms.
import { at } from "../../geometry/axis.ts";
import { contribution, type Pair } from "./pair.ts";
import type { Side } from "../../explanation/explanation.ts";

/** A pinned region: the shares of each position that it covers. */
export interface PinnedShares {
  readonly side: Side;
  readonly name: string;
  readonly shares: Float32Array;
  /** Its partial map on the other image; only read on side A. Undefined while it is on its way. */
  readonly map?: Float32Array | undefined;
}

export interface SumRow {
  readonly name: string;
  /** One per column; undefined while it is not known. */
  readonly cells: readonly (number | undefined)[];
}

export interface SumTable {
  /** Names of the columns, the total last. */
  readonly columns: readonly string[];
  /** The total last. */
  readonly rows: readonly SumRow[];
  /** Whether regions of one image overlap, so that what they share is in both. */
  readonly overlap: boolean;
}

/** Rows and columns sum to their last cell, and the last row and column to the similarity. */
export function sumTable(pair: Pair, pins: readonly PinnedShares[]): SumTable {
  const onA = pins.filter(({ side }) => side === "a"), onB = pins.filter(({ side }) => side === "b");
  const parts = {
    a: onA.map(({ shares }) => contribution(pair, "a", shares)),
    b: onB.map(({ shares }) => contribution(pair, "b", shares)),
  };
  const { placePlace, placeBias, biasPlace, biasBias } = pair.terms;
  const together = onA.map(({ map }) => onB.map(({ shares }) => map && dot(map, shares)));
  const perPin = onA.map((pin, i) => {
    const cells = at(together, i), { places, bias } = at(parts.a, i);
    return { name: pin.name, cells: [...cells, minus(places, cells), bias] };
  });
  const columnRest = onB.map((_, j) => minus(at(parts.b, j).places, together.map((row) => row[j])));
  const rest = [
    ...columnRest,
    minus(minus(placePlace, parts.a.map(({ places }) => places)), columnRest),
    minus(placeBias, parts.a.map(({ bias }) => bias)),
  ];
  const biases = parts.b.map(({ bias }) => bias);
  const rows = [
    ...perPin,
    { name: onA.length ? "rest of A" : "places of A", cells: rest },
    { name: "bias of A", cells: [...biases, minus(biasPlace, biases), biasBias] },
  ];
  return {
    columns: [...onB.map(({ name }) => name), onB.length ? "rest of B" : "places of B", "bias of B", "sum"],
    rows: totalled(rows),
    overlap: overlapping(onA) || overlapping(onB),
  };
}

function totalled(rows: readonly SumRow[]): SumRow[] {
  const last = { name: "sum", cells: at(rows, 0).cells.map((_, column) => sum(rows.map(({ cells }) => cells[column]))) };
  return [...rows, last].map(({ name, cells }) => ({ name, cells: [...cells, sum(cells)] }));
}

type Maybe = number | undefined;

function sum(numbers: readonly Maybe[]): Maybe {
  return numbers.reduce((total: Maybe, one) => (total === undefined || one === undefined ? undefined : total + one), 0);
}

function minus(from: Maybe, numbers: readonly Maybe[]): Maybe {
  const taken = sum(numbers);
  return from === undefined || taken === undefined ? undefined : from - taken;
}

/** What a region of one image and a map of it are together: the map summed over the region. */
export function dot(map: Float32Array, shares: Float32Array): number {
  return map.reduce((total, value, position) => total + value * at(shares, position), 0);
}

function overlapping(pins: readonly PinnedShares[]): boolean {
  const first = pins[0];
  return first !== undefined && first.shares.some((_, position) => pins.reduce((total, { shares }) => total + at(shares, position), 0) > 1.001);
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { Grid } from "../../geometry/grid.ts";
import { between, partialMap, transposed, type Pairs } from "../../geometry/pairs.ts";
import type { Pair } from "./pair.ts";
import { sumTable, type PinnedShares } from "./sum-table.ts";

const ROWS = 4, COLS = 6, BIAS_BIAS = 0.07;

// Numbers without a pattern, the same in every run.
function* numbers(): Generator<number, never> {
  for (let i = 1; ; i++) yield Math.fround(Math.sin(i * i * 12.9898) / 3);
}

const source = numbers();
const take = (count: number) => Float32Array.from({ length: count }, () => source.next().value);
const pairs: Pairs = { rows: ROWS, cols: COLS, values: take(ROWS * COLS), bias: take(ROWS), otherBias: take(COLS) };
const total = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0);
const all = (count: number) => new Float32Array(count).fill(1);

function pairOfMatrix(): Pair {
  const a = partialMap(transposed(pairs), all(COLS)).values, b = partialMap(pairs, all(ROWS)).values;
  const terms = { placePlace: total(a), placeBias: total(pairs.bias), biasPlace: total(pairs.otherBias), biasBias: BIAS_BIAS };
  const grid = (rows: number, cols: number) => new Grid({ rows, cols, rowCentres: [], colCentres: [] }, { width: 9, height: 9 });
  return {
    similarity: terms.placePlace + terms.placeBias + terms.biasPlace + BIAS_BIAS,
    terms,
    grids: { a: grid(2, 2), b: grid(2, 3) },
    overall: {
      a: { places: a, withBias: a.map((value, i) => value + (pairs.bias[i] ?? NaN)) },
      b: { places: b, withBias: b.map((value, i) => value + (pairs.otherBias[i] ?? NaN)) },
    },
  };
}

const pair = pairOfMatrix();

function pin(side: "a" | "b", ...shares: number[]): PinnedShares {
  const covered = Float32Array.from(shares);
  return { side, name: side, shares: covered, map: side === "a" ? partialMap(pairs, covered).values : undefined };
}

const near = (one: number | undefined, expected: number) =>
  assert.ok(one !== undefined && Math.abs(one - expected) < 1e-5, `${one} is not ${expected}`);

const cases: Record<string, PinnedShares[]> = {
  "nothing": [],
  "one on A": [pin("a", 1, 0, 0.5, 0)],
  "one on B": [pin("b", 0, 0, 1, 1, 0.25, 0)],
  "several, some of which overlap": [pin("a", 1, 0, 0, 0), pin("b", 0, 0, 1, 1, 0, 0), pin("a", 1, 1, 0, 0), pin("b", 1, 0, 0, 0, 0, 0.1)],
};

for (const [pinned, pins] of Object.entries(cases)) {
  test(`rows and columns add up to the similarity with pins on ${pinned}`, () => {
    const { rows, columns } = sumTable(pair, pins);
    const last = rows.at(-1);
    near(last?.cells.at(-1), pair.similarity);
    for (const { cells } of rows) {
      assert.equal(cells.length, columns.length);
      near(cells.at(-1), cells.slice(0, -1).reduce<number>((sum, cell) => sum + (cell ?? NaN), 0));
    }
    columns.forEach((_, i) => near(last?.cells[i], rows.slice(0, -1).reduce((sum, { cells }) => sum + (cells[i] ?? NaN), 0)));
  });
}

test("without pins the table has the four terms", () => {
  const { placePlace, placeBias, biasPlace, biasBias } = pair.terms;
  const cells = sumTable(pair, []).rows.map((row) => row.cells);
  [[placePlace, placeBias], [biasPlace, biasBias]].forEach((row, i) => row.forEach((term, j) => near(cells[i]?.[j], term)));
});

test("two regions have in common what their pairs of positions add", () => {
  const a = pin("a", 0.5, 1, 0, 0), b = pin("b", 0, 1, 1, 0, 0, 0.5);
  const { rows, columns } = sumTable(pair, [a, b]);
  near(rows[0]?.cells[0], between(pairs, a.shares, b.shares));
  const ofA = partialMap(pairs, a.shares), ofB = partialMap(transposed(pairs), b.shares);
  near(rows[0]?.cells.at(-1), total(ofA.values) + ofA.constant);
  near(rows.at(-1)?.cells[0], total(ofB.values) + ofB.constant);
  assert.deepEqual(columns, ["b", "rest of B", "bias of B", "sum"]);
});

test("what is not known yet is left open, and only that", () => {
  const { rows } = sumTable(pair, [{ ...pin("a", 1, 0, 0, 0), map: undefined }, pin("b", 1, 0, 0, 0, 0, 0)]);
  assert.equal(rows[0]?.cells[0], undefined);
  assert.notEqual(rows[0]?.cells[2], undefined);
});

test("overlap is said", () => {
  assert.ok(sumTable(pair, [pin("a", 1, 0.6, 0, 0), pin("a", 0, 0.6, 1, 0)]).overlap);
  assert.ok(!sumTable(pair, [pin("a", 1, 0.5, 0, 0), pin("a", 0, 0.5, 1, 0)]).overlap);
});

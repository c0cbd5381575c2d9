import assert from "node:assert/strict";
import { test } from "node:test";
import { Grid } from "../../../geometry/grid.ts";
import { redInside, sumOf } from "./sum.ts";

const described = { rows: 2, cols: 2, rowCentres: [], colCentres: [] };
const grid = new Grid(described, { width: 20, height: 40 });

test("red, blue and constant make the score, or the sum says that they do not", () => {
  const sum = sumOf([0.5, -0.125, 0.25, 0], 0.125, 0.75);
  assert.deepEqual(sum, { red: 0.75, blue: -0.125, constant: 0.125, total: 0.75, agrees: true });
  assert.equal(sumOf([0.5, -0.125, 0.25, 0], 0.125, 0.7503).agrees, false);
});

test("the red of a box is that of the cells, as far as it covers them", () => {
  const values = [0.5, 0.25, 0.25, -3];
  assert.equal(redInside(values, grid, { x: 0, y: 0, width: 20, height: 40 }), 1);
  assert.equal(redInside(values, grid, { x: 0, y: 0, width: 10, height: 20 }), 0.5);
  assert.equal(redInside(values, grid, { x: 0, y: 0, width: 5, height: 40 }), 0.375);
  assert.equal(redInside([-1, 0, 0, 0], grid, { x: 0, y: 0, width: 5, height: 5 }), undefined);
});

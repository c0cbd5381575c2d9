import assert from "node:assert/strict";
import { test } from "node:test";
import { cellName, fixed, shareOf, signed, strongest } from "./words.ts";

test("numbers have a sign, and enough digits to tell them from zero", () => {
  assert.deepEqual([0.01234, -0.5, 0, -0.00012345].map(signed), ["+0.0123", "−0.5000", "0.0000", "−0.00012"]);
  assert.deepEqual([0.99996, -0.00012, -0.00001].map(fixed), ["+1.0000", "−0.0001", "0.0000"]);
});

test("shares of a similarity near zero are not given", () => {
  assert.deepEqual([shareOf(0.1, 0.8), shareOf(-0.01, 0.8), shareOf(0.9, 0.8), shareOf(1, 0.001)], ["13%", "−1.3%", "113%", ""]);
});

test("cells are counted from 1", () => {
  assert.equal(cellName(0, 8), "row 1, column 1");
  assert.equal(cellName(17, 8), "row 3, column 2");
  assert.equal(strongest([-3, -1, -2]), 1);
});

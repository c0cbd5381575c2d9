import assert from "node:assert/strict";
import { test } from "node:test";
import { hiddenBelow, rangeOf } from "./scores.ts";

test("the ends of the slider hide nothing and all but the best", () => {
  const scores = [0.91279, 0.5006, 0.3334, -0.1001];
  const lowest = -0.101, highest = 0.912;
  assert.deepEqual(rangeOf(scores), { lowest, highest });
  assert.equal(hiddenBelow(scores, lowest), 0);
  assert.equal(hiddenBelow(scores, highest), 3);
  assert.equal(hiddenBelow(scores, undefined), 0);
  assert.equal(rangeOf([]), undefined);
});

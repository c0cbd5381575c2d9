import assert from "node:assert/strict";
import { test } from "node:test";
import { hiddenBelow, rangeOf, scoreText, signedText } from "./scores.ts";

test("scores have three digits, a real minus sign, and no negative zero", () => {
  assert.equal(scoreText(0.73456), "0.735");
  assert.equal(scoreText(-0.25), "−0.250");
  assert.equal(scoreText(-0.0001), "0.000");
  assert.equal(signedText(0.5), "+0.500");
  assert.equal(signedText(-0.5), "−0.500");
});

test("the ends of the slider hide nothing and all but the best", () => {
  const scores = [0.91279, 0.5006, 0.3334, -0.1001];
  const lowest = -0.101, highest = 0.912;
  assert.deepEqual(rangeOf(scores), { lowest, highest });
  assert.equal(hiddenBelow(scores, lowest), 0);
  assert.equal(hiddenBelow(scores, highest), 3);
  assert.equal(hiddenBelow(scores, undefined), 0);
  assert.equal(rangeOf([]), undefined);
});

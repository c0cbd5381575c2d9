import assert from "node:assert/strict";
import { test } from "node:test";
import { megabytes, scoreText, signedText } from "./numbers.ts";

test("scores have three digits, a real minus sign, and no negative zero", () => {
  assert.equal(scoreText(0.73456), "0.735");
  assert.equal(scoreText(-0.25), "−0.250");
  assert.equal(scoreText(-0.0001), "0.000");
  assert.equal(signedText(0.5), "+0.500");
  assert.equal(signedText(-0.5), "−0.500");
});

test("sizes are in megabytes", () => {
  assert.equal(megabytes(1_550_000), "1.6 MB");
});

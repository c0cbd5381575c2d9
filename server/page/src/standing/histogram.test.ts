import assert from "node:assert/strict";
import { test } from "node:test";
import { bars, matching, rangeOf, suggested } from "./histogram.ts";

test("every score is in one bar", () => {
  for (const scores of [[], [0.5], [1, 1, 1], [-1, 0, 0.25, 2, 2], Array.from({ length: 1000 }, (_, i) => Math.sin(i))]) {
    const found = bars(scores, 7);
    assert.equal(found.reduce((sum, bar) => sum + bar.count, 0), scores.length);
    for (const bar of found) assert.ok(bar.to > bar.from);
  }
});

test("the suggested threshold matches at most about ten of the gallery's images", () => {
  const scores = Array.from({ length: 300 }, (_, i) => i / 300);
  const matched = matching(scores, suggested(scores));
  assert.ok(matched >= 10 && matched <= 12, `${matched}`);
  assert.equal(matching([0.1234, 0.2], suggested([0.1234, 0.2])), 2);
  assert.equal(suggested([]), 0);
});

test("the range to choose from lets every image match, and none", () => {
  for (const scores of [[0.5], [1, 1, 1], [-1.23456, 0, 0.25, 2], Array.from({ length: 1000 }, (_, i) => Math.sin(i))]) {
    const [low, high] = rangeOf(scores);
    assert.equal(matching(scores, low), scores.length);
    assert.equal(matching(scores, high), 0);
  }
  assert.deepEqual(rangeOf([]), [-1, 1]);
});

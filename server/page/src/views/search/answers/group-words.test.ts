import assert from "node:assert/strict";
import { test } from "node:test";
import { othersWords } from "./group-words.ts";

test("the other images of a group are counted", () => {
  assert.deepEqual([0, 1, 3].map(othersWords), ["", "+1 other in this group", "+3 others in this group"]);
});

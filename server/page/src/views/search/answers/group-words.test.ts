import assert from "node:assert/strict";
import { test } from "node:test";
import { groupWords } from "./group-words.ts";

test("a group is described by its value and the number of its other images", () => {
  assert.equal(groupWords("", 3), "");
  assert.equal(groupWords("t1", 0), "t1: the only one");
  assert.equal(groupWords("t1", 1), "t1: +1 other in this group");
  assert.equal(groupWords("t1", 3), "t1: +3 others in this group");
});

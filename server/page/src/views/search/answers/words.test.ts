import assert from "node:assert/strict";
import { test } from "node:test";
import { counted, groupWords, shortened } from "./words.ts";

test("a long id keeps both ends and never grows", () => {
  assert.equal(shortened("abc", 3), "abc");
  assert.equal(shortened("abcdefghij", 7), "abc…hij");
  assert.equal(shortened("😀😀😀😀😀😀", 3), "😀…😀");
  for (let most = 1; most < 12; most++) assert.ok(shortened("abcdefghij", most).length <= Math.max(most, 1));
});

test("a group is described by its value and the number of its other images", () => {
  assert.equal(groupWords("", 3), "");
  assert.equal(groupWords("t1", 0), "t1: the only one");
  assert.equal(groupWords("t1", 1), "t1: +1 other in this group");
  assert.equal(groupWords("t1", 3), "t1: +3 others in this group");
  assert.equal(counted(1, "result"), "1 result");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { counted, shortened } from "./words.ts";

test("a long id keeps both ends and never grows", () => {
  assert.equal(shortened("abc", 3), "abc");
  assert.equal(shortened("abcdefghij", 7), "abc…hij");
  assert.equal(shortened("😀😀😀😀😀😀", 3), "😀…😀");
  for (let most = 1; most < 12; most++) assert.ok(shortened("abcdefghij", most).length <= Math.max(most, 1));
});

test("one of a thing is singular, everything else plural", () => {
  assert.deepEqual([0, 1, 2].map((number) => counted(number, "result")), ["0 results", "1 result", "2 results"]);
  assert.equal(counted(2, "match", "matches"), "2 matches");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { Inbox } from "./inbox.ts";

test("a stream that is resumed one revision earlier adds every match once", () => {
  const sent = [[1n, "a"], [1n, "b"], [2n, "a"], [4n, "a"], [4n, "b"], [4n, "c"]] as const;
  for (let lost = 0; lost <= sent.length; lost++) {
    const inbox = new Inbox(), taken: string[] = [];
    const take = (revision: bigint, key: string) => {
      if (inbox.take(revision, key)) taken.push(`${revision}${key}`);
    };
    for (const [revision, key] of sent.slice(0, lost)) take(revision, key);
    const after = inbox.newest === undefined ? 0n : inbox.newest - 1n;
    for (const [revision, key] of sent) if (revision > after) take(revision, key);
    assert.deepEqual(taken, sent.map(([revision, key]) => `${revision}${key}`));
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { InTurn } from "./in-turn.ts";

test("one thing is done at a time, and the newest is done last", async () => {
  const done: number[] = [];
  let running = 0, most = 0;
  const turn = new InTurn<number>(async (asked) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running--;
    done.push(asked);
  });
  for (let i = 0; i < 50; i++) {
    turn.ask(i);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  while (done.at(-1) !== 49) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(most, 1);
  assert.equal(done[0], 0);
  assert.ok(done.length < 50);
  assert.deepEqual(done, done.toSorted((a, b) => a - b));
});

test("what waits can be dropped", async () => {
  const done: number[] = [];
  const turn = new InTurn<number>(async (asked) => {
    await Promise.resolve();
    done.push(asked);
  });
  turn.ask(1);
  turn.ask(2);
  turn.drop();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(done, [1]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { redone, rewritten, startOf, stepped, undone, type History } from "./history.ts";

const after = (...steps: number[]): History<number> => steps.reduce((history, step) => stepped(history, step), startOf(0));

test("undo and redo are inverse to each other", () => {
  const history = after(1, 2, 3);
  assert.equal(undone(history).present, 2);
  assert.deepEqual(redone(undone(history)), history);
  assert.deepEqual(redone(redone(undone(undone(history)))), history);
});

test("the ends of a history stay", () => {
  assert.deepEqual(undone(startOf(0)), startOf(0));
  assert.deepEqual(redone(after(1)), after(1));
});

test("a new step forgets what was undone", () => {
  const history = stepped(undone(undone(after(1, 2, 3))), 9);
  assert.deepEqual([...history.past, history.present, ...history.future], [0, 1, 9]);
});

test("a history has an end, and keeps the newest steps", () => {
  const history = after(...Array.from({ length: 500 }, (_, i) => i + 1));
  assert.equal(history.past.length, 200);
  assert.equal(history.past.at(-1), 499);
});

test("values can be replaced in every step", () => {
  assert.deepEqual(rewritten(undone(after(1, 2)), (value) => 10 * value), { past: [0], present: 10, future: [20] });
});

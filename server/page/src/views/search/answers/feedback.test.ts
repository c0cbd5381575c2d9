import assert from "node:assert/strict";
import { test } from "node:test";
import { fromParameters, toParameters } from "../../../query/address.ts";
import { EVERYWHERE, NOTHING, searchable, type Question } from "../../../query/question.ts";
import { markOn, partOf, withMarkToggled, withoutMark } from "./feedback.ts";

const image = { kind: "gallery", id: "x" } as const, other = { kind: "gallery", id: "y" } as const;

test("a mark is set, flipped and removed, and other marks stay", () => {
  let question: Question = withMarkToggled(NOTHING, other, true);
  question = withMarkToggled(question, image, false);
  assert.equal(markOn(question, image)?.unlike, false);
  question = withMarkToggled(question, image, true);
  assert.equal(markOn(question, image)?.unlike, true);
  assert.equal(question.marks.length, 2);
  question = withMarkToggled(question, image, true);
  assert.equal(markOn(question, image), undefined);
  assert.equal(markOn(question, other)?.unlike, true);
  assert.deepEqual(withoutMark(question, other), NOTHING);
});

test("a part of a hit is searched within the same filters, without the marks, and has an address", () => {
  const where = { ...EVERYWHERE, cameras: ["a"] };
  const before = { ...withMarkToggled(NOTHING, other, false), where, score: "part" as const };
  const next = partOf(before, "x", { x: 1, y: 2, width: 3, height: 4 });
  assert.ok(searchable(next));
  assert.deepEqual([next.where, next.score, next.marks, next.images], [where, "part", [], [image]]);
  assert.deepEqual(fromParameters(toParameters(next)), next);
});

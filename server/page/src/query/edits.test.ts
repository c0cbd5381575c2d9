import assert from "node:assert/strict";
import { test } from "node:test";
import { withImage, withImageReplaced, withoutImage, withoutRegion, withRegion, withRegionChanged } from "./edits.ts";
import { NOTHING, type ImageRef } from "./question.ts";

const ref = (id: string): ImageRef => ({ kind: "query", id });
const whole = { kind: "whole" as const };
const question = [0, 1, 2, 1].reduce(
  (asked, image) => withRegion(asked, image, whole), ["a", "b", "c"].map(ref).reduce(withImage, NOTHING),
);

test("a removed picture takes its regions along, and later ones keep theirs", () => {
  const left = withoutImage(question, 1);
  assert.deepEqual(left.images, [ref("a"), ref("c")]);
  assert.deepEqual(left.regions.map(({ image }) => image), [0, 1]);
});

test("a picture that is chosen again keeps its regions", () => {
  const next = withImageReplaced(question, 1, ref("z"));
  assert.deepEqual(next.images.map(({ id }) => id), ["a", "z", "c"]);
  assert.equal(next.regions, question.regions);
});

test("changes touch one region only", () => {
  const next = withRegionChanged(question, 2, { weight: 3, exclude: true });
  assert.deepEqual(next.regions.map(({ weight }) => weight), [1, 1, 3, 1]);
  assert.deepEqual(withoutRegion(next, 2).regions, withoutRegion(question, 2).regions);
  assert.equal(withRegionChanged(question, 9, { weight: 3 }), question);
});

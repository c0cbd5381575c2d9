import assert from "node:assert/strict";
import { test } from "node:test";
import { maskOf } from "../geometry/mask.ts";
import { fromParameters, regionOf, toParameters } from "./address.ts";
import { NOTHING, type Question } from "./question.ts";

const mask = maskOf(Uint8Array.from({ length: 12 }, (_, i) => Number(i > 4 && i < 9)), { width: 4, height: 3 });
const everything: Question = {
  images: [{ kind: "query", id: "q-1" }, { kind: "gallery", id: "a b/ü=1&2.jpg" }],
  regions: [
    { image: 0, region: { kind: "box", x: -1.5, y: 2, width: 30.25, height: 4 }, weight: 2.5, exclude: true },
    { image: 1, region: { kind: "polygon", points: [{ x: 0, y: 0 }, { x: 9, y: 0 }, { x: 9, y: -9 }] }, weight: 1, exclude: false },
    { image: 1, region: { kind: "point", x: 3, y: 4, snap: true }, weight: 1, exclude: true },
    { image: 0, region: { kind: "point", x: 3, y: 4, snap: false }, weight: 0.5, exclude: false },
    { image: 0, region: { kind: "mask", mask }, weight: 1, exclude: false },
    { image: 0, region: { kind: "whole" }, weight: 1, exclude: false },
  ],
  marks: [{ image: { kind: "gallery", id: "x" }, unlike: false }, { image: { kind: "query", id: "y" }, unlike: true }],
  where: {
    cameras: ["a", "b,c"], excludeCameras: ["d=e"], tracks: ["t&1", "t2"], after: "2026-05-01T12:00", before: "2026-05-02T00:00:30",
    attributes: new Map([["hat=x", ["red=1", "blue"]], ["bag", [""]]]),
  },
  score: "part", groupBy: "attribute:hat", excludeIdentical: false,
};

test("a question survives its address", () => {
  const text = toParameters(everything).toString();
  assert.deepEqual(fromParameters(new URLSearchParams(text)), everything);
  assert.equal(toParameters(NOTHING).toString(), "");
  assert.deepEqual(fromParameters(new URLSearchParams()), NOTHING);
});

test("a question has one address, whatever order its marks were given in", () => {
  const reversed = { ...everything, marks: [...everything.marks].reverse() };
  assert.equal(toParameters(reversed).toString(), toParameters(everything).toString());
});

test("only times that there are bound a filter", () => {
  for (const [text, time] of [
    ["2026-13-01T00:00", ""], ["2026-05-99T00:00", ""], ["2026-05-01T25:00", ""], ["0000-01-01T00:00", ""], ["2026-05-01T12:00", "2026-05-01T12:00"],
  ]) {
    assert.equal(fromParameters(new URLSearchParams(`after=${text}`)).where.after, time, text);
  }
});

test("what is not well formed is left out", () => {
  for (const text of [
    "", "0", "0:box", "0:box:1,2,3", "0:box:1,2,0,4", "0:box:1,2,3,x", "x:box:1,2,3,4", "0:point:1", "0:polygon:1,2,3,4",
    "0:box:1,2,3,4@0", "0:box:1,2,3,4@-1", "0:mask:4x3:!", "0:circle:1,2,3", "0:box:Infinity,1,2,3", "0:box:1e308,0,1,1", "0:point:-1e10,1",
    "0:whole:1",
  ]) {
    assert.equal(regionOf(text), undefined, text);
  }
  const odd = new URLSearchParams("image=query:q&region=3:box:0,0,9,9&score=best&after=yesterday&attribute=x&image=file:/etc");
  assert.deepEqual(fromParameters(odd), { ...NOTHING, images: [{ kind: "query", id: "q" }] });
});

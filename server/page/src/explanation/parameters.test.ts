import assert from "node:assert/strict";
import { test } from "node:test";
import { changedPin, pinName, swapped, UNEXPLAINED, withImage, withoutPin, withPin, type Explanation } from "./explanation.ts";
import { fromParameters, toParameters } from "./parameters.ts";

const box = { kind: "box", x: 1, y: -2.5, width: 30, height: 4 } as const;
const point = { kind: "point", x: 3, y: 4, snap: false } as const;
const everything: Explanation = {
  a: { kind: "query", id: "q-1" }, b: { kind: "gallery", id: "a b/ü=1&2.jpg" },
  pins: [{ side: "a", region: box }, { side: "b", region: point }, { side: "a", region: point }],
  selected: 1, map: "overall", bias: false, sign: "negative",
};

test("an explanation survives its address", () => {
  for (const one of [everything, { ...UNEXPLAINED, a: undefined, b: undefined, selected: undefined }]) {
    assert.deepEqual(fromParameters(new URLSearchParams(toParameters(one).toString())), one);
  }
  assert.equal(toParameters(UNEXPLAINED).toString(), "");
});

test("what is not well formed is left out", () => {
  const odd = "a=file:/etc&b=&region=c:box:1,2,3,4&region=a:box:1,2,0,4&region=a:circle:1&pin=1&map=all&bias=1&sign=red";
  const read = fromParameters(new URLSearchParams(odd));
  assert.deepEqual(read, { ...UNEXPLAINED, a: undefined, b: undefined, selected: undefined });
});

test("a whole image as a region is the whole similarity", () => {
  const read = fromParameters(new URLSearchParams("region=b:whole:&region=a:point:3,4"));
  assert.deepEqual([read.map, read.pins], ["overall", [{ side: "a", region: point }]]);
});

test("the selection stays with its pin", () => {
  assert.equal(withoutPin(everything, 0).selected, 0);
  assert.equal(withoutPin(everything, 1).selected, undefined);
  assert.equal(withoutPin(everything, 2).selected, 1);
  const moved = everything.pins.with(2, { side: "a", region: { ...box, x: 5 } });
  assert.equal(changedPin(everything, moved), 2);
  assert.equal(changedPin(everything, [...everything.pins]), 1);
  assert.equal(withPin(everything, { side: "b", region: box }).selected, 3);
  assert.deepEqual(everything.pins.map((_, i) => pinName(everything.pins, i)), ["A1", "B1", "A2"]);
});

test("pins go with their image", () => {
  assert.deepEqual(withImage(everything, "a", undefined).pins, [{ side: "b", region: point }]);
  const turned = swapped(everything);
  assert.deepEqual(turned.pins.map(({ side }) => side), ["b", "a", "b"]);
  assert.deepEqual(swapped(turned), everything);
});

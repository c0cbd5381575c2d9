import assert from "node:assert/strict";
import { test } from "node:test";
import { Axis } from "./axis.ts";
import { coverage } from "./coverage.ts";
import { Grid } from "./grid.ts";
import { fromHalf } from "./half.ts";
import { fromText, maskOf, pixelsOf, toBits, toText } from "./mask.ts";
import { between, partialMap, transposed, type Pairs } from "./pairs.ts";

const grid = new Grid(
  { rows: 3, cols: 2, rowCentres: [0.2, 0.5, 0.9], colCentres: [], extent: { x: 10, y: 0, width: 80, height: 60 } },
  { width: 100, height: 60 },
);

test("places and cells are inverse to each other", () => {
  const axis = new Axis([0.1, 0.5, 0.8]);
  for (const place of [-0.2, 0, 0.05, 0.1, 0.33, 0.8, 0.95, 1, 1.3]) {
    assert.ok(Math.abs(axis.toPlaces(axis.toCells(place)) - place) < 1e-12);
  }
});

test("the whole image covers every cell once", () => {
  const covered = coverage({ kind: "whole" }, grid);
  assert.ok(covered?.every((share) => Math.abs(share - 1) < 1e-6));
});

test("a box, its polygon and its mask cover the same", () => {
  const box = coverage({ kind: "box", x: 20, y: 5, width: 41, height: 30 }, grid);
  const corners = [[20, 5], [61, 5], [61, 35], [20, 35]].map(([x, y]) => ({ x: x ?? 0, y: y ?? 0 }));
  const polygon = coverage({ kind: "polygon", points: corners }, grid);
  const inside = Uint8Array.from({ length: 6000 }, (_, i) => {
    const x = i % 100, y = Math.floor(i / 100);
    return Number(x >= 20 && x < 61 && y >= 5 && y < 35);
  });
  const painted = maskOf(inside, { width: 100, height: 60 });
  const mask = coverage({ kind: "mask", mask: painted }, grid);
  box?.forEach((share, i) => {
    assert.ok(Math.abs(share - (polygon?.[i] ?? NaN)) < 1e-3);
    assert.ok(Math.abs(share - (mask?.[i] ?? NaN)) < 1e-6);
  });
});

test("half-precision numbers", () => {
  const bits = new Uint16Array([0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000]);
  assert.deepEqual([...fromHalf(new Uint8Array(bits.buffer))], [1, -2, Math.fround(2 ** -24), 65504, -0]);
});

test("partial maps add up to all pairs, from either side", () => {
  const pairs: Pairs = {
    rows: 2, cols: 3, values: Float32Array.of(1, 2, 3, -4, 5, 6),
    bias: Float32Array.of(0.5, 0.25), otherBias: Float32Array.of(7, 8, 9),
  };
  assert.deepEqual([...partialMap(pairs, Float32Array.of(1, 1)).values], [-3, 7, 9]);
  assert.equal(partialMap(pairs, Float32Array.of(1, 1)).constant, 0.75);
  assert.deepEqual([...partialMap(transposed(pairs), Float32Array.of(1, 0, 1)).values], [4, 2]);
  assert.equal(between(pairs, Float32Array.of(1, 0), Float32Array.of(0, 1, 1)), 5);
});

test("masks keep their pixels in every form", () => {
  const size = { width: 7, height: 5 };
  for (const pattern of [() => 0, () => 1, (i: number) => i % 2, (i: number) => Number(i % 7 < 3)]) {
    const inside = Uint8Array.from({ length: 35 }, (_, i) => pattern(i));
    const mask = maskOf(inside, size);
    assert.deepEqual(pixelsOf(mask), inside);
    assert.deepEqual(pixelsOf(fromText(toText(mask)) ?? maskOf(new Uint8Array(0), size)), inside);
    const bits = toBits(mask);
    inside.forEach((bit, i) => assert.equal(((bits[i >> 3] ?? 0) >> (7 - (i & 7))) & 1, bit));
  }
});

test("texts that are no mask are none", () => {
  for (const text of ["", "x", "0x0:", "9999999x99999999:AA", "7x5:????", "-1x5:AA", "2x2:_____w", "1x1:gA"]) {
    assert.equal(fromText(text), undefined, text);
  }
});

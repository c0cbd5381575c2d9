import assert from "node:assert/strict";
import { test } from "node:test";
import { maskOf, pixelsOf } from "../geometry/mask.ts";
import type { Point, Size } from "../geometry/region.ts";
import { emptyMask, painted, shifted } from "./brush.ts";
import { pathsOf } from "./mask-path.ts";

const size: Size = { width: 41, height: 29 };

// Numbers that look random and are the same every time.
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function distance(x: number, y: number, from: Point, to: Point): number {
  const dx = to.x - from.x, dy = to.y - from.y, length = dx * dx + dy * dy;
  const along = length ? Math.min(1, Math.max(0, ((x - from.x) * dx + (y - from.y) * dy) / length)) : 0;
  return Math.hypot(x - from.x - along * dx, y - from.y - along * dy);
}

/** The same stroke, pixel by pixel. */
function stroked(stroke: readonly Point[], radius: number): Uint8Array {
  const segments = stroke.length === 1 ? [[stroke[0], stroke[0]]] : stroke.slice(1).map((end, i) => [stroke[i], end]);
  return Uint8Array.from({ length: size.width * size.height }, (_, i) => {
    const x = (i % size.width) + 0.5, y = Math.floor(i / size.width) + 0.5;
    return Number(segments.some(([from, to]) => from && to && distance(x, y, from, to) <= radius));
  });
}

test("strokes paint the pixels whose centres the brush covers, and erasing takes them away", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const next = numbers(seed);
    const stroke = () =>
      Array.from({ length: 1 + Math.floor(next() * 5) }, () => ({ x: next() * 60 - 10, y: next() * 50 - 10 }));
    const first = stroke(), second = stroke(), radius = 0.3 + next() * 9;
    const one = painted(emptyMask(size), first, radius, false);
    assert.deepEqual(pixelsOf(one), stroked(first, radius), `seed ${seed}`);
    const added = stroked(second, radius / 2);
    assert.deepEqual(pixelsOf(painted(one, second, radius / 2, false)), stroked(first, radius).map((bit, i) => bit | (added[i] ?? 0)));
    assert.deepEqual(pixelsOf(painted(one, second, radius / 2, true)), stroked(first, radius).map((bit, i) => bit & ~(added[i] ?? 0)));
  }
});

test("masks stay the shortest form of their pixels", () => {
  const mask = painted(painted(emptyMask(size), [{ x: 10, y: 10 }, { x: 30, y: 12 }], 6, false), [{ x: 20, y: 11 }], 3, true);
  assert.deepEqual(mask, maskOf(pixelsOf(mask), size));
});

test("a shifted mask has its pixels moved, and loses those that leave", () => {
  const next = numbers(7), pixels = Uint8Array.from({ length: size.width * size.height }, () => Number(next() < 0.3));
  for (const [dx, dy] of [[0, 0], [3, -2], [-5, 4], [40, 0], [0, 28], [-100, 3]] as const) {
    const expected = pixels.map((_, i) => {
      const x = (i % size.width) - dx, y = Math.floor(i / size.width) - dy;
      return x < 0 || y < 0 || x >= size.width || y >= size.height ? 0 : (pixels[y * size.width + x] ?? 0);
    });
    assert.deepEqual(pixelsOf(shifted(maskOf(pixels, size), dx, dy)), expected);
  }
});

test("the line around a mask is where inside and outside meet", () => {
  const next = numbers(3), pixels = Uint8Array.from({ length: size.width * size.height }, () => Number(next() < 0.5));
  const inside = (x: number, y: number) => (x < 0 || y < 0 || x >= size.width || y >= size.height ? 0 : (pixels[y * size.width + x] ?? 0));
  const expected = new Set<string>(), found = new Set<string>();
  for (let y = 0; y <= size.height; y++) {
    for (let x = 0; x <= size.width; x++) {
      if (inside(x, y) !== inside(x - 1, y)) expected.add(`|${x} ${y}`);
      if (inside(x, y) !== inside(x, y - 1)) expected.add(`-${x} ${y}`);
    }
  }
  for (const [, x, y, kind, to] of pathsOf(maskOf(pixels, size)).edge.matchAll(/M(\d+) (\d+)([vH])(\d+)/g)) {
    if (kind === "v") found.add(`|${x} ${y}`);
    else for (let at = Number(x); at < Number(to); at++) found.add(`-${at} ${y}`);
  }
  assert.deepEqual(found, expected);
});

test("a stroke on a very large picture keeps runs, not pixels", () => {
  const large = { width: 8000, height: 8000 };
  const stroke = Array.from({ length: 400 }, (_, i) => ({ x: 1000 + 15 * i, y: 4000 + 1500 * Math.sin(i / 30) }));
  const mask = painted(emptyMask(large), stroke, 300, false);
  assert.ok(mask.runs.length < 4 * large.height);
});

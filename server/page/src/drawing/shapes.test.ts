import assert from "node:assert/strict";
import { test } from "node:test";
import { maskOf } from "../geometry/mask.ts";
import type { Point, Region, Size } from "../geometry/region.ts";
import { regionsOn, hit } from "./regions-on.ts";
import {
  boundsOf, boxBetween, contains, dragged, handleAt, handlesOf, inImage, moved, resized, withoutCorner, type Handle,
} from "./shapes.ts";
import { NOTHING } from "../query/question.ts";

const size: Size = { width: 100, height: 60 };
const box: Region = { kind: "box", x: 20, y: 10, width: 30, height: 20 };
const triangle: Region = { kind: "polygon", points: [{ x: 10, y: 10 }, { x: 50, y: 10 }, { x: 10, y: 50 }] };
const point: Region = { kind: "point", x: 5, y: 55, snap: true };
const mask: Region = {
  kind: "mask",
  mask: maskOf(Uint8Array.from({ length: 6000 }, (_, i) => Number(i % 100 >= 30 && i % 100 < 40 && i >= 1000 && i < 2000)), size),
};
const regions = [box, triangle, point, mask];
const amounts = [-1e6, -35, -7.25, -1, 0, 0.5, 3, 44, 1e6];

function inside(region: Region): boolean {
  const { x, y, width, height } = boundsOf(region, size);
  return x >= 0 && y >= 0 && x + width <= size.width + 1e-9 && y + height <= size.height + 1e-9;
}

test("a moved region keeps its size and stays in the image", () => {
  for (const region of regions) {
    const before = boundsOf(region, size);
    for (const dx of amounts) {
      for (const dy of amounts) {
        const after = moved(region, dx, dy, size), bounds = boundsOf(after, size);
        assert.ok(inside(after), JSON.stringify({ region, dx, dy }));
        assert.ok(Math.abs(bounds.width - before.width) < 0.011 && Math.abs(bounds.height - before.height) < 0.011);
      }
    }
  }
});

test("a region that moves there and back is where it was", () => {
  for (const region of regions) assert.deepEqual(moved(moved(region, 3, -2, size), -3, 2, size), region);
});

test("a resized region keeps its corner, stays in the image and has an area", () => {
  for (const region of [box, triangle]) {
    for (const wider of amounts) {
      const after = resized(region, wider, wider / 2, size), bounds = boundsOf(after, size);
      assert.ok(inside(after));
      assert.ok(bounds.width >= 0.99 && bounds.height >= 0.99);
      assert.equal(bounds.x, boundsOf(region, size).x);
    }
  }
  assert.equal(resized(point, 5, 5, size), point);
});

test("a box between two points holds both, whichever comes first", () => {
  for (const [a, b] of [[{ x: 3, y: 50 }, { x: 90, y: 2 }], [{ x: -50, y: -9 }, { x: 500, y: 90 }]] as const) {
    const found = boxBetween(a, b, size);
    assert.deepEqual(boxBetween(b, a, size), found);
    for (const corner of [a, b].map((one) => inImage(one, size))) assert.ok(contains({ kind: "box", ...found }, corner, 0));
  }
});

test("a box never loses its last pixel, not even in a corner of the image", () => {
  for (const at of [{ x: 0, y: 0 }, { x: 100, y: 60 }, { x: 7, y: 7 }, { x: 999, y: -999 }]) {
    const { x, y, width, height } = boxBetween(at, at, size);
    assert.ok(width >= 1 && height >= 1 && x >= 0 && y >= 0 && x + width <= 100 && y + height <= 60);
  }
});

test("a corner that is dragged goes where the pointer is, and the opposite one stays", () => {
  for (const { handle } of handlesOf(box)) {
    if (handle.kind !== "side") assert.fail();
    for (const to of [{ x: 33, y: 44 }, { x: 90, y: 1 }, { x: 0, y: 0 }]) {
      const after = boundsOf(dragged(box, handle, to, size), size);
      const kept: Point = { x: handle.x < 0 ? 50 : 20, y: handle.y < 0 ? 30 : 10 };
      if (handle.x) assert.deepEqual([after.x, after.x + after.width].sort((a, b) => a - b), [kept.x, to.x].sort((a, b) => a - b));
      else assert.deepEqual([after.x, after.width], [20, 30]);
      if (handle.y) assert.deepEqual([after.y, after.y + after.height].sort((a, b) => a - b), [kept.y, to.y].sort((a, b) => a - b));
      else assert.deepEqual([after.y, after.height], [10, 20]);
    }
  }
});

test("polygons gain a corner at an edge and lose one, but never become less than a triangle", () => {
  const points = (region: Region | undefined): readonly Point[] => (region?.kind === "polygon" ? region.points : []);
  const edge: Handle = { kind: "edge", index: 2 };
  const four = dragged(triangle, edge, { x: -4, y: 30 }, size);
  assert.deepEqual(points(four), [...points(triangle), { x: 0, y: 30 }]);
  assert.deepEqual(withoutCorner(four, 3), triangle);
  assert.equal(withoutCorner(triangle, 0), undefined);
  assert.deepEqual(points(dragged(triangle, { kind: "corner", index: 1 }, { x: 60, y: 5 }, size))[1], { x: 60, y: 5 });
});

test("a point is in a shape exactly where the shape is", () => {
  assert.ok(contains(triangle, { x: 20, y: 20 }, 0));
  assert.ok(!contains(triangle, { x: 45, y: 45 }, 0));
  assert.ok(contains(triangle, { x: 31, y: 31 }, 2));
  assert.ok(contains(mask, { x: 30, y: 10 }, 0) && contains(mask, { x: 39.9, y: 19.9 }, 0));
  assert.ok(!contains(mask, { x: 40, y: 10 }, 0) && !contains(mask, { x: -1, y: 10 }, 0) && !contains(mask, { x: 35, y: 20 }, 0));
});

test("the nearest handle is found, corners before edges", () => {
  assert.deepEqual(handleAt(box, { x: 21, y: 11 }, 5), { kind: "side", x: -1, y: -1 });
  assert.equal(handleAt(box, { x: 35, y: 20 }, 5), undefined);
  assert.deepEqual(handleAt(triangle, { x: 30, y: 12 }, 9), { kind: "edge", index: 0 });
  const flat: Region = { kind: "polygon", points: [{ x: 0, y: 0 }, { x: 4, y: 0 }, { x: 4, y: 40 }] };
  assert.deepEqual(handleAt(flat, { x: 2.6, y: 0 }, 5), { kind: "corner", index: 1 });
});

test("the pointer finds the selected region first, then what was drawn last", () => {
  const question = {
    ...NOTHING,
    images: [{ kind: "query" as const, id: "q" }, { kind: "query" as const, id: "p" }],
    regions: [box, triangle, box].map((region, i) => ({ region, image: i === 2 ? 1 : 0, weight: 1, exclude: false })),
  };
  const placed = regionsOn(question, 0);
  assert.deepEqual(placed.map(({ index }) => index), [0, 1]);
  assert.deepEqual(hit(placed, { x: 25, y: 15 }, 1, undefined), { index: 1 });
  assert.deepEqual(hit(placed, { x: 25, y: 15 }, 1, 0), { index: 0 });
  assert.deepEqual(hit(placed, { x: 20, y: 10 }, 1, 0), { index: 0, handle: { kind: "side", x: -1, y: -1 } });
  assert.equal(hit(placed, { x: 90, y: 55 }, 1, 0), undefined);
});

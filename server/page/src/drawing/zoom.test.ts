import assert from "node:assert/strict";
import { test } from "node:test";
import { frameOf, panned, showing, zoomed, zoomOf } from "./zoom.ts";

const frame = frameOf({ width: 400, height: 300 });

test("the point under the pointer stays where it is", () => {
  const view = zoomed(frame, frame, 4, { x: 300, y: 100 });
  const place = (of: typeof view) => [(300 - of.x) / of.width, (100 - of.y) / of.height];
  place(view).forEach((at, i) => assert.ok(Math.abs(at - (place(frame)[i] ?? NaN)) < 1e-9));
});

test("a view never leaves the frame, and is never larger", () => {
  for (const factor of [0.01, 0.9, 1, 3, 1e6]) {
    for (const [dx, dy] of [[-1e5, 1e5], [40, -40], [1e5, 0]] as const) {
      const view = panned(zoomed(frame, frame, factor, { x: 399, y: 1 }), frame, dx, dy);
      assert.ok(zoomOf(view, frame) >= 1 && zoomOf(view, frame) <= 32);
      assert.ok(view.x >= frame.x - 1e-9 && view.y >= frame.y - 1e-9);
      assert.ok(view.x + view.width <= frame.x + frame.width + 1e-9 && view.y + view.height <= frame.y + frame.height + 1e-9);
    }
  }
});

test("a view goes to a point that it does not show", () => {
  const view = zoomed(frame, frame, 8, { x: 0, y: 0 });
  for (const point of [{ x: 390, y: 290 }, { x: 5, y: 250 }, { x: 1, y: 1 }]) {
    const { x, y, width, height } = showing(view, frame, point);
    assert.ok(point.x >= x && point.x <= x + width && point.y >= y && point.y <= y + height);
  }
});

test("very long pictures get a frame that can be seen", () => {
  for (const size of [{ width: 1000, height: 10 }, { width: 10, height: 1000 }]) {
    const long = frameOf(size), aspect = long.width / long.height;
    assert.ok(aspect >= 0.449 && aspect <= 3.201);
    assert.ok(long.width >= size.width && long.height >= size.height);
  }
});

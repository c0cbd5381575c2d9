// Moving and resizing of regions; pixels of the image throughout. Nothing ever leaves the image.
import { at } from "../geometry/axis.ts";
import type { Box, Mask, Point, Region, Size } from "../geometry/region.ts";
import { insideRuns, rowRuns } from "../geometry/mask.ts";
import { shifted } from "./brush.ts";

/** What a person drags to change a shape: a side or corner of a box, a corner of a polygon, or the middle of one of its edges. */
export type Handle =
  | { readonly kind: "side"; readonly x: -1 | 0 | 1; readonly y: -1 | 0 | 1 }
  | { readonly kind: "corner"; readonly index: number }
  | { readonly kind: "edge"; readonly index: number };

export interface PlacedHandle {
  readonly handle: Handle;
  readonly at: Point;
}

const SIDES: readonly (readonly [-1 | 0 | 1, -1 | 0 | 1])[] = [
  [-1, -1], [0, -1], [1, -1], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0],
];

// A hundredth of a pixel is what an address keeps.
function short(value: number): number {
  return Math.round(value * 100) / 100;
}

function clamped(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), Math.max(low, high));
}

/** The nearest point of the image. */
export function inImage(point: Point, size: Size): Point {
  return { x: short(clamped(point.x, 0, size.width)), y: short(clamped(point.y, 0, size.height)) };
}

/** The box with two opposite corners, at least a pixel wide and high. */
export function boxBetween(one: Point, other: Point, size: Size): Box {
  const [x, width] = between(one.x, other.x, size.width);
  const [y, height] = between(one.y, other.y, size.height);
  return { x, y, width, height };
}

function between(one: number, other: number, most: number): [start: number, length: number] {
  const low = clamped(Math.min(one, other), 0, most), high = clamped(Math.max(one, other), 0, most);
  const length = Math.max(high - low, Math.min(1, most));
  return [short(Math.min(low, most - length)), short(length)];
}

/** The smallest box around a region. */
export function boundsOf(region: Region, size: Size): Box {
  switch (region.kind) {
    case "box":
      return region;
    case "point":
      return { x: region.x, y: region.y, width: 0, height: 0 };
    case "polygon":
      return around(region.points);
    case "mask":
      return maskBounds(region.mask);
    case "whole":
      return { x: 0, y: 0, ...size };
  }
}

function around(points: readonly Point[]): Box {
  const xs = points.map(({ x }) => x), ys = points.map(({ y }) => y);
  const x = Math.min(...xs), y = Math.min(...ys);
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

function maskBounds(mask: Mask): Box {
  let left = Infinity, right = 0, top = Infinity, bottom = 0;
  for (const { y, start, end } of rowRuns(mask)) {
    left = Math.min(left, start);
    right = Math.max(right, end);
    top = Math.min(top, y);
    bottom = y + 1;
  }
  return right ? { x: left, y: top, width: right - left, height: bottom - top } : { x: 0, y: 0, width: 0, height: 0 };
}

/** The region moved by this much, or as far as the image goes. Masks move by whole pixels. */
export function moved(region: Region, dx: number, dy: number, size: Size): Region {
  const bounds = boundsOf(region, size);
  const right = short(clamped(dx, -bounds.x, size.width - bounds.x - bounds.width));
  const down = short(clamped(dy, -bounds.y, size.height - bounds.y - bounds.height));
  switch (region.kind) {
    case "box":
    case "point":
      return { ...region, x: short(region.x + right), y: short(region.y + down) };
    case "polygon":
      return { ...region, points: region.points.map(({ x, y }) => ({ x: short(x + right), y: short(y + down) })) };
    case "mask":
      return { ...region, mask: shifted(region.mask, Math.trunc(right), Math.trunc(down)) };
    case "whole":
      return region;
  }
}

/** The region made wider and higher by this much, its top left corner kept; only boxes and polygons have a size to change. */
export function resized(region: Region, wider: number, higher: number, size: Size): Region {
  if (region.kind !== "box" && region.kind !== "polygon") return region;
  const { x, y, width, height } = boundsOf(region, size);
  const corner = { x: Math.max(x + 1, x + width + wider), y: Math.max(y + 1, y + height + higher) };
  const next = boxBetween({ x, y }, corner, size);
  if (region.kind === "box") return { ...region, ...next };
  const along = (value: number, from: number, length: number, to: number, became: number) =>
    length > 0 ? to + ((value - from) * became) / length : to;
  return {
    ...region,
    points: region.points.map((point) =>
      inImage({ x: along(point.x, x, width, next.x, next.width), y: along(point.y, y, height, next.y, next.height) }, size),
    ),
  };
}

/** Where the handles of a region are. */
export function handlesOf(region: Region): PlacedHandle[] {
  if (region.kind === "box") {
    return SIDES.map(([x, y]) => ({
      handle: { kind: "side", x, y },
      at: { x: region.x + ((x + 1) / 2) * region.width, y: region.y + ((y + 1) / 2) * region.height },
    }));
  }
  if (region.kind !== "polygon") return [];
  const corners = region.points.map((at, index): PlacedHandle => ({ handle: { kind: "corner", index }, at }));
  const edges = region.points.map((point, index): PlacedHandle => {
    const next = at(region.points, (index + 1) % region.points.length);
    return { handle: { kind: "edge", index }, at: { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 } };
  });
  return [...corners, ...edges];
}

/** The region after a handle was dragged to a point. A box may be turned over; the middle of an edge becomes a corner. */
export function dragged(region: Region, handle: Handle, to: Point, size: Size): Region {
  if (region.kind === "box" && handle.kind === "side") {
    const [x, width] = side(handle.x, region.x, region.width, to.x, size.width);
    const [y, height] = side(handle.y, region.y, region.height, to.y, size.height);
    return { ...region, x, y, width, height };
  }
  if (region.kind !== "polygon" || handle.kind === "side") return region;
  const point = inImage(to, size);
  const points = handle.kind === "corner"
    ? region.points.with(handle.index, point)
    : region.points.toSpliced(handle.index + 1, 0, point);
  return { ...region, points };
}

function side(which: -1 | 0 | 1, start: number, length: number, to: number, most: number): [number, number] {
  if (which === 0) return [start, length];
  return between(which < 0 ? start + length : start, to, most);
}

/** The polygon without one of its corners; undefined if too few would be left. */
export function withoutCorner(region: Region, index: number): Region | undefined {
  if (region.kind !== "polygon" || region.points.length <= 3) return undefined;
  return { ...region, points: region.points.toSpliced(index, 1) };
}

/** Whether a point lies inside a region, or as near to it as `slack`. */
export function contains(region: Region, point: Point, slack: number): boolean {
  switch (region.kind) {
    case "box":
      return point.x >= region.x - slack && point.x <= region.x + region.width + slack
        && point.y >= region.y - slack && point.y <= region.y + region.height + slack;
    case "point":
      return Math.hypot(point.x - region.x, point.y - region.y) <= slack;
    case "polygon":
      return insideOutline(region.points, point) || nearOutline(region.points, point, slack);
    case "mask":
      return insideMask(region.mask, point);
    case "whole":
      return false;
  }
}

function insideOutline(points: readonly Point[], { x, y }: Point): boolean {
  let inside = false;
  points.forEach((start, i) => {
    const end = at(points, (i + 1) % points.length);
    if (start.y <= y === end.y <= y) return;
    if (x < start.x + ((y - start.y) / (end.y - start.y)) * (end.x - start.x)) inside = !inside;
  });
  return inside;
}

function nearOutline(points: readonly Point[], point: Point, slack: number): boolean {
  return points.some((start, i) => distance(point, start, at(points, (i + 1) % points.length)) <= slack);
}

function distance(point: Point, start: Point, end: Point): number {
  const dx = end.x - start.x, dy = end.y - start.y, length = dx * dx + dy * dy;
  const along = length ? clamped(((point.x - start.x) * dx + (point.y - start.y) * dy) / length, 0, 1) : 0;
  return Math.hypot(point.x - start.x - along * dx, point.y - start.y - along * dy);
}

function insideMask(mask: Mask, point: Point): boolean {
  const x = Math.floor(point.x), y = Math.floor(point.y);
  if (x < 0 || y < 0 || x >= mask.width || y >= mask.height) return false;
  const pixel = y * mask.width + x;
  for (const { start, end } of insideRuns(mask)) {
    if (pixel < start) return false;
    if (pixel < end) return true;
  }
  return false;
}

/** The handle that is nearest to a point and not farther than `slack`. Corners come before middles of edges. */
export function handleAt(region: Region, point: Point, slack: number): Handle | undefined {
  const rank = (one: PlacedHandle) =>
    Math.hypot(one.at.x - point.x, one.at.y - point.y) + (one.handle.kind === "edge" ? slack / 2 : 0);
  const [best] = handlesOf(region).filter((one) => rank(one) <= slack).sort((a, b) => rank(a) - rank(b));
  return best?.handle;
}

// Painting of masks: a stroke is a line of some width, worked out row by row in pixels of the image, never as a bitmap.
import { at } from "../geometry/axis.ts";
import { insideRuns, ofRuns, rowRuns, type Run } from "../geometry/mask.ts";
import type { Mask, Point, Size } from "../geometry/region.ts";

/** A mask with nothing inside. */
export function emptyMask({ width, height }: Size): Mask {
  return { width, height, runs: new Uint32Array(0) };
}

/** The mask after a stroke of a round brush through these points. A pixel is painted if its centre is. */
export function painted(mask: Mask, stroke: readonly Point[], radius: number, erase: boolean): Mask {
  const before = [...insideRuns(mask)], added = strokeRuns(stroke, radius, mask);
  return ofRuns(erase ? difference(before, added) : union([...before, ...added]), mask);
}

/** The mask moved by whole pixels; what leaves the image is lost. */
export function shifted(mask: Mask, dx: number, dy: number): Mask {
  const runs: Run[] = [];
  for (const { y, start, end } of rowRuns(mask)) {
    const row = y + dy, from = Math.max(0, start + dx), until = Math.min(mask.width, end + dx);
    if (row >= 0 && row < mask.height && until > from) runs.push({ start: row * mask.width + from, end: row * mask.width + until });
  }
  return ofRuns(union(runs), mask);
}

function strokeRuns(stroke: readonly Point[], radius: number, size: Size): Run[] {
  const runs: Run[] = [];
  stroke.forEach((start, i) => {
    if (i > 0 || stroke.length === 1) addCapsule(stroke.length === 1 ? start : at(stroke, i - 1), start, radius, size, runs);
  });
  return union(runs);
}

/** Adds the pixels within `radius` of a line from one point to another. */
function addCapsule(start: Point, end: Point, radius: number, size: Size, runs: Run[]): void {
  const first = Math.max(0, Math.floor(Math.min(start.y, end.y) - radius));
  const last = Math.min(size.height - 1, Math.ceil(Math.max(start.y, end.y) + radius));
  for (let row = first; row <= last; row++) {
    const span = capsuleSpan(start, end, radius, row + 0.5);
    if (!span) continue;
    const from = Math.max(0, Math.ceil(span[0] - 0.5)), until = Math.min(size.width, Math.floor(span[1] - 0.5) + 1);
    if (until > from) runs.push({ start: row * size.width + from, end: row * size.width + until });
  }
}

/** Where a horizontal line crosses a capsule, which is convex: one interval or none. */
function capsuleSpan(start: Point, end: Point, radius: number, y: number): [number, number] | undefined {
  let left = Infinity, right = -Infinity;
  const include = (from: number, to: number) => {
    left = Math.min(left, from);
    right = Math.max(right, to);
  };
  for (const { x, y: middle } of [start, end]) {
    const half = radius * radius - (y - middle) ** 2;
    if (half >= 0) include(x - Math.sqrt(half), x + Math.sqrt(half));
  }
  const dx = end.x - start.x, dy = end.y - start.y, length = Math.hypot(dx, dy);
  if (length > 0) {
    // The two long sides of the capsule, half the width away from its middle line.
    const across = { x: (-dy / length) * radius, y: (dx / length) * radius };
    for (const turn of [1, -1]) {
      const from = start.y + turn * across.y, to = end.y + turn * across.y;
      if (from === to || y < Math.min(from, to) || y > Math.max(from, to)) continue;
      const x = start.x + turn * across.x + ((y - from) / (to - from)) * dx;
      include(x, x);
    }
  }
  return right >= left ? [left, right] : undefined;
}

function union(runs: readonly Run[]): Run[] {
  const merged: { start: number; end: number }[] = [];
  for (const { start, end } of [...runs].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** What of `runs` none of `removed` covers; both ascending and without overlaps. */
function difference(runs: readonly Run[], removed: readonly Run[]): Run[] {
  const left: Run[] = [];
  let next = 0;
  for (const run of runs) {
    let start = run.start;
    while (next < removed.length && at(removed, next).end <= start) next++;
    for (let i = next; i < removed.length && at(removed, i).start < run.end; i++) {
      const hole = at(removed, i);
      if (hole.start > start) left.push({ start, end: hole.start });
      start = Math.max(start, hole.end);
    }
    if (start < run.end) left.push({ start, end: run.end });
  }
  return left;
}

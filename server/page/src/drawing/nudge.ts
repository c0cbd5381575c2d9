// Moving and resizing by keys. A key that is held is one step of undo: what it does is a preview until it is let go.
import type { Region, Size } from "../geometry/region.ts";
import { withRegionChanged } from "../query/edits.ts";
import { change, preview, previewing, shown } from "./sheet.ts";
import { announce } from "../ui/announcer.tsx";
import { dragged, handlesOf, moved, resized, type Handle } from "./shapes.ts";
import { kindOf, placeOf } from "./words.ts";

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

/** The direction of an arrow key, ten times as far with Shift; undefined for other keys. */
export function arrowOf(event: KeyboardEvent): readonly [dx: number, dy: number] | undefined {
  const arrow = ARROWS[event.key], times = event.shiftKey ? 10 : 1;
  return arrow && [arrow[0] * times, arrow[1] * times];
}

// The corner that the middle of an edge has become, until its key is let go.
let corner: { readonly edge: number; readonly corner: number } | undefined;

// Whether the preview is of keys; one of a pointer ends when that is let go.
let nudging = false;

function show(index: number, region: Region): void {
  nudging = true;
  preview(withRegionChanged(shown.peek(), index, { region }));
}

/** Moves a region. */
export function nudge(index: number, [dx, dy]: readonly [number, number], size: Size): void {
  const one = shown.peek().regions[index];
  if (one) show(index, moved(one.region, dx, dy, size));
}

/** Makes a region wider and higher. */
export function grow(index: number, [wider, higher]: readonly [number, number], size: Size): void {
  const one = shown.peek().regions[index];
  if (one) show(index, resized(one.region, wider, higher, size));
}

/** Moves a handle of a region. */
export function nudgeHandle(index: number, given: Handle, [dx, dy]: readonly [number, number], size: Size): void {
  const one = shown.peek().regions[index];
  if (!one) return;
  const handle: Handle = given.kind === "edge" && corner?.edge === given.index ? { kind: "corner", index: corner.corner } : given;
  const placed = handlesOf(one.region).find((other) => JSON.stringify(other.handle) === JSON.stringify(handle));
  if (!placed) return;
  const region = dragged(one.region, handle, { x: placed.at.x + dx, y: placed.at.y + dy }, size);
  if (handle.kind === "edge") corner = { edge: handle.index, corner: handle.index + 1 };
  show(index, region);
}

/** Keeps what the keys have done, and says where the region is now. */
export function settle(index: number): void {
  corner = undefined;
  const keys = nudging;
  nudging = false;
  if (!keys || !previewing.peek()) return;
  change(shown.peek());
  const region = shown.peek().regions[index]?.region;
  if (region) announce(`${kindOf(region)} ${placeOf(region)}`);
}

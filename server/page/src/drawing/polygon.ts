// A polygon corner by corner.
import type { Point, Size } from "../geometry/region.ts";
import { withRegion } from "../query/edits.ts";
import { change, question } from "./sheet.ts";
import { announce } from "../ui/announcer.tsx";
import { draft, drawn } from "./state.ts";
import { inImage } from "./shapes.ts";

/** Adds a corner; one on the first or the last corner closes the polygon. */
export function addCorner(image: number, at: Point, size: Size, slack: number): void {
  const corner = inImage(at, size), points = draft.peek()?.image === image ? (draft.peek()?.points ?? []) : [];
  const near = (other: Point | undefined) => other !== undefined && Math.hypot(other.x - corner.x, other.y - corner.y) <= slack;
  if (points.length >= 3 && (near(points[0]) || near(points.at(-1)))) closePolygon();
  else if (!near(points.at(-1))) {
    draft.value = { image, points: [...points, corner] };
    announce(`Corner ${points.length + 1}`);
  }
}

/** Makes the corners so far a region, if they are enough. */
export function closePolygon(): void {
  const now = draft.peek();
  if (!now) return;
  if (now.points.length < 3) {
    announce("A polygon needs at least three corners");
    return;
  }
  const asked = question.peek();
  change(withRegion(asked, now.image, { kind: "polygon", points: now.points }));
  drawn(asked.regions.length);
}

/** Takes the last corner back. */
export function dropCorner(): void {
  const now = draft.peek();
  if (!now) return;
  draft.value = now.points.length > 1 ? { ...now, points: now.points.slice(0, -1) } : undefined;
}

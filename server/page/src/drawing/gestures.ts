// What dragging does to a question, from where it began: pure, so that a gesture can be shown, dropped or kept at any time.
import type { Point, Region, Size } from "../geometry/region.ts";
import { withRegion, withRegionChanged } from "../query/edits.ts";
import type { Question } from "../query/question.ts";
import { emptyMask, painted } from "./brush.ts";
import { boxBetween, dragged, inImage, moved, type Handle } from "./shapes.ts";

/** The question after the pointer has come to these points, oldest first; undefined if nothing has changed yet. */
export type Gesture = (points: readonly Point[]) => Question | undefined;

export interface Canvas {
  readonly question: Question;
  /** Which of the question's images is drawn on. */
  readonly image: number;
  readonly size: Size;
}

/** A new box from `start`; nothing while it is smaller than `least` both ways, as after a click. */
export function boxFrom({ question, image, size }: Canvas, start: Point, least: number): Gesture {
  return (points) => {
    const to = points.at(-1) ?? start;
    if (Math.abs(to.x - start.x) < least && Math.abs(to.y - start.y) < least) return undefined;
    return withRegion(question, image, { kind: "box", ...boxBetween(start, to, size) });
  };
}

/** A new point, which follows the pointer until it is let go. */
export function pointAt({ question, image, size }: Canvas, start: Point, snap: boolean): Gesture {
  return (points) => withRegion(question, image, { kind: "point", snap, ...inImage(points.at(-1) ?? start, size) });
}

/** Moves a region. */
export function moveOf({ question, size }: Canvas, index: number, start: Point): Gesture {
  const region = question.regions[index]?.region;
  return (points) => {
    const to = points.at(-1);
    if (!region || !to) return undefined;
    return withRegionChanged(question, index, { region: moved(region, to.x - start.x, to.y - start.y, size) });
  };
}

/** Drags a handle of a region. */
export function handleOf({ question, size }: Canvas, index: number, handle: Handle): Gesture {
  const region = question.regions[index]?.region;
  return (points) => {
    const to = points.at(-1);
    return region && to && withRegionChanged(question, index, { region: dragged(region, handle, to, size) });
  };
}

/** Paints on a mask, or on a new one; a mask that is erased to the end goes. */
export function strokeOn(
  { question, image, size }: Canvas, index: number | undefined, start: Point, radius: number, erase: boolean,
): Gesture {
  const before = index === undefined ? undefined : question.regions[index]?.region;
  const mask = before?.kind === "mask" ? before.mask : emptyMask(size);
  return (points) => {
    const region: Region = { kind: "mask", mask: painted(mask, [start, ...points], radius, erase) };
    if (before?.kind === "mask" && index !== undefined) return withRegionChanged(question, index, { region });
    return erase ? undefined : withRegion(question, image, region);
  };
}

// The regions of one picture of a question, and which of them a pointer is on.
import type { Point } from "../geometry/region.ts";
import type { MarkedRegion, Question } from "../query/question.ts";
import { contains, handleAt, type Handle } from "./shapes.ts";

export interface Placed extends MarkedRegion {
  /** Its place in the question; its number is one more. */
  readonly index: number;
}

export interface Hit {
  readonly index: number;
  /** Set if the pointer is on a handle of the selected region. */
  readonly handle?: Handle;
}

export function regionsOn(question: Question, image: number): Placed[] {
  return question.regions.map((one, index) => ({ ...one, index })).filter((one) => one.image === image);
}

/** What lies under a point: a handle of the selected region first, then the selected region, then what was drawn last. */
export function hit(placed: readonly Placed[], point: Point, slack: number, selected: number | undefined): Hit | undefined {
  const first = placed.find(({ index }) => index === selected);
  const handle = first && handleAt(first.region, point, slack);
  if (first && handle) return { index: first.index, handle };
  const order = first ? [first, ...placed.toReversed()] : placed.toReversed();
  const found = order.find(({ region }) => contains(region, point, slack));
  return found && { index: found.index };
}

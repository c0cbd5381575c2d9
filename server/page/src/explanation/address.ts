// Links to explanations.
import { href } from "../app/route.ts";
import type { ImageRef } from "../query/question.ts";
import { UNEXPLAINED, type Explanation, type Pin } from "./explanation.ts";
import { toParameters } from "./parameters.ts";

/** The address that explains the similarity of two images, and the parts of it that regions add. */
export function explainHref(a: ImageRef, b: ImageRef, regions: readonly Pin[] = []): string {
  return addressOf({ ...UNEXPLAINED, a, b, pins: regions, selected: regions.length ? 0 : undefined });
}

export function addressOf(explanation: Explanation): string {
  return href("explain", "", toParameters(explanation));
}

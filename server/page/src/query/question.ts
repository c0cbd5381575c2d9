// A search as a person puts it together. Immutable: every change is a new question, which is what undo goes back to.
import type { Region } from "../geometry/region.ts";

/** An image that the server knows: by an earlier query id, or by its id in the gallery. */
export type ImageRef =
  | { readonly kind: "query"; readonly id: string }
  | { readonly kind: "gallery"; readonly id: string };

export interface MarkedRegion {
  /** Which of the question's images it lies on, counted from 0. */
  readonly image: number;
  readonly region: Region;
  /** Relative to the other regions; above 0. */
  readonly weight: number;
  readonly exclude: boolean;
}

/** Feedback on an image: more like this, or less like this. */
export interface Mark {
  readonly image: ImageRef;
  readonly unlike: boolean;
}

export type Score = "default" | "context" | "part" | "whole";

export interface Where {
  readonly cameras: readonly string[];
  readonly excludeCameras: readonly string[];
  readonly tracks: readonly string[];
  /** Times as the browser's local date and time, "2026-05-01T12:00"; "" for no bound. */
  readonly after: string;
  readonly before: string;
  /** Name -> values, any of which an image may have; never empty. */
  readonly attributes: ReadonlyMap<string, readonly string[]>;
}

export interface Question {
  readonly images: readonly ImageRef[];
  readonly regions: readonly MarkedRegion[];
  readonly marks: readonly Mark[];
  readonly where: Where;
  readonly score: Score;
  /** "", "track", "camera" or "attribute:NAME". */
  readonly groupBy: string;
  readonly excludeIdentical: boolean;
}

export const EVERYWHERE: Where = { cameras: [], excludeCameras: [], tracks: [], after: "", before: "", attributes: new Map() };

export const NOTHING: Question = {
  images: [], regions: [], marks: [], where: EVERYWHERE, score: "default", groupBy: "", excludeIdentical: true,
};

/** Whether a question can be searched: it has a region that is not excluded. */
export function searchable(question: Question): boolean {
  return question.regions.some((one) => !one.exclude);
}

export function sameImage(one: ImageRef, other: ImageRef): boolean {
  return one.kind === other.kind && one.id === other.id;
}

// Regions as a person draws them. Coordinates are pixels of the original upright image, x to the right, y down.

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Box extends Point, Size {}

/**
 * Painted pixels, as the lengths of runs over all pixels row by row: so many outside, so many inside, so many outside, ...
 * They sum to width * height, or the rest is outside.
 */
export interface Mask extends Size {
  readonly runs: Uint32Array;
}

export type Region =
  | ({ readonly kind: "box" } & Box)
  | { readonly kind: "polygon"; readonly points: readonly Point[] }
  | ({ readonly kind: "point"; readonly snap: boolean } & Point)
  | { readonly kind: "mask"; readonly mask: Mask }
  | { readonly kind: "whole" };

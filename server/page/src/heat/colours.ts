// Signed maps as colours, the same as in the reports (common/drawing/overlay.py): red above zero, blue below, clear at zero.
import type { Grid } from "../geometry/grid.ts";
import { at } from "../geometry/axis.ts";

const POSITIVE = [178, 24, 43] as const, NEGATIVE = [33, 102, 172] as const;
const STRONGEST = 0.85;
// Percentage of positions that may exceed the strongest colour.
const SATURATED = 2;

/** A colour scale: `strongest` is the magnitude at which the colour saturates, `largest` the largest one. */
export interface Scale {
  readonly strongest: number;
  readonly largest: number;
}

/** Which values of a map are shown. */
export type Sign = "both" | "positive" | "negative";

/** A common scale for all of the maps. */
export function scaleOf(maps: Iterable<ArrayLike<number>>): Scale {
  const moved = [...maps].flatMap((values) => Array.from(values, Math.abs)).filter((value) => value > 0);
  if (moved.length === 0) return { strongest: 0, largest: 0 };
  moved.sort((a, b) => a - b);
  const place = ((100 - SATURATED) / 100) * (moved.length - 1), low = Math.floor(place);
  const below = at(moved, low), above = at(moved, Math.min(low + 1, moved.length - 1));
  return { strongest: below + (above - below) * (place - low), largest: at(moved, moved.length - 1) };
}

/** One number per pixel of a picture of this size, bilinear between the centres of cells; 0 outside the extent. */
export function upsampled(values: ArrayLike<number>, grid: Grid, width: number, height: number): Float32Array {
  const cols = grid.cols.length, out = new Float32Array(width * height);
  const along = (pixel: number, count: number, side: "x" | "y") => {
    const size = side === "x" ? grid.image.width : grid.image.height;
    const inImage = ((pixel + 0.5) * size) / count;
    return grid.toPlace({ x: inImage, y: inImage })[side];
  };
  const inside = (place: number) => place >= 0 && place <= 1;
  const xs = Array.from({ length: width }, (_, x) => along(x, width, "x"));
  const across = xs.map((place) => grid.cols.neighbours(place));
  for (let y = 0; y < height; y++) {
    const place = along(y, height, "y");
    if (!inside(place)) continue;
    const [top, bottom, down] = grid.rows.neighbours(place);
    for (let x = 0; x < width; x++) {
      if (!inside(at(xs, x))) continue;
      const [left, right, weight] = at(across, x);
      const upper = at(values, top * cols + left) * (1 - weight) + at(values, top * cols + right) * weight;
      const lower = at(values, bottom * cols + left) * (1 - weight) + at(values, bottom * cols + right) * weight;
      out[y * width + x] = upper * (1 - down) + lower * down;
    }
  }
  return out;
}

/** RGBA bytes of values, for a canvas. */
export function coloured(values: Float32Array, scale: Scale, sign: Sign = "both"): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray(4 * values.length);
  if (scale.strongest <= 0) return rgba;
  const opacity = (255 * STRONGEST) / scale.strongest;
  values.forEach((value, i) => {
    if ((sign === "positive" && value < 0) || (sign === "negative" && value > 0)) return;
    const [red, green, blue] = value >= 0 ? POSITIVE : NEGATIVE;
    rgba[4 * i] = red;
    rgba[4 * i + 1] = green;
    rgba[4 * i + 2] = blue;
    rgba[4 * i + 3] = Math.min(Math.abs(value) * opacity, 255 * STRONGEST);
  });
  return rgba;
}

/** Sums of a map: of all values, of those above zero, and of those below. */
export function sums(values: ArrayLike<number>): { readonly sum: number; readonly red: number; readonly blue: number } {
  let red = 0, blue = 0;
  for (const value of Array.from(values)) {
    if (value > 0) red += value;
    else blue += value;
  }
  return { sum: red + blue, red, blue };
}

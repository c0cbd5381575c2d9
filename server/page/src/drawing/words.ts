// Regions in words.
import type { Region } from "../geometry/region.ts";

/** "Box", "Painted", ... */
export function kindOf(region: Region): string {
  switch (region.kind) {
    case "box":
      return "Box";
    case "polygon":
      return "Polygon";
    case "point":
      return region.snap ? "Part" : "Point";
    case "mask":
      return "Painted";
    case "whole":
      return "Whole picture";
  }
}

/** Where a region is, for screen readers. */
export function placeOf(region: Region): string {
  const n = (value: number) => String(Math.round(value));
  if (region.kind === "box") return `${n(region.width)} by ${n(region.height)} pixels at ${n(region.x)}, ${n(region.y)}`;
  if (region.kind === "point") return `at ${n(region.x)}, ${n(region.y)}`;
  if (region.kind === "polygon") return `${region.points.length} corners`;
  return "";
}

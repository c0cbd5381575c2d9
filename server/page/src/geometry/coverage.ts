// The share of each cell that a region covers, as the server computes it (explainer/regions.py).
import { add, at } from "./axis.ts";
import type { Grid } from "./grid.ts";
import { rowRuns } from "./mask.ts";
import type { Box, Mask, Point, Region } from "./region.ts";

// Scan lines per row of cells; a slanted edge is off by about 1 / (12 * lines**2) of a cell.
const LINES = 64;

/**
 * The share of each position that a region covers, 0 to 1, row by row; all 0 if it lies outside what the model sees.
 * A point covers its cell. Where a point snaps to, only the server knows: undefined.
 */
export function coverage(region: Region, grid: Grid): Float32Array | undefined {
  const covered = new Float64Array(grid.positions);
  switch (region.kind) {
    case "point": {
      if (region.snap) return undefined;
      const position = grid.positionAt(region);
      if (position !== undefined) covered[position] = 1;
      break;
    }
    case "box":
      addBox(region, grid, covered);
      break;
    case "whole":
      addBox({ x: 0, y: 0, ...grid.image }, grid, covered);
      break;
    case "polygon":
      addOutline(region.points, grid, covered);
      break;
    case "mask":
      addMask(region.mask, grid, covered);
      break;
  }
  return Float32Array.from(covered, (share) => (share > 1e-9 ? Math.min(share, 1) : 0));
}

/** The length of each cell that an interval of cells covers. */
function overlap(from: number, to: number, cells: number): number[] {
  return Array.from({ length: cells }, (_, cell) => Math.max(0, Math.min(to, cell + 1) - Math.max(from, cell)));
}

function addBox(box: Box, grid: Grid, covered: Float64Array): void {
  const start = grid.toPlace(box), end = grid.toPlace({ x: box.x + box.width, y: box.y + box.height });
  const down = overlap(grid.rows.toCells(start.y), grid.rows.toCells(end.y), grid.rows.length);
  const across = overlap(grid.cols.toCells(start.x), grid.cols.toCells(end.x), grid.cols.length);
  addProduct(down, across, covered);
}

function addProduct(down: readonly number[], across: readonly number[], covered: Float64Array): void {
  down.forEach((height, row) => {
    if (height > 0) across.forEach((width, col) => add(covered, row * across.length + col, height * width));
  });
}

/** Exact along x, LINES midpoints along y in each row; inside by the even-odd rule. */
function addOutline(points: readonly Point[], grid: Grid, covered: Float64Array): void {
  if (points.length < 3) return;
  let places = points.map((point) => grid.toPlace(point));
  // An edge that is straight in the picture has a bend in cells wherever their width changes.
  for (const bend of grid.cols.bends()) places = withCornersAt(places, "x", bend);
  for (const bend of grid.rows.bends()) places = withCornersAt(places, "y", bend);
  const corners = places.map(({ x, y }) => ({ x: grid.cols.toCells(x), y: grid.rows.toCells(y) }));
  const ys = corners.map(({ y }) => y);
  const lowest = Math.min(...ys), highest = Math.max(...ys);
  for (let row = 0; row < grid.rows.length; row++) {
    const top = Math.max(row, lowest), bottom = Math.min(row + 1, highest);
    if (bottom <= top) continue;
    const step = (bottom - top) / LINES;
    for (let line = 0; line < LINES; line++) addLine(corners, top + step * (line + 0.5), step, row, grid, covered);
  }
}

function addLine(
  corners: readonly Point[], y: number, step: number, row: number, grid: Grid, covered: Float64Array,
): void {
  const crossings: number[] = [];
  corners.forEach((start, i) => {
    const end = at(corners, (i + 1) % corners.length);
    if (start.y <= y === end.y <= y) return;
    crossings.push(start.x + ((y - start.y) / (end.y - start.y)) * (end.x - start.x));
  });
  crossings.sort((a, b) => a - b);
  for (let i = 0; i + 1 < crossings.length; i += 2) {
    const cols = grid.cols.length;
    overlap(at(crossings, i), at(crossings, i + 1), cols).forEach((width, col) => {
      add(covered, row * cols + col, step * width);
    });
  }
}

function withCornersAt(corners: readonly Point[], axis: "x" | "y", place: number): Point[] {
  return corners.flatMap((start, i) => {
    const end = at(corners, (i + 1) % corners.length);
    if (start[axis] < place === end[axis] < place) return [start];
    const along = (place - start[axis]) / (end[axis] - start[axis]);
    return [start, { x: start.x + along * (end.x - start.x), y: start.y + along * (end.y - start.y) }];
  });
}

function addMask(mask: Mask, grid: Grid, covered: Float64Array): void {
  const { width, height } = mask;
  // Cells to the left of each pixel's left edge: differences give what a run of pixels covers of each cell.
  const edges = Array.from({ length: width + 1 }, (_, x) => grid.cols.toCells(grid.toPlace({ x, y: 0 }).x));
  const rows = Array.from({ length: height + 1 }, (_, y) => grid.rows.toCells(grid.toPlace({ x: 0, y }).y));
  for (const { y, start, end } of rowRuns(mask)) {
    const down = overlap(at(rows, y), at(rows, y + 1), grid.rows.length);
    addProduct(down, overlap(at(edges, start), at(edges, end), grid.cols.length), covered);
  }
}

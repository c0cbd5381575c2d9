// The model's grid on one image.
import { Axis } from "./axis.ts";
import type { Box, Point, Size } from "./region.ts";

const ROUNDING = 1e-6;

/** What the server says of a map or of a query image. */
export interface Described {
  readonly rows: number;
  readonly cols: number;
  readonly rowCentres: readonly number[];
  readonly colCentres: readonly number[];
  readonly extent?: Box | undefined;
}

/** The cells of a map, laid on an image of a size. */
export class Grid {
  readonly rows: Axis;
  readonly cols: Axis;
  /** The rectangle of the image that the model sees. */
  readonly extent: Box;
  readonly image: Size;

  constructor(described: Described, image: Size) {
    this.image = image;
    this.rows = Axis.of(described.rows, described.rowCentres);
    this.cols = Axis.of(described.cols, described.colCentres);
    this.extent = described.extent ?? { x: 0, y: 0, ...image };
  }

  get positions(): number {
    return this.rows.length * this.cols.length;
  }

  /** A point of the image as fractions of the extent; outside it they leave 0..1. */
  toPlace(point: Point): Point {
    const { x, y, width, height } = this.extent;
    return { x: (point.x - x) / width, y: (point.y - y) / height };
  }

  /** Lines between the cells, as x and y in pixels of the image, edges included. */
  lines(): { readonly xs: number[]; readonly ys: number[] } {
    const { x, y, width, height } = this.extent;
    const edges = (axis: Axis) => Array.from({ length: axis.length + 1 }, (_, cell) => axis.toPlaces(cell));
    return {
      xs: edges(this.cols).map((place) => x + place * width),
      ys: edges(this.rows).map((place) => y + place * height),
    };
  }

  /** The cell that a point lies in, counted row by row; undefined outside what the model sees. */
  positionAt(point: Point): number | undefined {
    const place = this.toPlace(point);
    // The image's far edges belong to its last cells; the tolerance absorbs the rounding of the extent.
    if ([place.x, place.y].some((at) => at < -ROUNDING || at > 1 + ROUNDING)) return undefined;
    const last = (axis: Axis, where: number) => Math.min(Math.max(Math.floor(axis.toCells(where)), 0), axis.length - 1);
    return last(this.rows, place.y) * this.cols.length + last(this.cols, place.x);
  }

  /** The rectangle of a cell, in pixels of the image. */
  cell(position: number): Box {
    const row = Math.floor(position / this.cols.length), col = position % this.cols.length;
    const { x, y, width, height } = this.extent;
    const left = this.cols.toPlaces(col), right = this.cols.toPlaces(col + 1);
    const top = this.rows.toPlaces(row), bottom = this.rows.toPlaces(row + 1);
    return { x: x + left * width, y: y + top * height, width: (right - left) * width, height: (bottom - top) * height };
  }
}

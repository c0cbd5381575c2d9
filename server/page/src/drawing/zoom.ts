// Which part of a picture the stage shows. Everything is in pixels of the image.
import type { Box, Point, Size } from "../geometry/region.ts";

const MOST = 32;
// A stage is never narrower or lower than this, however long the picture.
const NARROWEST = 0.45, WIDEST = 3.2;

/** The whole picture, with bands on two sides of one that is very tall or very wide. */
export function frameOf({ width, height }: Size): Box {
  const aspect = Math.min(Math.max(width / height, NARROWEST), WIDEST);
  const wide = Math.max(width, height * aspect), high = Math.max(height, width / aspect);
  return { x: (width - wide) / 2, y: (height - high) / 2, width: wide, height: high };
}

/** How many times larger than in the frame the picture is shown. */
export function zoomOf(view: Box, frame: Box): number {
  return frame.width / view.width;
}

/** Pixels of the longest side of the picture to fetch, where so many do for the whole of it. */
export function sideAt(zoom: number, whole: number): number {
  return zoom > 1.5 ? 2048 : whole;
}

/** The view enlarged around a point, which stays where it is on the screen. */
export function zoomed(view: Box, frame: Box, factor: number, around: Point): Box {
  const zoom = Math.min(Math.max(zoomOf(view, frame) * factor, 1), MOST);
  const width = frame.width / zoom, height = frame.height / zoom;
  const x = around.x - ((around.x - view.x) / view.width) * width;
  const y = around.y - ((around.y - view.y) / view.height) * height;
  return within({ x, y, width, height }, frame);
}

/** The view moved by this much of the image. */
export function panned(view: Box, frame: Box, dx: number, dy: number): Box {
  return within({ ...view, x: view.x + dx, y: view.y + dy }, frame);
}

/** The view moved just so far that it shows a point. */
export function showing(view: Box, frame: Box, point: Point): Box {
  const into = (start: number, length: number, at: number) => (at < start ? at - start : Math.max(0, at - start - length));
  return panned(view, frame, into(view.x, view.width, point.x), into(view.y, view.height, point.y));
}

function within(view: Box, frame: Box): Box {
  const inside = (start: number, length: number, from: number, most: number) => Math.min(Math.max(start, from), from + most - length);
  return {
    ...view, x: inside(view.x, view.width, frame.x, frame.width), y: inside(view.y, view.height, frame.y, frame.height),
  };
}

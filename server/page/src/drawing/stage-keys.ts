// Drawing without a mouse: arrow keys move a cross over the picture, Enter puts the tool's shape there; arrows then move the shape.
import type { Box, Point, Size } from "../geometry/region.ts";
import { withRegion, withRegionChanged } from "../query/edits.ts";
import { change, home, question } from "./sheet.ts";
import { emptyMask, painted } from "./brush.ts";
import { arrowOf, grow, nudge, nudgeHandle } from "./nudge.ts";
import { addCorner, closePolygon, dropCorner } from "./polygon.ts";
import { boxBetween, inImage, withoutCorner, type Handle } from "./shapes.ts";
import { brushRadius, draft, drawn, erasing, remove, select, selected, take, tool } from "./state.ts";
import { showing, zoomed } from "./zoom.ts";

export interface KeyState {
  readonly image: number;
  readonly size: Size;
  readonly frame: Box;
  readonly view: Box;
  readonly unit: number;
  readonly cursor: Point | undefined;
  readonly setCursor: (cursor: Point | undefined) => void;
  readonly setView: (view: Box) => void;
}

/** What of a stage has the focus. */
export interface Focused {
  readonly index: number;
  readonly handle?: Handle | undefined;
}

/** The part of a stage that an event is on; undefined for the stage itself. */
export function focusedOf(target: EventTarget | null): Focused | undefined {
  const found = target instanceof Element ? target.closest<SVGElement>("[data-region]") : null;
  const { region, handle } = found?.dataset ?? {};
  if (region === undefined) return undefined;
  return { index: Number(region), handle: handle === undefined ? undefined : (JSON.parse(handle) as Handle) };
}

/** Does what a key means on a stage; returns whether it means anything. */
export function onStageKey(event: KeyboardEvent, state: KeyState): boolean {
  if (event.ctrlKey || event.metaKey) return false;
  if (zoomKey(event.key, state)) return true;
  const focused = focusedOf(event.target);
  return focused ? regionKey(event, focused, state) : pictureKey(event, state);
}

function zoomKey(key: string, { view, frame, setView, cursor }: KeyState): boolean {
  const middle = cursor ?? { x: view.x + view.width / 2, y: view.y + view.height / 2 };
  if (key === "+" || key === "=") setView(zoomed(view, frame, 1.5, middle));
  else if (key === "-") setView(zoomed(view, frame, 1 / 1.5, middle));
  else if (key === "0") setView(frame);
  else return false;
  return true;
}

function regionKey(event: KeyboardEvent, { index, handle }: Focused, { size }: KeyState): boolean {
  const arrow = arrowOf(event);
  if (arrow) {
    if (handle) nudgeHandle(index, handle, arrow, size);
    else if (event.altKey) grow(index, arrow, size);
    else nudge(index, arrow, size);
    return true;
  }
  switch (event.key) {
    case "Delete":
    case "Backspace":
      deleteAt(index, handle);
      return true;
    case "Enter":
    case " ":
      selected.value = index;
      return true;
    case "Escape":
      if (selected.peek() === undefined) return false;
      select(undefined);
      return true;
  }
  return false;
}

function deleteAt(index: number, handle: Handle | undefined): void {
  const region = question.peek().regions[index]?.region;
  const left = region && handle?.kind === "corner" ? withoutCorner(region, handle.index) : undefined;
  if (left) change(withRegionChanged(question.peek(), index, { region: left }));
  else remove(index);
}

function pictureKey(event: KeyboardEvent, state: KeyState): boolean {
  const { size, unit, view, frame, cursor, setCursor, setView, image } = state;
  const arrow = arrowOf(event), middle = { x: view.x + view.width / 2, y: view.y + view.height / 2 };
  if (arrow && tool.peek() !== "select") {
    const step = Math.max(1, Math.round(5 * unit)), from = cursor ?? middle;
    const next = inImage({ x: from.x + step * arrow[0], y: from.y + step * arrow[1] }, size);
    setCursor(next);
    setView(showing(view, frame, next));
    return true;
  }
  switch (event.key) {
    case "Enter":
    case " ":
      if (tool.peek() === "select") return false;
      if (draft.peek() && !cursor) closePolygon();
      else place(image, cursor ?? inImage(middle, size), state);
      return true;
    case "Backspace":
      if (!draft.peek()) return false;
      dropCorner();
      return true;
    case "Escape":
      if (!draft.peek() && tool.peek() === home.peek()) return false;
      if (draft.peek()) draft.value = undefined;
      else take(home.peek());
      setCursor(undefined);
      return true;
  }
  return false;
}

/** Puts the shape of the tool on a spot. */
function place(image: number, at: Point, { size, unit, view, setCursor }: KeyState): void {
  const asked = question.peek();
  const add = (next: typeof asked) => {
    change(next);
    drawn(next.regions.length - 1);
    setCursor(undefined);
  };
  switch (tool.peek()) {
    case "box": {
      const wide = Math.min(view.width, size.width) / 6, high = Math.min(view.height, size.height) / 6;
      add(withRegion(asked, image, {
        kind: "box", ...boxBetween({ x: at.x - wide, y: at.y - high }, { x: at.x + wide, y: at.y + high }, size),
      }));
      break;
    }
    case "polygon":
      setCursor(at);
      addCorner(image, at, size, 2 * unit);
      break;
    case "point":
    case "snap":
      add(withRegion(asked, image, { kind: "point", snap: tool.peek() === "snap", ...at }));
      break;
    case "brush":
      dab(image, at, size, brushRadius.peek() * unit);
      setCursor(at);
      break;
  }
}

function dab(image: number, at: Point, size: Size, radius: number): void {
  const asked = question.peek(), index = selected.peek();
  const before = index === undefined ? undefined : asked.regions[index];
  if (index !== undefined && before?.image === image && before.region.kind === "mask") {
    const mask = painted(before.region.mask, [at], radius, erasing.peek());
    change(withRegionChanged(asked, index, { region: { kind: "mask", mask } }));
  } else if (!erasing.peek()) {
    change(withRegion(asked, image, { kind: "mask", mask: painted(emptyMask(size), [at], radius, false) }));
    drawn(asked.regions.length);
  }
}

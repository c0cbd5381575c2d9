// Mouse, pen and fingers on a stage, as gestures on the question.
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Box, Point, Size } from "../geometry/region.ts";
import type { Question } from "../query/question.ts";
import { change, preview, question } from "./sheet.ts";
import { boxFrom, handleOf, moveOf, pointAt, strokeOn, type Gesture } from "./gestures.ts";
import { addCorner } from "./polygon.ts";
import { hit, regionsOn, type Hit } from "./regions-on.ts";
import { active, brushRadius, drawn, erasing, select, selected, tool } from "./state.ts";
import { panned, zoomed, zoomOf } from "./zoom.ts";

// Of larger pictures a mask is not sent at every movement of a brush, only after the stroke.
const MOST_LIVE_PIXELS = 4_000_000;
// A pointer that moves less than this, in CSS pixels, has clicked.
const STILL = 4;

// How near to a handle or a line is on it, in CSS pixels.
const FINGER = 22, MOUSE = 9;

/** A stroke that is drawn as a line until it ends. */
export interface Stroke {
  readonly points: readonly Point[];
  readonly radius: number;
  readonly erase: boolean;
}

export interface StageState {
  readonly image: number;
  readonly size: Size;
  readonly frame: Box;
  readonly view: Box;
  /** Pixels of the image for one of the screen. */
  readonly unit: number;
  readonly setView: (view: Box) => void;
  readonly setStroke: (stroke: Stroke | undefined) => void;
  /** Where the pointer is while nothing is pressed; for what follows it. */
  readonly setHover: (point: Point | undefined) => void;
}

interface Doing {
  readonly gesture?: Gesture | undefined;
  /** The part that was pressed on; a click selects it. */
  readonly on?: Hit | undefined;
  readonly pan?: boolean;
  readonly corner?: boolean;
  readonly stroke?: Omit<Stroke, "points">;
  readonly start: Point;
  readonly client: Point;
  points: Point[];
  moved: boolean;
  shown?: Question | undefined;
  /** Whether `shown` is of the newest points. */
  fresh?: boolean;
  frame?: number | undefined;
}

/** Handlers for a stage. */
export function usePointer(state: StageState) {
  const latest = useRef(state);
  latest.current = state;
  const doing = useRef<Doing>(undefined), fingers = useRef(new Map<number, Point>());

  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || !doing.current) return;
      event.stopImmediatePropagation();
      give(doing, latest.current);
    };
    addEventListener("keydown", onKey, true);
    return () => removeEventListener("keydown", onKey, true);
  }, []);

  return {
    onPointerDown(event: PointerEvent) {
      const target = event.currentTarget as Element, point = imagePoint(target, event, latest.current);
      fingers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (event.button > 1) return;
      target.setPointerCapture(event.pointerId);
      if (fingers.current.size > 1) {
        give(doing, latest.current);
        return;
      }
      active.value = latest.current.image;
      latest.current.setHover(undefined);
      doing.current = begin(event, point, latest.current);
      if (doing.current.stroke) follow(doing.current, latest.current);
    },
    onPointerMove(event: PointerEvent) {
      const before = fingers.current.get(event.pointerId), at = { x: event.clientX, y: event.clientY };
      const here = latest.current, target = event.currentTarget as Element;
      if (!before) {
        if (event.pointerType !== "touch") here.setHover(imagePoint(target, event, here));
        return;
      }
      if (fingers.current.size === 2) pinch(fingers.current, event.pointerId, at, imagePoint(target, event, here), here);
      fingers.current.set(event.pointerId, at);
      const now = doing.current;
      if (!now || fingers.current.size > 1) return;
      if (!now.moved && Math.hypot(at.x - now.client.x, at.y - now.client.y) < STILL) return;
      now.moved = true;
      if (now.pan) here.setView(panned(here.view, here.frame, (before.x - at.x) * here.unit, (before.y - at.y) * here.unit));
      const all = now.stroke ? event.getCoalescedEvents() : [];
      for (const one of all.length ? all : [event]) addPoint(now, imagePoint(target, one, here));
      if (now.corner) here.setHover(imagePoint(target, event, here));
      now.fresh = false;
      now.frame ??= requestAnimationFrame(() => {
        now.frame = undefined;
        follow(now, latest.current);
      });
    },
    onPointerUp(event: PointerEvent) {
      fingers.current.delete(event.pointerId);
      const now = doing.current;
      if (!now) return;
      doing.current = undefined;
      if (now.frame) cancelAnimationFrame(now.frame);
      finish(now, imagePoint(event.currentTarget as Element, event, latest.current), latest.current);
    },
    onPointerCancel(event: PointerEvent) {
      fingers.current.delete(event.pointerId);
      give(doing, latest.current);
    },
    onPointerLeave() {
      if (!doing.current) latest.current.setHover(undefined);
    },
    // Where nothing is to be dragged, a finger scrolls the page; touch-action alone cannot tell the shapes of an SVG apart.
    onTouchStart(event: TouchEvent) {
      const [touch] = event.touches, { image, unit } = latest.current;
      if (!touch) return;
      const point = imagePoint(event.currentTarget as Element, touch, latest.current);
      const on = hit(regionsOn(question.peek(), image), point, FINGER * unit, selected.peek());
      if (event.touches.length > 1 || (on && event.cancelable)) event.preventDefault();
    },
    onWheel(event: WheelEvent) {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const here = latest.current;
      here.setView(zoomed(here.view, here.frame, Math.exp(-event.deltaY / 300), imagePoint(event.currentTarget as Element, event, here)));
    },
  };
}

/** Where an event is, in pixels of the image. */
function imagePoint(stage: Element, event: { readonly clientX: number; readonly clientY: number }, { view }: StageState): Point {
  const { left, top, width, height } = stage.getBoundingClientRect();
  return {
    x: view.x + ((event.clientX - left) / width) * view.width, y: view.y + ((event.clientY - top) / height) * view.height,
  };
}

/** Gives up what is being done, if anything is. */
function give(doing: { current: Doing | undefined }, { setStroke }: StageState): void {
  const now = doing.current;
  doing.current = undefined;
  if (now?.frame) cancelAnimationFrame(now.frame);
  setStroke(undefined);
  if (now?.shown) preview(undefined);
}

function begin(event: PointerEvent, start: Point, { image, size, unit, view, frame }: StageState): Doing {
  const asked = question.peek(), canvas = { question: asked, image, size };
  const slack = (event.pointerType === "touch" ? FINGER : MOUSE) * unit;
  const on = hit(regionsOn(asked, image), start, slack, selected.peek());
  const doing: Doing = { start, client: { x: event.clientX, y: event.clientY }, points: [], moved: false, on };
  const isZoomed = zoomOf(view, frame) > 1.001;
  if (event.button === 1) return { ...doing, on: undefined, pan: true };
  switch (tool.peek()) {
    case "select":
      if (on) {
        select(on.index);
        return { ...doing, gesture: on.handle ? handleOf(canvas, on.index, on.handle) : moveOf(canvas, on.index, start) };
      }
      select(undefined);
      if (isZoomed) return { ...doing, pan: true };
      return event.pointerType === "touch" ? doing : { ...doing, gesture: boxFrom(canvas, start, STILL * unit) };
    case "box":
      return { ...doing, gesture: boxFrom(canvas, start, STILL * unit) };
    case "polygon":
      return { ...doing, on: undefined, corner: true };
    case "point":
      // A region that was just drawn is still selected, where this tool is the one that drawing goes back to.
      if (on?.handle) return { ...doing, gesture: handleOf(canvas, on.index, on.handle) };
      return { ...doing, on: undefined, gesture: pointAt(canvas, start, false) };
    case "snap":
      return { ...doing, on: undefined, gesture: pointAt(canvas, start, true) };
    case "brush": {
      const index = selected.peek(), mask = index !== undefined && asked.regions[index];
      const paints = mask && mask.image === image && mask.region.kind === "mask" ? index : undefined;
      const stroke = { radius: brushRadius.peek() * unit, erase: erasing.peek() };
      return { ...doing, on: undefined, stroke, gesture: strokeOn(canvas, paints, start, stroke.radius, stroke.erase) };
    }
  }
}

/** Leaves points of a stroke out that would not change it visibly. */
function addPoint(now: Doing, point: Point): void {
  if (!now.stroke) now.points = [point];
  else {
    const last = now.points.at(-1) ?? now.start;
    if (Math.hypot(point.x - last.x, point.y - last.y) >= Math.max(0.5, now.stroke.radius / 8)) now.points.push(point);
  }
}

function follow(now: Doing, { size, setStroke }: StageState): void {
  if (now.stroke && size.width * size.height > MOST_LIVE_PIXELS) {
    setStroke({ ...now.stroke, points: [now.start, ...now.points] });
    return;
  }
  const next = now.gesture?.(now.points);
  now.shown = next;
  now.fresh = true;
  preview(next);
}

function finish(now: Doing, at: Point, state: StageState): void {
  const { image, size, unit, setStroke } = state;
  setStroke(undefined);
  if (now.corner) {
    addCorner(image, at, size, 10 * unit);
    return;
  }
  const clicks = tool.peek() === "select" || tool.peek() === "box";
  const next = now.moved || !clicks ? (now.fresh ? now.shown : now.gesture?.(now.points)) : undefined;
  if (!next) {
    preview(undefined);
    if (now.on) {
      if (tool.peek() === "box") drawn(now.on.index);
      else select(now.on.index);
    }
    return;
  }
  const before = question.peek().regions.length;
  change(next);
  if (next.regions.length > before) drawn(next.regions.length - 1);
  else if (now.on) select(now.on.index);
}

function pinch(fingers: ReadonlyMap<number, Point>, moving: number, to: Point, middle: Point, state: StageState): void {
  const { view, frame, unit, setView } = state;
  const from = fingers.get(moving), other = [...fingers].find(([id]) => id !== moving)?.[1];
  if (!from || !other) return;
  const span = (point: Point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
  const enlarged = zoomed(view, frame, span(to) / span(from), middle);
  setView(panned(enlarged, frame, ((from.x - to.x) / 2) * unit, ((from.y - to.y) / 2) * unit));
}

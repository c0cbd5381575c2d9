// One of the two pictures: under its map, with its pins. Mouse, finger and arrow keys point at its cells.
import { useRef } from "preact/hooks";
import type { Grid } from "../../geometry/grid.ts";
import type { Point } from "../../geometry/region.ts";
import { Heat } from "../../heat/heat.tsx";
import { usePicture } from "../../pictures/use-picture.ts";
import type { ImageRef } from "../../query/question.ts";
import { sideName, type Side } from "./explanation.ts";
import { Marks } from "./marks.tsx";
import { change, explanation } from "./pair-store.ts";
import { pin, remove, sayCell } from "./pointing.ts";
import { maps, pointAway, pointed } from "./shown.ts";

interface Props {
  readonly side: Side;
  readonly imageRef: ImageRef;
  readonly grid: Grid;
}

// A finger that moves farther than this, in CSS pixels, explores instead of tapping.
const STILL = 10;
const STEPS: Readonly<Record<string, readonly [down: number, across: number]>> = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
};

export function Stage({ side, imageRef, grid }: Props) {
  const { shown, problem } = usePicture(imageRef, 640), map = maps[side].value;
  const pressed = useRef<Point | undefined>(undefined);
  const { width, height } = grid.image, rows = grid.rows.length, cols = grid.cols.length;
  const pointTo = (event: PointerEvent & { readonly currentTarget: Element }) => {
    const { left, top, width: across, height: down } = event.currentTarget.getBoundingClientRect();
    const point = { x: ((event.clientX - left) / across) * width, y: ((event.clientY - top) / down) * height };
    const position = grid.positionAt(point), now = pointed.peek();
    if (now?.side === side && now.position === position) return;
    pointed.value = position === undefined ? undefined : { side, position };
  };
  return (
    <div
      class="explain-stage" style={{ aspectRatio: `${width} / ${height}`, "--ratio": String(width / height) }} tabIndex={0}
      role="application" aria-label={`Picture ${sideName(side)}, ${rows} by ${cols} cells. Arrow keys point at a cell, Enter pins it.`}
      onPointerMove={pointTo}
      onPointerDown={(event) => {
        pressed.current = { x: event.clientX, y: event.clientY };
        pointTo(event);
      }}
      onPointerUp={(event) => {
        const start = pressed.current;
        pressed.current = undefined;
        if (event.button === 0 && start && Math.hypot(event.clientX - start.x, event.clientY - start.y) <= STILL) pin();
        if (event.pointerType !== "mouse") pointAway();
      }}
      onPointerLeave={pointAway}
      onPointerCancel={pointAway}
      onBlur={pointAway}
      onKeyDown={(event) => {
        if (!keyed(event.key, side, rows, cols)) return;
        event.preventDefault();
      }}
    >
      {shown && <img class={map ? "under-heat" : ""} src={shown.url} alt="" draggable={false} />}
      {!shown && problem && <p class="explain-no-picture">{problem.title}. What the model saw of it is still known.</p>}
      {map && <Heat values={map.values} grid={grid} scale={map.scale} sign={explanation.value.sign} />}
      <Marks side={side} grid={grid} />
    </div>
  );
}

/** Does what a key says; returns whether it says something. */
function keyed(key: string, side: Side, rows: number, cols: number): boolean {
  const now = pointed.peek(), step = STEPS[key];
  if (step) {
    const middle = Math.floor(rows / 2) * cols + Math.floor(cols / 2);
    const from = now?.side === side ? now.position : undefined;
    pointed.value = { side, position: from === undefined ? middle : moved(from, step, rows, cols) };
    sayCell();
    return true;
  }
  if (key === "Enter" || key === " ") {
    pin();
    return true;
  }
  const { selected } = explanation.peek();
  if (key === "Escape") {
    if (now) pointAway();
    else if (selected !== undefined) change({ ...explanation.peek(), selected: undefined });
    return true;
  }
  if ((key === "Delete" || key === "Backspace") && selected !== undefined) {
    remove(selected);
    return true;
  }
  return false;
}

function moved(position: number, [down, across]: readonly [number, number], rows: number, cols: number): number {
  const row = Math.min(Math.max(Math.floor(position / cols) + down, 0), rows - 1);
  const col = Math.min(Math.max((position % cols) + across, 0), cols - 1);
  return row * cols + col;
}

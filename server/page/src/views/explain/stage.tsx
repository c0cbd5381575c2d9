// One of the two pictures: under its map, with its pins. Mouse, finger and arrow keys point at its cells.
import { useMemo, useState } from "preact/hooks";
import { Stage as DrawingStage } from "../../drawing/stage.tsx";
import { focusedOf } from "../../drawing/stage-keys.ts";
import { tool } from "../../drawing/state.ts";
import { ZoomButtons } from "../../drawing/zoom-buttons.tsx";
import { showing, sideAt, zoomOf } from "../../drawing/zoom.ts";
import type { Grid } from "../../geometry/grid.ts";
import type { Box } from "../../geometry/region.ts";
import { Heat } from "../../heat/heat.tsx";
import { usePicture } from "../../pictures/use-picture.ts";
import type { ImageRef } from "../../query/question.ts";
import { sideName, SIDES, type Side } from "../../explanation/explanation.ts";
import { explanation } from "./pair-store.ts";
import { drawing } from "./pin-sheet.ts";
import { pin, sayCell } from "./pointing.ts";
import { isAwaited, maps, pointAway, pointed } from "./shown.ts";

interface Props {
  readonly side: Side;
  readonly imageRef: ImageRef;
  readonly grid: Grid;
}

const STEPS: Readonly<Record<string, readonly [down: number, across: number]>> = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
};

export function Stage({ side, imageRef, grid }: Props) {
  const map = maps[side].value, { width, height } = grid.image, rows = grid.rows.length, cols = grid.cols.length;
  const frame = useMemo(() => ({ x: 0, y: 0, width, height }), [width, height]);
  const [view, setView] = useState<Box>(frame), zoom = zoomOf(view, frame);
  const { shown, problem } = usePicture(imageRef, sideAt(zoom, 640));
  const away = () => { if (pointed.peek()?.side === side) pointAway(); };
  const follow = () => {
    const at = pointed.peek(), cell = at?.side === side ? grid.cell(at.position) : undefined;
    if (cell) setView(showing(view, frame, { x: cell.x + cell.width / 2, y: cell.y + cell.height / 2 }));
  };
  return (
    <>
      <div
        class="explain-stage" style={{ "--ratio": String(width / height), aspectRatio: `${width} / ${height}` }}
        onPointerMove={(event) => pointTo(event, side, grid, view)} onPointerDown={(event) => pointTo(event, side, grid, view)}
        onPointerUp={(event) => { if (event.pointerType !== "mouse") away(); }}
        onPointerLeave={away} onPointerCancel={away} onFocusOut={away}
        onKeyDownCapture={(event) => {
          if (tool.peek() !== "point" || focusedOf(event.target) || !keyed(event.key, side, rows, cols)) return;
          follow();
          event.preventDefault();
          event.stopPropagation();
        }}
      >
        <div class="explain-layers" style={{ transform: `scale(${zoom}) translate(${(-100 * view.x) / width}%, ${(-100 * view.y) / height}%)` }}>
          {shown && <img class={map || isAwaited(side) ? "under-heat" : ""} src={shown.url} alt="" draggable={false} />}
          {map && <Heat values={map.values} grid={grid} scale={map.scale} sign={explanation.value.sign} />}
        </div>
        {!shown && problem && <p class="explain-no-picture">{problem.title}. What the model saw of it is still known.</p>}
        <Cell side={side} grid={grid} view={view} />
        <DrawingStage
          image={SIDES.indexOf(side)} imageRef={imageRef} name={`Picture ${sideName(side)}, ${rows} by ${cols} cells`} size={grid.image}
          grid={grid} picture={undefined} over frame={frame} view={view} setView={setView}
        />
      </div>
      <ZoomButtons frame={frame} view={view} setView={setView} />
    </>
  );
}

/** The cell that is pointed at. */
function Cell({ side, grid, view }: { readonly side: Side; readonly grid: Grid; readonly view: Box }) {
  const at = pointed.value;
  if (at?.side !== side || drawing.value) return null;
  const cell = grid.cell(at.position);
  return (
    <svg class="explain-cell" viewBox={`${view.x} ${view.y} ${view.width} ${view.height}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={`M${cell.x} ${cell.y}h${cell.width}v${cell.height}h${-cell.width}Z`} />
    </svg>
  );
}

function pointTo(event: PointerEvent & { readonly currentTarget: Element }, side: Side, grid: Grid, view: Box): void {
  const { left, top, width, height } = event.currentTarget.getBoundingClientRect();
  const point = {
    x: view.x + ((event.clientX - left) / width) * view.width, y: view.y + ((event.clientY - top) / height) * view.height,
  };
  const position = grid.positionAt(point), now = pointed.peek();
  if (now?.side === side && now.position === position) return;
  pointed.value = position === undefined ? undefined : { side, position };
}

/** Does what a key says while points are pinned; returns whether it says something. */
function keyed(key: string, side: Side, rows: number, cols: number): boolean {
  const now = pointed.peek(), step = STEPS[key];
  if (step) {
    const middle = Math.floor(rows / 2) * cols + Math.floor(cols / 2);
    pointed.value = { side, position: now?.side === side ? moved(now.position, step, rows, cols) : middle };
    sayCell();
    return true;
  }
  if (now?.side !== side) return false;
  if (key === "Enter" || key === " ") pin();
  else if (key === "Escape") pointAway();
  else return false;
  return true;
}

function moved(position: number, [down, across]: readonly [number, number], rows: number, cols: number): number {
  const row = Math.min(Math.max(Math.floor(position / cols) + down, 0), rows - 1);
  const col = Math.min(Math.max((position % cols) + across, 0), cols - 1);
  return row * cols + col;
}

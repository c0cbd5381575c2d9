// A picture to draw on.
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Grid } from "../geometry/grid.ts";
import type { Box, Point, Size } from "../geometry/region.ts";
import type { ImageRef } from "../query/question.ts";
import { shown } from "./sheet.ts";
import { ModelLayer } from "./model-layer.tsx";
import { settle } from "./nudge.ts";
import { regionsOn, type Placed } from "./regions-on.ts";
import { Shape } from "./shape.tsx";
import { focusedOf, onStageKey } from "./stage-keys.ts";
import { active, brushRadius, draft, hovered, selected, showingModel, tool, TOOLS, wantsFocus } from "./state.ts";
import { usePointer, type Stroke } from "./use-pointer.ts";
import { useWidth } from "./use-size.ts";
import { zoomOf } from "./zoom.ts";

interface Props {
  readonly image: number;
  readonly imageRef: ImageRef;
  /** For screen readers. */
  readonly name?: string;
  readonly size: Size;
  readonly grid: Grid;
  readonly picture: string | undefined;
  /** Whether it lies over the picture, which is drawn elsewhere. */
  readonly over?: boolean;
  readonly frame: Box;
  readonly view: Box;
  readonly setView: (view: Box) => void;
}

export function Stage({ image, imageRef, name = `Picture ${image + 1}`, size, grid, picture, over = false, frame, view, setView }: Props) {
  const svg = useRef<SVGSVGElement>(null), id = useId();
  const width = useWidth(svg), unit = view.width / (width || 400);
  const [stroke, setStroke] = useState<Stroke>();
  const [hover, setHover] = useState<Point>();
  const [cursor, setCursor] = useState<Point>();
  const placed = regionsOn(shown.value, image);
  const pointer = usePointer({ image, size, frame, view, unit, setView, setStroke, setHover });
  useFocusOfShape(svg, placed);
  const armed = tool.value !== "select", row = TOOLS.find((one) => one.tool === tool.value);
  const label = `${name}. Tool: ${row?.label ?? ""}. ${armed ? "Arrow keys move the cross, Enter draws there." : "Tab goes to the regions."}`;
  return (
    <svg
      ref={svg} class={`stage${armed ? " armed" : ""}${zoomOf(view, frame) > 1.001 ? " zoomed" : ""}`} role="application"
      aria-label={label} tabindex={0} viewBox={`${view.x} ${view.y} ${view.width} ${view.height}`} data-picture={image}
      style={{ "--aspect": frame.width / frame.height }}
      {...pointer}
      onKeyDown={(event) => {
        active.value = image;
        const before = shown.peek().regions.length;
        if (onStageKey(event, { image, size, frame, view, unit, cursor, setCursor, setView })) event.preventDefault();
        // A deleted shape must not take the focus along.
        if (shown.peek().regions.length < before) svg.current?.focus({ preventScroll: true });
      }}
      onKeyUp={(event) => {
        if (event.key.startsWith("Arrow")) settle(focusedOf(event.target)?.index ?? -1);
      }}
      onFocusOut={() => setCursor(undefined)}
      onFocusIn={(event) => {
        const on = focusedOf(event.target);
        active.value = image;
        if (on && tool.peek() === "select") selected.value = on.index;
      }}
      onBlurCapture={(event) => settle(focusedOf(event.target)?.index ?? -1)}
    >
      <defs>
        <pattern id={id} width={8 * unit} height={8 * unit} patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <path class="hatch" d={`M0 0V${8 * unit}`} stroke-width={3 * unit} />
        </pattern>
      </defs>
      {!over && (picture === undefined
        ? <rect class="no-picture" width={size.width} height={size.height} />
        : <image href={picture} width={size.width} height={size.height} preserveAspectRatio="none" />)}
      <ModelLayer grid={grid} imageRef={imageRef} placed={shaded(placed)} lines={showingModel.value} />
      {placed.map((one) => (
        <Shape
          key={one.index} placed={one} size={size} unit={unit} hatch={id}
          selected={selected.value === one.index} hovered={hovered.value === one.index}
        />
      ))}
      {stroke && (
        <polyline
          class={stroke.erase ? "stroke erase" : "stroke"} stroke-width={2 * stroke.radius}
          points={[...stroke.points, ...stroke.points.slice(0, 1)].slice(0, Math.max(2, stroke.points.length)).map(({ x, y }) => `${x},${y}`).join(" ")}
        />
      )}
      {draft.value?.image === image && <Draft points={draft.value.points} to={cursor ?? hover} unit={unit} />}
      {tool.value === "brush" && (cursor ?? hover) && <Ring at={cursor ?? hover} radius={brushRadius.value * unit} />}
      {cursor && armed && <Cross at={cursor} unit={unit} />}
    </svg>
  );
}

/** The regions whose cells are shaded: all while the model's view is shown, and parts always, which have no other outline. */
function shaded(placed: readonly Placed[]): readonly Placed[] {
  const one = hovered.value ?? selected.value;
  if (!showingModel.value) return placed.filter(({ region }) => region.kind === "point" && region.snap);
  const pointed = placed.filter(({ index }) => index === one);
  return pointed.length ? pointed : placed;
}

function useFocusOfShape(svg: { readonly current: SVGSVGElement | null }, placed: readonly Placed[]): void {
  const wanted = wantsFocus.value;
  useLayoutEffect(() => {
    if (wanted === undefined || !placed.some(({ index }) => index === wanted)) return;
    wantsFocus.value = undefined;
    svg.current?.querySelector<SVGElement>(`[data-region="${wanted}"]:not([data-handle])`)?.focus({ preventScroll: true });
  });
}

function Draft({ points, to, unit }: { readonly points: readonly Point[]; readonly to: Point | undefined; readonly unit: number }) {
  const path = `M${[...points, ...(to ? [to] : [])].map(({ x, y }) => `${x} ${y}`).join("L")}`;
  return (
    <g class="draft" aria-hidden="true">
      <path class="halo" d={path} />
      <path class="line" d={path} />
      {points.map(({ x, y }, i) => <circle key={i} class="dot" cx={x} cy={y} r={(i ? 4 : 7) * unit} />)}
    </g>
  );
}

function Ring({ at, radius }: { readonly at: Point | undefined; readonly radius: number }) {
  if (!at) return null;
  return (
    <g class="ring" aria-hidden="true">
      <circle class="halo" cx={at.x} cy={at.y} r={radius} />
      <circle class="line" cx={at.x} cy={at.y} r={radius} />
    </g>
  );
}

function Cross({ at, unit }: { readonly at: Point; readonly unit: number }) {
  const path = `M${at.x - 14 * unit} ${at.y}h${28 * unit}M${at.x} ${at.y - 14 * unit}v${28 * unit}`;
  return (
    <g class="cross" aria-hidden="true">
      <path class="halo" d={path} />
      <path class="line" d={path} />
    </g>
  );
}

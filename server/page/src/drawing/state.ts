// What the drawing tools are at. None of it is in the address: it ends with the visit.
import { computed, signal } from "@preact/signals";
import type { Point } from "../geometry/region.ts";
import { announce } from "../ui/announcer.tsx";
import { withRegion, withoutRegion } from "../query/edits.ts";
import { change, home, question, regionName, tools } from "./sheet.ts";

export type Tool = "select" | "box" | "polygon" | "brush" | "point" | "snap";

export interface ToolRow {
  readonly tool: Tool | "whole";
  readonly label: string;
  readonly hint: string;
  readonly key: string;
}

export const TOOLS: readonly ToolRow[] = [
  { tool: "select", label: "Select", key: "v", hint: "Select, move and resize" },
  { tool: "box", label: "Box", key: "b", hint: "Drag a box" },
  { tool: "polygon", label: "Polygon", key: "p", hint: "Click the corners; a double click or Enter closes it" },
  { tool: "brush", label: "Brush", key: "r", hint: "Paint the part" },
  { tool: "snap", label: "Part", key: "s", hint: "Click once, and the region grows over the part" },
  { tool: "point", label: "Point", key: "o", hint: "Click one spot" },
  { tool: "whole", label: "Whole", key: "w", hint: "The whole picture" },
];

/** The tools that can be taken now. */
export const offered = computed(() => TOOLS.filter((row) => tools.value.includes(row.tool)));

const current = signal<Tool>("box");
let last: Tool = "box";

export const tool = computed(() => current.value);
/** Radius of the brush on the screen, in CSS pixels. */
export const brushRadius = signal(16);
export const erasing = signal(false);
/** Number of the selected region, counted from 0. */
export const selected = signal<number | undefined>(undefined);
/** Number of the region that the list points to. */
export const hovered = signal<number | undefined>(undefined);
/** The picture that was drawn on last. */
export const active = signal(0);
export const showingModel = signal(false);
/** Whether pictures get most of the window, for drawing small parts. */
export const roomy = signal(false);
/** Whether the dialog of the keys is open. */
export const helping = signal(false);
/** Corners of a polygon that is not closed yet. */
export const draft = signal<{ readonly image: number; readonly points: readonly Point[] } | undefined>(undefined);
/** The region whose shape should get the keyboard's focus once it is drawn. */
export const wantsFocus = signal<number | undefined>(undefined);

/** Takes a tool. */
export function take(next: Tool): void {
  current.value = next;
  draft.value = undefined;
  if (next !== "select") {
    last = next;
    selected.value = undefined;
  }
}

/** Takes the tool again that was used last. */
export function takeLast(): void {
  take(last);
}

/** Selects a region, and gives its shape the focus. */
export function select(index: number | undefined): void {
  selected.value = index;
  wantsFocus.value = index;
}

/** After something was drawn: back to the usual tool; a brush stays, for the next stroke. */
export function drawn(index: number): void {
  const brush = current.peek() === "brush";
  if (!brush) current.value = home.peek();
  draft.value = undefined;
  selected.value = index;
  if (!brush) wantsFocus.value = index;
}

/** Marks the whole of a picture; selects that region if there is one already. */
export function markWhole(image: number): void {
  const asked = question.peek();
  const there = asked.regions.findIndex((one) => one.image === image && one.region.kind === "whole");
  if (there < 0) change(withRegion(asked, image, { kind: "whole" }));
  drawn(there < 0 ? asked.regions.length : there);
}

export function remove(index: number): void {
  const name = regionName(index);
  selected.value = undefined;
  hovered.value = undefined;
  change(withoutRegion(question.peek(), index));
  announce(`Region ${name} deleted`);
}

// What the tools draw on: the question of the search, unless a view puts its own regions there while it is shown.
import { computed, signal, type ReadonlySignal } from "@preact/signals";
import type { Question } from "../query/question.ts";
import * as search from "../query/store.ts";
import type { Tool } from "./state.ts";

export interface Sheet {
  readonly question: ReadonlySignal<Question>;
  /** The question, or the preview of the next one. */
  readonly shown: ReadonlySignal<Question>;
  readonly previewing: ReadonlySignal<boolean>;
  readonly canUndo: ReadonlySignal<boolean>;
  readonly canRedo: ReadonlySignal<boolean>;
  readonly change: (next: Question) => void;
  readonly preview: (next: Question | undefined) => void;
  readonly undo: () => void;
  readonly redo: () => void;
  /** The tools that it takes. */
  readonly tools: readonly (Tool | "whole")[];
  /** The tool to go on with after something was drawn. */
  readonly home: Tool;
  /** What to do first, while there is no region. */
  readonly invitation: string;
  /** The name of a region on the picture: short. */
  readonly regionName: (index: number) => string;
}

const SEARCH: Sheet = {
  ...search, tools: ["select", "box", "polygon", "brush", "snap", "point", "whole"], home: "select",
  invitation: "Mark the part to look for.", regionName: (index) => String(index + 1),
};

const sheet = signal<Sheet>(SEARCH);

/** Draws on another sheet, until the returned function is called. */
export function drawOn(other: Sheet): () => void {
  sheet.value = other;
  return () => {
    if (sheet.peek() === other) sheet.value = SEARCH;
  };
}

export const question = computed(() => sheet.value.question.value);
export const shown = computed(() => sheet.value.shown.value);
export const previewing = computed(() => sheet.value.previewing.value);
export const canUndo = computed(() => sheet.value.canUndo.value);
export const canRedo = computed(() => sheet.value.canRedo.value);
export const tools = computed(() => sheet.value.tools);
export const home = computed(() => sheet.value.home);
export const invitation = computed(() => sheet.value.invitation);

export function change(next: Question): void {
  sheet.peek().change(next);
}

export function preview(next: Question | undefined): void {
  sheet.peek().preview(next);
}

export function undo(): void {
  sheet.peek().undo();
}

export function redo(): void {
  sheet.peek().redo();
}

export function regionName(index: number): string {
  return sheet.value.regionName(index);
}

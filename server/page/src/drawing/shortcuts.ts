// Keys that work anywhere in the search view.
import { signal } from "@preact/signals";
import { everyVisit } from "../app/kept.ts";
import { useLayoutEffect } from "preact/hooks";
import { withRegionChanged } from "../query/edits.ts";
import { change, home, question, redo, undo } from "./sheet.ts";
import { closePolygon } from "./polygon.ts";
import {
  active, brushRadius, draft, erasing, helping, markWhole, offered, remove, selected, take, takeLast, tool,
} from "./state.ts";

const KEY = "partlens-single-keys";

/** Whether single letters are shortcuts; people who speak to their computer may not want that. */
export const singleKeys = signal(everyVisit.get(KEY) !== "no");

export function switchSingleKeys(on: boolean): void {
  singleKeys.value = on;
  if (on) everyVisit.forget(KEY);
  else everyVisit.set(KEY, "no");
}

/** Listens for the keys of the drawing tools. */
export function useShortcuts(): void {
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || isTyping(event.target) || document.querySelector("dialog[open]")) return;
      const meant = event.ctrlKey || event.metaKey ? withControl(event) : !event.altKey && alone(event);
      if (meant) event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "range", "button"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}

function withControl(event: KeyboardEvent): boolean {
  const key = event.key.toLowerCase();
  if (key === "z" && event.shiftKey) redo();
  else if (key === "z") undo();
  else if (key === "y") redo();
  else return false;
  return true;
}

function alone(event: KeyboardEvent): boolean {
  if (event.key === "Escape") return escape();
  if (event.key === "Enter" && draft.peek() && event.target === document.body) {
    closePolygon();
    return true;
  }
  if (!singleKeys.peek() || question.peek().images.length === 0) return false;
  return letter(event.key.toLowerCase());
}

function escape(): boolean {
  if (draft.peek()) draft.value = undefined;
  else if (tool.peek() !== home.peek()) take(home.peek());
  else if (selected.peek() !== undefined) selected.value = undefined;
  else return false;
  return true;
}

function letter(key: string): boolean {
  const row = offered.peek().find((one) => one.key === key), index = selected.peek();
  if (row) {
    if (row.tool === "whole") markWhole(active.peek());
    else take(row.tool);
  } else if (key === "n") takeLast();
  else if (key === "e" && tool.peek() === "brush") erasing.value = !erasing.peek();
  else if (key === "[") brushRadius.value = Math.max(3, brushRadius.peek() - 4);
  else if (key === "]") brushRadius.value = Math.min(80, brushRadius.peek() + 4);
  else if (key === "?") helping.value = true;
  else if (key === "x" && index !== undefined) toggleExclude(index);
  else if (key === "delete" && index !== undefined) remove(index);
  else return false;
  return true;
}

/** Turns a region from wanted to unwanted, or back. */
export function toggleExclude(index: number): void {
  const one = question.peek().regions[index];
  if (one) change(withRegionChanged(question.peek(), index, { exclude: !one.exclude }));
}

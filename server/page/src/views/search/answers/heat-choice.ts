// Whether maps lie over the pictures; kept for the next visit.
import { signal } from "@preact/signals";
import { everyVisit } from "../../../app/kept.ts";

const KEY = "partlens-heat";

export const heatShown = signal(everyVisit.get(KEY) !== "off");

export function showHeat(shown: boolean): void {
  heatShown.value = shown;
  if (shown) everyVisit.forget(KEY);
  else everyVisit.set(KEY, "off");
}

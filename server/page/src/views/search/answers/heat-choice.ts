// Whether maps lie over the pictures; kept for the next visit.
import { signal } from "@preact/signals";

const KEY = "partlens-heat";

export const heatShown = signal(localStorage.getItem(KEY) !== "off");

export function showHeat(shown: boolean): void {
  heatShown.value = shown;
  if (shown) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, "off");
}

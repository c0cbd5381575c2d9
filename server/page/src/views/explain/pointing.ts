// What pointing at a cell leads to: pins, and words for screen readers.
import { announce } from "../../ui/announcer.tsx";
import { other, pinName, sideName, withoutPin, withPin } from "../../explanation/explanation.ts";
import { explained, explanation } from "./pair-store.ts";
import { changePins } from "./pin-sheet.ts";
import { adds, maps, pointAt, pointed, source } from "./shown.ts";
import { cellName, shareOf, signed, strongest } from "./words.ts";

// Words follow the keys only once they rest.
const REST_MS = 300;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Pins the cell that is pointed at. */
export function pin(): void {
  const at = pointed.peek(), now = explanation.peek();
  const region = at && pointAt(at);
  if (!at || !region) return;
  const next = withPin(now, { side: at.side, region }), before = now.pins.length;
  changePins(next);
  if (explanation.peek().pins.length > before) announce(`Pinned as ${pinName(next.pins, before)}`);
}

/** Removes a pin. */
export function remove(index: number): void {
  const now = explanation.peek(), name = pinName(now.pins, index);
  changePins(withoutPin(now, index));
  announce(`${name} removed`);
}

/** Tells screen readers about the cell that is pointed at, once the keys rest. */
export function sayCell(): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const words = cellWords();
    if (words) announce(words);
  }, REST_MS);
}

function cellWords(): string | undefined {
  const at = pointed.peek(), from = source.peek(), now = explained.peek();
  if (!at || !from || !now) return undefined;
  const { grids, similarity } = now.pair, added = adds(from), share = shareOf(added, similarity);
  const place = `${sideName(at.side)}, ${cellName(at.position, grids[at.side].cols.length)}: ${signed(added)}${share && `, ${share} of the similarity`}.`;
  const across = other(at.side), map = explanation.peek().map === "partial" ? maps[across].peek() : undefined;
  if (!map) return place;
  const best = strongest(map.values), value = map.values[best] ?? 0;
  return `${place} Strongest on ${sideName(across)}: ${cellName(best, grids[across].cols.length)}, ${signed(value)}.`;
}

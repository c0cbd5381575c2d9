// The numbers under a picture. Their place is kept, so that nothing jumps while the mouse moves.
import { sums } from "../../heat/colours.ts";
import { other, sideName, type Side } from "../../explanation/explanation.ts";
import { explained, explanation, rows } from "./pair-store.ts";
import { drawing } from "./pin-sheet.ts";
import { adds, isAwaited, maps, pointed, resting, source } from "./shown.ts";
import { cellName, shareOf, signed } from "./words.ts";

export function Caption({ side }: { readonly side: Side }) {
  return (
    <div class="explain-caption number">
      {pointedWords(side) && <p>{pointedWords(side)}</p>}
      {mapWords(side) && <p class="quiet">{mapWords(side)}</p>}
    </div>
  );
}

function pointedWords(side: Side): string {
  const now = explained.value, from = source.value, { map } = explanation.value;
  if (!now) return "";
  if (from?.side !== side) {
    if (map === "partial" && !from) return `Point at ${sideName(side)} to see what matches in ${sideName(other(side))}`;
    return "";
  }
  const at = drawing.value ? undefined : pointed.value, added = adds(from), share = shareOf(added, now.pair.similarity);
  const cell = at && cellName(at.position, now.pair.grids[side].cols.length);
  const place = cell ? cell.charAt(0).toUpperCase() + cell.slice(1) : from.name || "This region";
  if (added === 0) return `${place} adds nothing${withPinned(side)}`;
  return `${place} adds ${signed(added)}${share && ` (${share})`}${withPinned(side)}`;
}

/** What the cell that is pointed at and the pin on the other image add together. */
function withPinned(side: Side): string {
  const at = drawing.value ? undefined : pointed.value;
  const pin = resting.value;
  if (at?.side !== side || pin?.side !== other(side)) return "";
  const together = rows.value?.partial(pin)?.values[at.position];
  return together === undefined ? "" : `, with ${pin.name} ${signed(together)}`;
}

function mapWords(side: Side): string {
  const map = maps[side].value;
  if (!map) return isAwaited(side) ? "Fetching this map…" : "";
  const { red, blue } = sums(map.values), sum = map.sum;
  const parts = `Map: red ${signed(red)}, blue ${signed(blue)}`;
  if (map.constant === undefined) return `${parts}, sum ${signed(sum)}`;
  return `${parts}, bias ${signed(map.constant)}, sum ${signed(sum + map.constant)}`;
}

// The pinned points and regions, with what each adds to the similarity.
import { kindOf } from "../../drawing/words.ts";
import { Button } from "../../ui/button.tsx";
import { pinName, sideName } from "../../explanation/explanation.ts";
import { change, explained, explanation } from "./pair-store.ts";
import { current } from "./pin-sheet.ts";
import { remove } from "./pointing.ts";
import { adds, pinned, resting, type Source } from "./shown.ts";
import { cellName, shareOf, signed } from "./words.ts";

export function Pins() {
  const now = current.value;
  if (!now.pins.length) return <p class="quiet">Click a picture to pin a point. Pins stay, and are part of this page's address.</p>;
  return (
    <ol class="explain-pins" aria-label="Pins">
      {now.pins.map((_, index) => <PinRow key={index} index={index} source={pinned.value.find((one) => one.index === index)} />)}
    </ol>
  );
}

function PinRow({ index, source }: { readonly index: number; readonly source: Source | undefined }) {
  const now = current.value, name = pinName(now.pins, index), chosen = resting.value?.index === index;
  return (
    <li class="row">
      <Button pressed={chosen} label={`Show the map of ${name}`} onClick={() => change({ ...explanation.peek(), map: "partial", selected: index })}>
        {name}
      </Button>
      <span class="grow number">{source ? words(source) : "Asking the server what it covers…"}</span>
      <Button kind="plain" label={`Remove ${name}`} onClick={() => remove(index)}>✕</Button>
    </li>
  );
}

function words(source: Source): string {
  const pair = explained.value?.pair;
  if (!pair) return "";
  if (source.shares.every((share) => share === 0)) return "Outside what the model sees: adds nothing";
  const added = adds(source), share = shareOf(added, pair.similarity);
  const cell = source.shares.indexOf(1);
  const place = source.point ? cellName(cell, pair.grids[source.side].cols.length) : kindOf(source.region).toLowerCase();
  return `${sideName(source.side)}, ${place}: ${signed(added)}${share && ` (${share})`}`;
}


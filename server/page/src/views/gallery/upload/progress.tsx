// What becomes of each picture that is added.
import { may } from "../../../api/server.ts";
import { Button } from "../../../ui/button.tsx";
import { counted } from "../../../ui/words.ts";
import { imageHref } from "../address.ts";
import { clear, failed, items, sendAgain, stop, uploading, type Fate, type Item } from "./queue.ts";

const FATES: Readonly<Record<Fate, string>> = {
  waiting: "Waiting",
  sending: "Sending…",
  added: "Added",
  replaced: "Added: replaced the image with this id",
  refused: "Not added",
  stopped: "Stopped",
};
// What needs a person comes first.
const ORDER: readonly Fate[] = ["refused", "sending", "stopped", "replaced", "added", "waiting"];
const MOST_SHOWN = 200;

export function Progress() {
  const all = items.value;
  if (all.length === 0) return null;
  const over = all.filter(({ fate }) => fate !== "waiting" && fate !== "sending").length, again = failed.value;
  const sorted = ORDER.flatMap((fate) => all.filter((one) => one.fate === fate));
  return (
    <section class="sheet stack upload" aria-label="Pictures being added">
      <div class="row">
        <strong class="grow">{summary(all)}</strong>
        {uploading.value && <Button onClick={stop}>Stop</Button>}
        {!uploading.value && again > 0 && <Button kind="primary" onClick={sendAgain}>Try {again === 1 ? "it" : again.toLocaleString()} again</Button>}
        {!uploading.value && <Button onClick={clear}>Close</Button>}
      </div>
      <progress max={all.length} value={over} aria-label="Pictures handled" />
      <ul class="upload-list">
        {sorted.slice(0, MOST_SHOWN).map((item) => <Row key={item.number} item={item} />)}
      </ul>
      {sorted.length > MOST_SHOWN && <p class="quiet">And {counted(sorted.length - MOST_SHOWN, "more", "more")}.</p>}
    </section>
  );
}

function Row({ item: { id, fate, problem } }: { readonly item: Item }) {
  const there = fate === "added" || fate === "replaced";
  return (
    <li class={fate === "refused" ? "problem" : ""}>
      {there && may("search") ? <a href={imageHref(id)}>{id}</a> : <span>{id}</span>}{" "}
      <span class={fate === "refused" ? "" : "quiet"}>
        {problem ? `${fate === "sending" ? "Waiting to try again" : FATES[fate]}: ${problem.title}. ${problem.text}` : FATES[fate]}
      </span>
    </li>
  );
}

function summary(all: readonly Item[]): string {
  const number = (...fates: Fate[]) => all.filter(({ fate }) => fates.includes(fate)).length;
  const added = number("added", "replaced"), replaced = number("replaced"), refused = number("refused"), stopped = number("stopped");
  return [
    `${added.toLocaleString()} of ${counted(all.length, "picture")} added`,
    replaced > 0 && `${replaced.toLocaleString()} of them replaced an image`,
    refused > 0 && `${refused.toLocaleString()} not added`,
    stopped > 0 && `${stopped.toLocaleString()} stopped`,
  ].filter(Boolean).join(", ");
}

// How far a person has seen and cleared the matches, kept for their next visit and shared by all tabs.
import { signal } from "@preact/signals";
import { everyVisit } from "../../app/kept.ts";

const PREFIX = "partlens-watch:";

/** Revisions up to which matches were seen, and taken from the list; 0 for none. */
export interface Marks {
  readonly seen: bigint;
  readonly cleared: bigint;
}

// What this tab has set; the rest is in local storage.
const held = signal<ReadonlyMap<string, string>>(new Map());

// Another tab has changed them.
addEventListener("storage", ({ key }) => {
  if (key === null || key.startsWith(PREFIX)) held.value = new Map();
});

/** The marks of a caller. */
export function marksOf(caller: string): Marks {
  const text = held.value.get(caller) ?? everyVisit.get(PREFIX + caller) ?? "";
  const [, seen = "0", cleared = "0"] = /^(\d{1,19}) (\d{1,19})$/.exec(text) ?? [];
  return { seen: BigInt(seen), cleared: BigInt(cleared) };
}

export function setMarks(caller: string, { seen, cleared }: Marks): void {
  const text = `${seen} ${cleared}`;
  if (everyVisit.get(PREFIX + caller) === text) return;
  everyVisit.set(PREFIX + caller, text);
  held.value = new Map(held.peek()).set(caller, text);
}

// The place of the address as a signal, and ways to change it.
import { computed, signal } from "@preact/signals";
import { go, href, replace, route } from "../../../app/route.ts";
import { toParameters } from "../../../query/address.ts";
import type { Question } from "../../../query/question.ts";
import { change, question } from "../../../query/store.ts";
import { placeOf, withPlace, type Place } from "./place.ts";

/** Which hit is open, and the lowest score that is shown. */
export const place = computed<Place>(() => placeOf(route.value.parameters));

const sliding = signal<number | undefined>(undefined);

/** The lowest score that is shown, also while its slider moves; undefined shows all. */
export const lowest = computed(() => sliding.value ?? place.value.lowest);

// Marks the steps of the browser's history that open a hit: the step before each is its list of hits.
const OPENED = "hit opened";

function addressOf(next: Place): string {
  return href("search", "", withPlace(toParameters(question.peek()), next));
}

/** Opens the sum of a hit, as a step that the back button returns from. */
export function openHit(id: string): void {
  go(addressOf({ ...place.peek(), hit: id }));
  history.replaceState(OPENED, "");
}

/** Shows another hit in place of the open one. */
export function showHit(id: string): void {
  replace(addressOf({ ...place.peek(), hit: id }));
}

export function closeHit(): void {
  if (history.state === OPENED) history.back();
  else replace(addressOf({ ...place.peek(), hit: "" }));
}

/** Hides scores below a value while the slider moves; the address stays. */
export function slide(value: number): void {
  sliding.value = value;
}

/** Hides scores below a value; undefined shows all. */
export function hideBelow(value: number | undefined): void {
  sliding.value = undefined;
  replace(addressOf({ ...place.peek(), lowest: value }));
}

/** Changes which images are searched, or how; the slider stays where it is. */
export function refine(part: Partial<Pick<Question, "where" | "groupBy" | "excludeIdentical">>): void {
  const kept = place.peek();
  change({ ...question.peek(), ...part });
  replace(addressOf({ ...kept, hit: "" }));
}

// What the gallery listed last: the way back to it, and from one of its images to the next.
import { signal } from "@preact/signals";
import { EVERYWHERE, type Where } from "../../query/question.ts";

interface Listing {
  readonly where: Where;
  readonly ids: readonly string[];
}

/** The last listing of this visit. */
export const listing = signal<Listing>({ where: EVERYWHERE, ids: [] });

export function keepListing(where: Where, ids: readonly string[]): void {
  listing.value = { where, ids };
}

/** The images before and after one in the last listing; undefined where there is none. */
export function neighboursOf(id: string): { readonly before?: string | undefined; readonly after?: string | undefined } {
  const { ids } = listing.value, at = ids.indexOf(id);
  return at < 0 ? {} : { before: ids[at - 1], after: ids[at + 1] };
}

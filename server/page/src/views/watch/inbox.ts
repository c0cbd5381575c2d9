// Takes every match once, though a stream that is resumed repeats some.
import type { WatchMatchesResponse } from "../../gen/partlens/v1/standing_query_service_pb.ts";

export class Inbox {
  #newest: bigint | undefined;
  /** Keys of the matches of the newest revision. */
  #keys = new Set<string>();

  /** The newest revision of a match; undefined before the first. */
  get newest(): bigint | undefined {
    return this.#newest;
  }

  /** Whether a match is new. Matches come in the order of their revisions. */
  take(revision: bigint, key: string): boolean {
    if (this.#newest !== undefined && revision < this.#newest) return false;
    if (revision !== this.#newest) this.#keys.clear();
    if (this.#keys.has(key)) return false;
    this.#newest = revision;
    this.#keys.add(key);
    return true;
  }
}

/** What tells one match from another. */
export function keyOf(match: WatchMatchesResponse): string {
  return `${match.revision} ${match.standingQueryId} ${match.hit?.id}`;
}

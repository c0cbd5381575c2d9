// Matches of standing queries, as they arrive. The stream outlives the view, so that none is missed while a person looks elsewhere.
import { computed, effect, signal } from "@preact/signals";
import { standingService } from "../../api/clients.ts";
import { problemOf, type Problem } from "../../api/problem.ts";
import { gallery, may } from "../../api/server.ts";
import { token } from "../../api/session.ts";
import type { WatchMatchesResponse } from "../../gen/partlens/v1/standing_query_service_pb.ts";

const MOST = 500, RETRY_MS = 3000;

/** Whether matches arrive: "off" without the right to watch. */
export type Watching = "off" | "connecting" | "live" | "lost";

const state = signal<Watching>("off");
const all = signal<readonly WatchMatchesResponse[]>([]);
const lost = signal<Problem | undefined>(undefined);
const seen = signal(0);
const arrived = signal(0);

/** The state of the stream. */
export const watching = computed(() => state.value);

/** Matches of this visit, newest first. */
export const matches = computed(() => all.value);
export const watchProblem = computed(() => lost.value);

/** Number of matches that arrived since the list was last looked at. */
export const unseen = computed(() => arrived.value - seen.value);

/** Says that a person has seen all matches so far. */
export function markSeen(): void {
  seen.value = arrived.peek();
}

/** Watches for matches as long as the caller may; a new token starts again. */
export function startWatching(): void {
  const allowed = computed(() => (gallery.value && may("search") ? `allowed ${token.value}` : ""));
  let controller: AbortController | undefined;
  effect(() => {
    controller?.abort();
    controller = undefined;
    if (!allowed.value) {
      state.value = "off";
      return;
    }
    controller = new AbortController();
    all.value = [];
    void watch(controller.signal);
  });
}

async function watch(signal: AbortSignal): Promise<void> {
  let last: bigint | undefined;
  while (!signal.aborted) {
    state.value = "connecting";
    try {
      // Of the last revision seen, some matches may be missing.
      const request = last === undefined ? {} : { afterRevision: last - 1n };
      const stream = standingService.watchMatches(request, { signal, onHeader: () => (state.value = "live") });
      for await (const match of stream) {
        state.value = "live";
        last = match.revision;
        add(match);
      }
      lost.value = undefined;
    } catch (error) {
      const problem = problemOf(error);
      if (problem === undefined) return;
      lost.value = problem;
      if (problem.way === "sign-in") return;
    }
    state.value = "lost";
    await new Promise((done) => setTimeout(done, RETRY_MS));
  }
}

function add(match: WatchMatchesResponse): void {
  const before = all.peek();
  if (before.some((one) => keyOf(one) === keyOf(match))) return;
  all.value = [match, ...before].slice(0, MOST);
  arrived.value++;
}

/** What tells one match from another. */
export function keyOf(match: WatchMatchesResponse): string {
  return `${match.revision} ${match.standingQueryId} ${match.hit?.id}`;
}

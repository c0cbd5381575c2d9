// Matches of standing queries, as they arrive. The stream outlives the view, so that none is missed while a person looks elsewhere.
import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { standingService } from "../../api/clients.ts";
import { problemOf, type Problem } from "../../api/problem.ts";
import { follow, gallery, may, serverProblem } from "../../api/server.ts";
import { elected, visible } from "../../app/visible.ts";
import type { WatchMatchesResponse } from "../../gen/partlens/v1/standing_query_service_pb.ts";
import { announce } from "../../ui/announcer.tsx";
import { counted } from "../../ui/words.ts";
import { Inbox, keyOf } from "./inbox.ts";
import { marksOf, setMarks, type Marks } from "./marks.ts";

const MOST = 500, RETRY_MS = 3000;
// Matches are announced together, the first soon, later ones at most this often.
const SOON_MS = 1500, BETWEEN_MS = 20_000;

/** Whether matches arrive: "off" without the right to watch. */
export type Watching = "off" | "connecting" | "live" | "lost";

const state = signal<Watching>("off");
const lost = signal<Problem | undefined>(undefined);
const all = signal<readonly WatchMatchesResponse[]>([]);
const inbox = new Inbox();
// Who watches what: revisions of different galleries cannot be compared.
const caller = computed(() => {
  const name = gallery.value?.caller?.name ?? "", of = gallery.value?.gallery ?? "";
  return of && of !== "default" ? `${name} in ${of}` : name;
});
const marks = computed<Marks>(() => marksOf(caller.value));

/** The state of the stream. */
export const watching = computed(() => state.value);

/** Why the stream broke off; undefined while it is there. */
export const watchProblem = computed(() => lost.value);

/** Matches since the list was last cleared, newest first. */
export const matches = computed(() => all.value);

/** Number of matches that arrived since the list was last looked at. */
export const unseen = computed(() => all.value.filter(({ revision }) => revision > marks.value.seen).length);

/** Says that a person has seen all matches so far, now and at their next visit. */
export function markSeen(): void {
  if (inbox.newest !== undefined) setMarks(caller.peek(), { ...marks.peek(), seen: inbox.newest });
}

/** Takes all matches from the list, now and at the next visit. */
export function clearMatches(): void {
  if (inbox.newest !== undefined) setMarks(caller.peek(), { seen: inbox.newest, cleared: inbox.newest });
  all.value = [];
}

/** Takes the matches of a standing query that was deleted from the list. */
export function dropMatchesOf(query: string): void {
  all.value = all.peek().filter(({ standingQueryId }) => standingQueryId !== query);
}

/** Watches for matches as long as the caller may and the server answers. */
export function startWatching(): void {
  const wanted = computed(() => (gallery.value && may("search") ? caller.value : undefined));
  const reachable = computed(() => serverProblem.value === undefined && (visible.value || elected.value));
  effect(() => {
    if (wanted.value === undefined) {
      state.value = "off";
      return;
    }
    if (!reachable.value) {
      state.value = "lost";
      return;
    }
    const controller = new AbortController();
    untracked(() => void watch(controller.signal));
    return () => controller.abort();
  });
}

async function watch(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    state.value = "connecting";
    try {
      const after = await position(signal);
      const stream = standingService.watchMatches(
        after === undefined ? {} : { afterRevision: after }, { signal, onHeader: () => (state.value = "live") },
      );
      for await (const match of stream) add(match);
      lost.value = undefined;
    } catch (error) {
      const problem = problemOf(error);
      if (problem === undefined) return;
      lost.value = problem;
      if (problem.way === "sign-in" || problem.reason === "AWAY") void follow();
      if (problem.way === "sign-in") return;
    }
    state.value = "lost";
    await new Promise((done) => setTimeout(done, RETRY_MS));
  }
}

/** After which revision to watch, so that no match is missed; undefined if there is nothing to miss yet. */
async function position(signal: AbortSignal): Promise<bigint | undefined> {
  // Of the newest revision, some matches may be missing.
  if (inbox.newest !== undefined) return inbox.newest - 1n;
  const { cleared } = marks.peek();
  if (cleared > 0n) return cleared;
  const { standingQueries } = await standingService.listStandingQueries({}, { signal });
  const [first, ...others] = standingQueries.map(({ createdRevision }) => createdRevision);
  return first === undefined ? undefined : others.reduce((least, one) => (one < least ? one : least), first);
}

function add(match: WatchMatchesResponse): void {
  // An alias has moved; the page is about to start again with the other gallery.
  if (match.gallery !== gallery.peek()?.gallery) return;
  if (!inbox.take(match.revision, keyOf(match))) return;
  const { seen, cleared } = marks.peek();
  batch(() => {
    // Revisions only grow, except in a gallery that was made anew.
    if (match.revision <= cleared) setMarks(caller.peek(), { seen: 0n, cleared: 0n });
    all.value = [match, ...all.peek()].slice(0, MOST);
  });
  if (match.revision > seen) tell();
}

let telling: ReturnType<typeof setTimeout> | undefined;
let untold = 0, told = 0;

function tell(): void {
  untold++;
  telling ??= setTimeout(() => {
    announce(counted(untold, "new match", "new matches"));
    untold = 0;
    told = Date.now();
    telling = undefined;
  }, Math.max(SOON_MS, told + BETWEEN_MS - Date.now()));
}

// Searches for what is shown: again after every change, page by page as a person scrolls on.
import { computed, effect, signal, untracked } from "@preact/signals";
import { LatestCall, type CallState } from "../api/call.ts";
import { searchService } from "../api/clients.ts";
import { problemOf, type Problem } from "../api/problem.ts";
import { gallery } from "../api/server.ts";
import { MapKind, type Hit, type SearchRegionsResponse } from "../gen/partlens/v1/part_search_service_pb.ts";
import { InTurn } from "./in-turn.ts";
import { searchable, type Question } from "./question.ts";
import { toRequest } from "./request.ts";
import { keepDescribed, previewing, shown } from "./store.ts";

const PAGE = 24;

interface Answered {
  readonly question: Question;
  readonly response: SearchRegionsResponse;
}

const first = new LatestCall<Answered>();
const later = signal<readonly Hit[]>([]);
const token = signal("");
const laterProblem = signal<Problem | undefined>(undefined);
const loadingMore = signal(false);
let controller: AbortController | undefined;

/** The state of the search: pending, answered or failed. A shape that is still being drawn may be refused on its way; that is not shown. */
export const searching = computed<CallState<Answered>>(() => {
  const state = first.state.value;
  return state.problem && previewing.value ? { pending: true, answer: state.answer } : state;
});

/** All hits so far, best first. */
export const hits = computed<readonly Hit[]>(() => [...(first.state.value.answer?.response.hits ?? []), ...later.value]);

/** Whether the gallery has changed since the search that is shown. */
export const outdated = computed(() => {
  const searched = first.state.value.answer?.response.galleryVersion, now = gallery.value?.version;
  return searched !== undefined && now !== undefined && now > searched;
});

/** The question that the hits answer. */
export const answered = computed(() => first.state.value.answer?.question);
export const more = computed(() => token.value !== "");
export const moreProblem = computed(() => laterProblem.value);
export const morePending = computed(() => loadingMore.value);

// While a mouse drags, at most so often; the last of it is searched at once.
const PREVIEW_MS = 40;
const previews = new InTurn<Question>(search, PREVIEW_MS);

/** Searches whenever what is shown changes, until the returned function is called. */
export function startSearching(): () => void {
  const ends = [followShown(), followGallery()];
  return () => ends.forEach((end) => end());
}

/** Searches again in a gallery that has changed, as long as nothing was found. */
function followGallery(): () => void {
  return effect(() => {
    if (!gallery.value) return;
    untracked(() => {
      const { answer, pending } = searching.value;
      if (!pending && answer?.response.hits.length === 0 && outdated.value) searchAgain();
    });
  });
}

function followShown(): () => void {
  return effect(() => {
    const asked = shown.value;
    forgetMore();
    if (searchable(asked) && previewing.peek()) {
      previews.ask(asked);
      return;
    }
    previews.drop();
    if (searchable(asked)) void search(asked);
    else first.clear();
  });
}

/** Searches again; for a person who wants to try once more. */
export function searchAgain(): void {
  forgetMore();
  void search(shown.peek());
}

async function search(asked: Question): Promise<void> {
  const answer = await first.run(async (signal) => ({ question: asked, response: await call(asked, "", signal) }));
  if (!answer) return;
  later.value = [];
  token.value = answer.response.nextPageToken;
  answer.response.queries.forEach((query, i) => {
    const ref = asked.images[i];
    if (ref) keepDescribed(ref, query);
  });
}

/** Fetches the next page, if there is one and it is not on its way. */
export async function loadMore(): Promise<void> {
  const asked = answered.peek();
  if (!asked || !token.peek() || loadingMore.peek()) return;
  loadingMore.value = true;
  const mine = (controller = new AbortController());
  try {
    const response = await call(asked, token.peek(), mine.signal);
    if (controller !== mine) return;
    later.value = [...later.value, ...response.hits];
    token.value = response.nextPageToken;
    laterProblem.value = undefined;
  } catch (error) {
    if (controller === mine) laterProblem.value = problemOf(error);
  } finally {
    if (controller === mine) loadingMore.value = false;
  }
}

function forgetMore(): void {
  controller?.abort();
  controller = undefined;
  loadingMore.value = false;
  laterProblem.value = undefined;
  token.value = "";
}

function call(asked: Question, pageToken: string, signal: AbortSignal): Promise<SearchRegionsResponse> {
  const request = { ...toRequest(asked), groupBy: asked.groupBy, maps: [MapKind.SCORE], includeThumbnails: true };
  return searchService.searchRegions({ ...request, pageSize: PAGE, pageToken }, { signal });
}

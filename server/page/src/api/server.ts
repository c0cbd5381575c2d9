// What the page knows of the server: its gallery, model and limits, and what the caller may do.
import { computed, signal } from "@preact/signals";
import type { GetGalleryResponse } from "../gen/partlens/v1/gallery_service_pb.ts";
import { galleryService } from "./clients.ts";
import { findGalleries, galleries } from "./galleries.ts";
import { problemOf, type Problem } from "./problem.ts";
import { doubts, token } from "./session.ts";

const INDEXING_MS = 1000, STEADY_MS = 15_000;

/** The newest answer of GetGallery; undefined until there is one. */
export const gallery = signal<GetGalleryResponse | undefined>(undefined);

/** Why the server cannot be asked now; undefined while it answers. */
export const serverProblem = signal<Problem | undefined>(undefined);

export type Scope = "search" | "ingest" | "admin";

/** Whether the caller's token has a scope. */
export function may(scope: Scope): boolean {
  return gallery.value?.caller?.scopes.includes(scope) ?? false;
}

/** Whether a folder is being indexed. */
export const indexing = computed(() => {
  const now = gallery.value?.indexing;
  return now !== undefined && !now.finished;
});

let timer: ReturnType<typeof setTimeout> | undefined;
let asked = 0;
let caller: string | undefined;

/** Asks for the gallery now, and then again and again: often while it changes or the server is away. */
export async function follow(): Promise<void> {
  const number = ++asked;
  clearTimeout(timer);
  let wait = STEADY_MS;
  try {
    const answer = await galleryService.getGallery({}, { timeoutMs: 10_000 });
    if (number !== asked) return;
    const moved = gallery.peek()?.gallery ?? answer.gallery;
    if ((caller !== undefined && caller !== answer.caller?.name) || moved !== answer.gallery) {
      // Somebody else has signed in, or an alias has moved: nothing that this page holds is theirs, or of that gallery.
      location.reload();
      return;
    }
    caller = answer.caller?.name;
    gallery.value = answer;
    serverProblem.value = undefined;
    if (galleries.peek().length === 0) void findGalleries();
    if (indexing.peek()) wait = INDEXING_MS;
  } catch (error) {
    if (number !== asked) return;
    const problem = problemOf(error);
    serverProblem.value = problem;
    if (problem?.way === "sign-in") {
      gallery.value = undefined;
      return;
    }
    // Those that there are can be chosen.
    if (problem?.reason === "GALLERY_UNKNOWN") void findGalleries();
    wait = 1000 * (problem?.retrySeconds ?? 2);
  }
  timer = setTimeout(() => void follow(), wait);
}

/** Follows the server, from the start again whenever the token changes or a call fails for it or for want of a server. */
export function start(): void {
  const cause = computed(() => `${doubts.value} ${token.value}`);
  cause.subscribe(() => void follow());
}

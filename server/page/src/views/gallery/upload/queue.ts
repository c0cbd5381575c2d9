// Pictures on their way into the gallery, a few at once. They go on while a person looks at other views.
import { computed, signal } from "@preact/signals";
import { galleryService } from "../../../api/clients.ts";
import { unfit } from "../../../api/unfit.ts";
import { problemOf, type Problem } from "../../../api/problem.ts";
import { follow } from "../../../api/server.ts";
import { announce } from "../../../ui/announcer.tsx";
import { counted } from "../../../ui/words.ts";
import type { Details } from "./details.ts";

const AT_ONCE = 2, MOST_TRIES = 30;

export type Fate = "waiting" | "sending" | "added" | "replaced" | "refused" | "stopped";

export interface Item {
  readonly number: number;
  readonly id: string;
  readonly fate: Fate;
  /** Why it was refused, or has to wait. */
  readonly problem?: Problem | undefined;
}

interface Sent {
  readonly file: File;
  readonly details: Details;
}

const all = signal<readonly Item[]>([]);
const files = new Map<number, Sent>();
let controller = new AbortController();
let count = 0, running = 0;

/** Every picture since the list was last cleared. */
export const items = computed(() => all.value);

/** Whether pictures are on their way. */
export const uploading = computed(() => all.value.some(({ fate }) => fate === "waiting" || fate === "sending"));

/** Number of uploads that ended; grows. */
export const finished = signal(0);

// A tab that is closed loses what waits.
addEventListener("beforeunload", (event) => {
  if (uploading.peek()) event.preventDefault();
});

/** Sends files into the gallery under these ids. */
export function send(given: readonly File[], ids: readonly string[], details: Details): void {
  const added = given.map((file, i): Item => {
    const number = ++count, problem = unfit(file);
    if (!problem) files.set(number, { file, details });
    return { number, id: ids[i] ?? file.name, fate: problem ? "refused" : "waiting", problem };
  });
  all.value = [...(uploading.peek() ? all.peek() : []), ...added];
  run();
}

/** Tries those again that may succeed now. */
export function sendAgain(): void {
  all.value = all.peek().map((one) => (files.has(one.number) && isOver(one.fate) ? { ...one, fate: "waiting", problem: undefined } : one));
  run();
}

/** Number of pictures that can be sent again. */
export const failed = computed(() => all.value.filter(({ number, fate }) => files.has(number) && isOver(fate)).length);

/** Stops what is on its way; what the server has taken stays there. */
export function stop(): void {
  controller.abort();
  controller = new AbortController();
  all.value = all.peek().map((one) => (isOver(one.fate) ? one : { ...one, fate: "stopped" }));
}

/** Empties the list. */
export function clear(): void {
  all.value = [];
  files.clear();
}

function isOver(fate: Fate): boolean {
  return fate !== "waiting" && fate !== "sending";
}

function change(number: number, part: Partial<Item>): void {
  all.value = all.peek().map((one) => (one.number === number ? { ...one, ...part } : one));
}

function run(): void {
  while (running < AT_ONCE) {
    const next = all.peek().find(({ fate }) => fate === "waiting");
    if (!next) break;
    running++;
    change(next.number, { fate: "sending" });
    void sendOne(next, controller.signal).finally(() => {
      running--;
      run();
      if (running === 0) end();
    });
  }
}

function end(): void {
  finished.value++;
  void follow();
  const fates = all.peek().map(({ fate }) => fate), bad = fates.filter((fate) => fate === "refused").length;
  announce(`${counted(fates.length - bad, "picture")} added${bad ? `, ${bad.toLocaleString()} refused` : ""}`);
}

async function sendOne({ number, id }: Item, signal: AbortSignal): Promise<void> {
  const sent = files.get(number);
  if (!sent) return;
  const { camera, track, attributes } = sent.details;
  for (let tries = 1; !signal.aborted; tries++) {
    try {
      const data = new Uint8Array(await sent.file.arrayBuffer());
      const { committed } = await galleryService.upsertImage({ id, data, metadata: { camera, track, attributes: { ...attributes } } }, { signal });
      files.delete(number);
      change(number, { fate: committed?.replaced ? "replaced" : "added", problem: undefined });
      return;
    } catch (error) {
      const problem = problemOf(error);
      if (!problem) return;
      const again = problem.way === "retry" && tries < MOST_TRIES;
      if (!again && problem.way === "change") files.delete(number);
      change(number, again ? { problem } : { fate: "refused", problem });
      if (!again) return;
      await new Promise((done) => setTimeout(done, 1000 * Math.max(1, problem.retrySeconds ?? 2)));
    }
  }
}

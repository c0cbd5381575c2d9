// Pictures on their way into the question: sent one after another, each refusal in words, and sent again if the server has dropped them.
import { effect, signal } from "@preact/signals";
import { unfit } from "../api/unfit.ts";
import { notAdded, problemOf, type Problem } from "../api/problem.ts";
import { gallery } from "../api/server.ts";
import { keepLocal } from "../pictures/pictures.ts";
import { announce } from "../ui/announcer.tsx";
import { refText } from "./address.ts";
import { withImage, withImageReplaced } from "./edits.ts";
import type { ImageRef } from "./question.ts";
import { searching } from "./searching.ts";
import { change, forgetDescribed, question, rename, upload } from "./store.ts";

export interface Upload {
  readonly number: number;
  readonly name: string;
  /** Why it was refused; undefined while it is on its way. */
  readonly problem?: Problem | undefined;
}

/** Pictures that are on their way or were refused. */
export const uploads = signal<readonly Upload[]>([]);

const files = new Map<string, Blob>();
const controllers = new Map<number, AbortController>();
let count = 0;
let queue: Promise<void> = Promise.resolve();

/** Most pictures of one search. */
export function mostImages(): number {
  return gallery.value?.limits?.queryImages ?? 1;
}

/** Sends pictures and adds each to the question once the server knows it. */
export function addFiles(given: readonly File[]): void {
  const onTheWay = uploads.peek().filter((one) => !one.problem).length;
  let room = mostImages() - question.peek().images.length - onTheWay;
  for (const file of given) enqueue(file, room-- > 0 ? undefined : full(), (ref) => change(withImage(question.peek(), ref)));
}

/** Sends a picture that takes the place of one that the server no longer keeps; the regions stay. */
export function chooseAgain(index: number, file: File): void {
  enqueue(file, undefined, (ref) => change(withImageReplaced(question.peek(), index, ref)));
}

/** Adds an image of the gallery; words instead if there is no room. */
export function addImage(ref: ImageRef): void {
  if (question.peek().images.length < mostImages()) change(withImage(question.peek(), ref));
  else uploads.value = [...uploads.peek(), { number: ++count, name: ref.id, problem: full() }];
}

/** Stops an upload, or takes its refusal from the list. */
export function dismiss(number: number): void {
  controllers.get(number)?.abort();
  controllers.delete(number);
  uploads.value = uploads.peek().filter((one) => one.number !== number);
}

function full(): Problem {
  const most = mostImages();
  return notAdded(`One search takes at most ${most} ${most === 1 ? "picture" : "pictures"}. Remove one first.`);
}

function enqueue(file: File, refused: Problem | undefined, add: (ref: ImageRef) => void): void {
  const number = ++count, problem = refused ?? unfit(file);
  uploads.value = [...uploads.peek(), { number, name: file.name, problem }];
  if (problem) {
    announce(`${file.name}: ${problem.text}`);
    return;
  }
  const controller = new AbortController();
  controllers.set(number, controller);
  queue = queue.then(() => send(number, file, controller.signal, add));
}

async function send(number: number, file: File, signal: AbortSignal, add: (ref: ImageRef) => void): Promise<void> {
  if (signal.aborted) return;
  try {
    const ref = await uploaded(file, signal);
    if (!ref) return;
    dismiss(number);
    add(ref);
    announce(`${file.name} added`);
  } catch (error) {
    const problem = problemOf(error);
    uploads.value = uploads.peek().map((one) => (one.number === number ? { ...one, problem } : one));
    if (problem) announce(`${file.name}: ${problem.title}. ${problem.text}`);
  } finally {
    controllers.delete(number);
  }
}

/** Sends a picture, and keeps it in this browser. Throws what the call throws. */
export async function uploaded(file: Blob, signal?: AbortSignal): Promise<ImageRef | undefined> {
  const ref = await upload(new Uint8Array(await file.arrayBuffer()), signal);
  if (!ref) return undefined;
  files.set(refText(ref), file);
  await keepLocal(ref, file);
  return ref;
}

// An image that had to be sent again is not sent a second time at once: a server that keeps too few would ask for ever.
const AGAIN_MS = 20_000;
const sentAgain = new Map<string, number>();
let sending = false;

/** Sends the pictures of this visit again once the server has dropped them, until the returned function is called. */
export function startKeeping(): () => void {
  return effect(() => {
    if (searching.value.problem?.reason === "QUERY_UNKNOWN") void sendAgain();
  });
}

/** Sends those pictures of the question again that this browser still has; returns whether there was one. */
export async function sendAgain(): Promise<boolean> {
  if (sending) return true;
  sending = true;
  let any = false;
  try {
    for (const ref of question.peek().images) {
      const file = files.get(refText(ref));
      if (ref.kind !== "query" || !file || Date.now() - (sentAgain.get(refText(ref)) ?? 0) < AGAIN_MS) continue;
      const next = await uploaded(file);
      if (!next) continue;
      any = true;
      forgetDescribed(ref);
      sentAgain.set(refText(next), Date.now());
      rename(ref, next);
    }
  } catch {
    // The search that noticed it shows why.
  } finally {
    sending = false;
  }
  return any;
}

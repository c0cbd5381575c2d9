// The search that the page is at: its question, which is also its address, with undo and redo; and its images.
import { computed, signal } from "@preact/signals";
import { searchService } from "../api/clients.ts";
import { href, replace, route } from "../app/route.ts";
import type { DescribedQuery } from "../gen/partlens/v1/image_pb.ts";
import { Grid } from "../geometry/grid.ts";
import { fromParameters, refText, toParameters } from "./address.ts";
import { NOTHING, type ImageRef, type Question } from "./question.ts";
import { toImage } from "./request.ts";

const MOST_STEPS = 200;

const current = signal<Question>(NOTHING);
const past = signal<readonly Question[]>([]);
const future = signal<readonly Question[]>([]);
let shownAt: string | undefined;

/** The question that is drawn, searched and in the address. */
export const question = computed(() => current.value);
export const canUndo = computed(() => past.value.length > 0);
export const canRedo = computed(() => future.value.length > 0);

/** Makes another question the current one, as one step of undo. */
export function change(next: Question): void {
  past.value = [...past.value.slice(-MOST_STEPS), current.value];
  future.value = [];
  set(next);
}

/** Shows a question while a handle is dragged: no step of undo, and the address stays. End with `change` or `drop`. */
export function preview(next: Question | undefined): void {
  previewed.value = next;
}

const previewed = signal<Question | undefined>(undefined);

/** What is shown and searched now: the question, or the preview of the next one. */
export const shown = computed(() => previewed.value ?? current.value);

export function undo(): void {
  const last = past.value.at(-1);
  if (!last) return;
  past.value = past.value.slice(0, -1);
  future.value = [current.value, ...future.value];
  set(last);
}

export function redo(): void {
  const [next, ...rest] = future.value;
  if (!next) return;
  past.value = [...past.value, current.value];
  future.value = rest;
  set(next);
}

/** The address of a question. */
export function addressOf(asked: Question): string {
  return href("search", "", toParameters(asked));
}

/** Takes the question of the address, where a link or the back button led to another one. */
export function followAddress(): void {
  if (route.value.view !== "search" || location.hash === shownAt) return;
  shownAt = location.hash;
  past.value = [];
  future.value = [];
  previewed.value = undefined;
  current.value = fromParameters(route.value.parameters);
}

function set(next: Question): void {
  previewed.value = undefined;
  current.value = next;
  shownAt = addressOf(next);
  replace(shownAt);
}

const known = signal<ReadonlyMap<string, DescribedQuery>>(new Map());

/** What the server says of an image of a question; undefined until `describe` has asked. */
export function describedOf(ref: ImageRef): DescribedQuery | undefined {
  return known.value.get(refText(ref));
}

/** The model's grid on an image; undefined until `describe` has asked. */
export function gridOf(ref: ImageRef): Grid | undefined {
  const found = describedOf(ref);
  return found && new Grid(found, found);
}

/** Keeps what the server said of an image. */
export function keepDescribed(ref: ImageRef, described: DescribedQuery): void {
  known.value = new Map(known.value).set(refText(ref), described);
}

/** Asks how the server sees an image, unless that is known. Throws what the call throws. */
export async function describe(ref: ImageRef, signal?: AbortSignal): Promise<DescribedQuery | undefined> {
  const found = known.peek().get(refText(ref));
  if (found) return found;
  const { query } = await searchService.describeQuery({ image: toImage(ref) }, signal ? { signal } : {});
  if (query) keepDescribed(ref, query);
  return query;
}

/** Runs a picture through the model; returns how later calls name it. Throws what the call throws. */
export async function upload(data: Uint8Array): Promise<ImageRef | undefined> {
  const { query } = await searchService.describeQuery({ image: { source: { case: "data", value: data } } });
  if (!query) return undefined;
  const ref: ImageRef = { kind: "query", id: query.queryId };
  keepDescribed(ref, query);
  return ref;
}

// The search that the page is at: its question, which is also its address, with undo and redo; and its images.
import { equals } from "@bufbuild/protobuf";
import { batch, computed, signal } from "@preact/signals";
import { searchService } from "../api/clients.ts";
import { go, href, replace, route } from "../app/route.ts";
import { DescribedQuerySchema, type DescribedQuery } from "../gen/partlens/v1/image_pb.ts";
import { Grid } from "../geometry/grid.ts";
import { fromParameters, refText, toParameters } from "./address.ts";
import { redone, rewritten, startOf, stepped, undone, type History } from "./history.ts";
import { NOTHING, sameImage, type ImageRef, type Question } from "./question.ts";
import { toImage } from "./request.ts";

const steps = signal<History<Question>>(startOf(NOTHING));
const previewed = signal<Question | undefined>(undefined);
let shownAt: string | undefined;

/** The question that is drawn, searched and in the address. */
export const question = computed(() => steps.value.present);
export const canUndo = computed(() => steps.value.past.length > 0);
export const canRedo = computed(() => steps.value.future.length > 0);

/** What is shown and searched now: the question, or the preview of the next one. */
export const shown = computed(() => previewed.value ?? question.value);

/** Whether a preview is shown. */
export const previewing = computed(() => previewed.value !== undefined);

/** Makes another question the current one, as one step of undo. */
export function change(next: Question): void {
  set(stepped(steps.peek(), next));
}

/** Shows a question while a handle is dragged: no step of undo, and the address stays. End with `change` or `preview(undefined)`. */
export function preview(next: Question | undefined): void {
  previewed.value = next;
}

export function undo(): void {
  set(undone(steps.peek()));
}

export function redo(): void {
  set(redone(steps.peek()));
}

/** Names an image differently wherever it occurs, undo included; for a picture that was sent again. */
export function rename(before: ImageRef, after: ImageRef): void {
  const swap = (ref: ImageRef) => (sameImage(ref, before) ? after : ref);
  set(rewritten(steps.peek(), (one) => ({
    ...one, images: one.images.map(swap), marks: one.marks.map((mark) => ({ ...mark, image: swap(mark.image) })),
  })));
}

/** The address of a question. */
export function addressOf(asked: Question): string {
  return href("search", "", toParameters(asked));
}

/** Makes another question the current one, as one step of undo and of the back button. */
export function branch(next: Question): void {
  show(stepped(steps.peek(), next));
  go(addressOf(next));
}

/** Takes the question of the address, where a link or the back button led to another one: a step that can be undone. */
export function followAddress(): void {
  if (route.value.view !== "search") return;
  const next = fromParameters(route.value.parameters), before = steps.peek();
  // An address may say more than its question, such as which hit is open.
  if (addressOf(next) === shownAt) return;
  show(before.present === NOTHING ? startOf(next) : stepped(before, next));
}

function set(next: History<Question>): void {
  show(next);
  replace(addressOf(next.present));
}

function show(next: History<Question>): void {
  batch(() => {
    previewed.value = undefined;
    steps.value = next;
  });
  shownAt = addressOf(next.present);
}

const known = signal<ReadonlyMap<string, DescribedQuery>>(new Map());

/** What the server says of an image of a question; undefined until `describe` has asked. */
export function describedOf(ref: ImageRef): DescribedQuery | undefined {
  return known.value.get(refText(ref));
}

const grids = new WeakMap<DescribedQuery, Grid>();

/** The model's grid on an image, the same object every time; undefined until `describe` has asked. */
export function gridOf(ref: ImageRef): Grid | undefined {
  const found = describedOf(ref);
  if (!found) return undefined;
  const grid = grids.get(found) ?? new Grid(found, found);
  grids.set(found, grid);
  return grid;
}

/** Keeps what the server said of an image. */
export function keepDescribed(ref: ImageRef, described: DescribedQuery): void {
  const before = known.peek().get(refText(ref));
  if (before && equals(DescribedQuerySchema, { ...before, queryId: described.queryId }, described)) return;
  known.value = new Map(known.value).set(refText(ref), described);
}

/** Forgets what the server said of an image, as when it has dropped it. */
export function forgetDescribed(ref: ImageRef): void {
  const left = new Map(known.peek());
  if (left.delete(refText(ref))) known.value = left;
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
export async function upload(data: Uint8Array, signal?: AbortSignal): Promise<ImageRef | undefined> {
  const image = { source: { case: "data" as const, value: data } };
  const { query } = await searchService.describeQuery({ image }, signal ? { signal } : {});
  if (!query) return undefined;
  const ref: ImageRef = { kind: "query", id: query.queryId };
  keepDescribed(ref, query);
  return ref;
}

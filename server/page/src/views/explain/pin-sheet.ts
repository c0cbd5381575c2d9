// The pins of both pictures as what the drawing tools draw on: A is picture 0 of the question, B is picture 1.
import { computed, effect, signal } from "@preact/signals";
import { gallery } from "../../api/server.ts";
import { drawOn, type Sheet } from "../../drawing/sheet.ts";
import { selected, take } from "../../drawing/state.ts";
import { redone, startOf, stepped, undone, type History } from "../../query/history.ts";
import { NOTHING, type Question } from "../../query/question.ts";
import { announce } from "../../ui/announcer.tsx";
import { refText } from "../../query/address.ts";
import { changedPin, pinName, SIDES, type Explanation, type Pin } from "../../explanation/explanation.ts";
import { change, explained, explanation } from "./pair-store.ts";

const HOME = "point";

interface Pinned extends Pick<Explanation, "pins" | "selected"> {
  /** The images that the pins lie on. */
  readonly images: string;
}

const steps = signal<History<Pinned>>(startOf({ images: "", pins: [] }));
const previewed = signal<Explanation | undefined>(undefined);

/** What is shown: the explanation of the address, or what it becomes when a handle is let go. */
export const current = computed(() => previewed.value ?? explanation.value);

/** Whether something is being drawn or dragged. */
export const drawing = computed(() => previewed.value !== undefined);

function imagesOf({ a, b }: Explanation): string {
  return JSON.stringify([a, b].map((ref) => ref && refText(ref)));
}

function toQuestion({ a, b, pins }: Explanation): Question {
  const images = [a, b].flatMap((ref) => ref ?? []);
  return { ...NOTHING, images, regions: pins.map(({ side, region }) => ({ image: SIDES.indexOf(side), region, weight: 1, exclude: false })) };
}

function fromQuestion({ regions }: Question, before: Explanation): Explanation {
  const pins = regions.map(({ image, region }): Pin => ({ side: SIDES[image] ?? "a", region }));
  return { ...before, pins, selected: changedPin(before, pins) };
}

/** Shows other pins, as one step of undo. */
export function changePins(next: Explanation): void {
  const before = explanation.peek(), most = gallery.peek()?.limits?.regions ?? Infinity;
  previewed.value = undefined;
  if (next.pins.length > Math.max(most, before.pins.length)) {
    announce(`Not pinned: there can be ${most} pins. Remove one first.`);
    return;
  }
  const there = next.pins.length > before.pins.length ? twin(next.pins) : undefined;
  if (there !== undefined) {
    change({ ...before, selected: there });
    announce(`${pinName(before.pins, there)} selected`);
    return;
  }
  steps.value = stepped(presentOf(before), pinnedOf(next));
  change(next);
}

/** The pin on the cell of the last one, if both are points. */
function twin(pins: readonly Pin[]): number | undefined {
  const last = pins.at(-1), cell = last && cellOf(last);
  if (cell === undefined) return undefined;
  const index = pins.findIndex((pin) => pin.side === last?.side && cellOf(pin) === cell);
  return index < pins.length - 1 ? index : undefined;
}

function cellOf({ side, region }: Pin): number | undefined {
  return region.kind === "point" && !region.snap ? explained.peek()?.pair.grids[side].positionAt(region) : undefined;
}

function pinnedOf(now: Explanation): Pinned {
  return { images: imagesOf(now), pins: now.pins, selected: now.selected };
}

/** The history up to now; a new one if it is of other images. */
function presentOf(now: Explanation): History<Pinned> {
  const before = steps.peek();
  return before.present.images === imagesOf(now) ? { ...before, present: pinnedOf(now) } : startOf(pinnedOf(now));
}

function goTo(next: History<Pinned>): void {
  steps.value = next;
  const { pins, selected: chosen } = next.present;
  change({ ...explanation.peek(), pins, selected: chosen });
}

const ofTheseImages = computed(() => steps.value.present.images === imagesOf(explanation.value));

const SHEET: Sheet = {
  question: computed(() => toQuestion(explanation.value)),
  shown: computed(() => toQuestion(current.value)),
  previewing: drawing,
  canUndo: computed(() => ofTheseImages.value && steps.value.past.length > 0),
  canRedo: computed(() => ofTheseImages.value && steps.value.future.length > 0),
  change: (next) => changePins(fromQuestion(next, explanation.peek())),
  preview: (next) => { previewed.value = next && fromQuestion(next, explanation.peek()); },
  undo: () => goTo(undone(presentOf(explanation.peek()))),
  redo: () => goTo(redone(presentOf(explanation.peek()))),
  tools: ["select", "box", "polygon", "brush", "snap", "point"],
  home: HOME,
  invitation: "",
  regionName: (index) => pinName(current.value.pins, index),
};

/** Draws pins, until the returned function is called. The pin that is selected to be changed is also the one whose map is shown. */
export function startPinning(): () => void {
  take(HOME);
  const stops = [
    drawOn(SHEET),
    effect(() => { selected.value = explanation.value.selected; }),
    effect(() => {
      const chosen = selected.value, now = explanation.peek();
      // A tool that is taken deselects; the map of the pin stays.
      if (chosen === undefined) return;
      if (!now.pins[chosen]) selected.value = now.selected;
      else if (now.selected !== chosen && !previewed.peek()) change({ ...now, selected: chosen });
    }),
  ];
  return () => {
    stops.forEach((stop) => stop());
    selected.value = undefined;
    previewed.value = undefined;
    take("box");
  };
}

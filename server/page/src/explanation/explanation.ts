// What the view explains: two images, the regions pinned on them, and what is shown. Immutable; the address holds all of it.
import type { Sign } from "../heat/colours.ts";
import type { Region } from "../geometry/region.ts";
import type { ImageRef } from "../query/question.ts";

export type Side = "a" | "b";
export const SIDES: readonly Side[] = ["a", "b"];

export interface Pin {
  readonly side: Side;
  readonly region: Region;
}

export interface Explanation {
  readonly a?: ImageRef | undefined;
  readonly b?: ImageRef | undefined;
  readonly pins: readonly Pin[];
  /** The pin whose partial map is shown while nothing is pointed at, as an index of pins. */
  readonly selected?: number | undefined;
  /** The map of the whole similarity, or the partial map of a point or region. */
  readonly map: "overall" | "partial";
  /** Whether maps and sums include the bias. */
  readonly bias: boolean;
  readonly sign: Sign;
}

export const UNEXPLAINED: Explanation = { pins: [], map: "partial", bias: true, sign: "both" };

export function other(side: Side): Side {
  return side === "a" ? "b" : "a";
}

/** "A" or "B". */
export function sideName(side: Side): string {
  return side.toUpperCase();
}

/** "A2": the second pin on image A. */
export function pinName(pins: readonly Pin[], index: number): string {
  const side = pins[index]?.side ?? "a";
  return `${sideName(side)}${pins.slice(0, index + 1).filter((pin) => pin.side === side).length}`;
}

/** Pins a region, and selects it. */
export function withPin(now: Explanation, pin: Pin): Explanation {
  return { ...now, pins: [...now.pins, pin], selected: now.pins.length };
}

export function withoutPin(now: Explanation, index: number): Explanation {
  const pins = now.pins.toSpliced(index, 1);
  return { ...now, pins, selected: changedPin(now, pins) };
}

/** The pin to select after a change of pins: the one that is new or has changed, else the one that was selected. */
export function changedPin({ pins: before, selected }: Explanation, pins: readonly Pin[]): number | undefined {
  if (pins.length > before.length) return pins.length - 1;
  const index = before.findIndex(({ side, region }, i) => region !== pins[i]?.region || side !== pins[i].side);
  if (pins.length === before.length) return index < 0 ? selected : index;
  if (selected === undefined || selected === index) return undefined;
  return selected > index ? selected - 1 : selected;
}

/** Puts another image, or none, on a side; the pins of that side go with the image before it. */
export function withImage(now: Explanation, side: Side, image: ImageRef | undefined): Explanation {
  const pins = now.pins.filter((pin) => pin.side !== side);
  return { ...now, [side]: image, pins, selected: undefined };
}

/** The same pair, with its sides changed over. */
export function swapped(now: Explanation): Explanation {
  return { ...now, a: now.b, b: now.a, pins: now.pins.map((pin) => ({ ...pin, side: other(pin.side) })) };
}

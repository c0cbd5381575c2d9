// What is pointed at, and the maps that follow from it.
import { computed, signal } from "@preact/signals";
import { coveredBy } from "../../drawing/covered.ts";
import type { Region } from "../../geometry/region.ts";
import { sums, type Scale } from "../../heat/colours.ts";
import { pinName, type Pin, type Side } from "../../explanation/explanation.ts";
import { contribution } from "./pair.ts";
import { explained, explanation, refs, rows } from "./pair-store.ts";
import { current, drawing } from "./pin-sheet.ts";
import type { Covered } from "./rows.ts";
import { sumTable, type PinnedShares } from "./sum-table.ts";

export interface Pointed {
  readonly side: Side;
  readonly position: number;
}

/** The cell under the mouse, the finger or the keyboard's cursor. */
export const pointed = signal<Pointed | undefined>(undefined);

export interface Source extends Covered {
  /** "A2", or "" for what is not pinned. */
  readonly name: string;
  /** Whether it is one cell. */
  readonly point: boolean;
}

function cover({ side, region }: Pin): Float32Array | undefined {
  const grid = explained.value?.pair.grids[side], ref = refs[side].value;
  if (!grid || !ref) return undefined;
  return coveredBy(region, grid, ref);
}

/** The pins, as the model's grids see them. Without those that the server still has to be asked about. */
export const pinned = computed<readonly (Source & { readonly index: number })[]>(() =>
  current.value.pins.flatMap((pin, index) => {
    const shares = cover(pin);
    return shares ? [{ ...pin, shares, index, name: pinName(current.value.pins, index), point: isPoint(pin.region) }] : [];
  }),
);

function isPoint(region: Region): boolean {
  return region.kind === "point" && !region.snap;
}

/** The point at the middle of a cell. */
export function pointAt({ side, position }: Pointed): Region | undefined {
  const cell = explained.value?.pair.grids[side].cell(position);
  return cell && { kind: "point", snap: false, x: cell.x + cell.width / 2, y: cell.y + cell.height / 2 };
}

/** The pin whose map is shown while nothing is pointed at: the selected one, else the first. */
export const resting = computed(() => pinned.value.find(({ index }) => index === current.value.selected) ?? pinned.value[0]);

/** What partial maps are shown of: what is drawn or dragged, else what is pointed at, else a pin. */
export const source = computed<Source | undefined>(() => {
  const at = drawing.value ? undefined : pointed.value;
  if (at) {
    const region = pointAt(at), grid = explained.value?.pair.grids[at.side];
    if (!region || !grid || at.position >= grid.positions) return undefined;
    const shares = new Float32Array(grid.positions);
    shares[at.position] = 1;
    return { side: at.side, region, shares, name: "", point: true };
  }
  return resting.value;
});

/** A map of one of the images, and what it leaves out. */
export interface SideMap {
  readonly values: Float32Array;
  readonly scale: Scale;
  /** What the positions add: the sum of the values, as exact as the server's. */
  readonly sum: number;
  /** What no position adds; undefined if the bias is left out. */
  readonly constant: number | undefined;
}

/** The maps that are shown now; none on a side whose picture is shown as it is. */
export const maps = { a: computed(() => mapOn("a")), b: computed(() => mapOn("b")) };

function mapOn(side: Side): SideMap | undefined {
  const now = explained.value, { map, bias } = explanation.value;
  if (!now) return undefined;
  const { pair, scales } = now;
  if (map === "overall") {
    const values = bias ? pair.overall[side].withBias : pair.overall[side].places;
    const { biasPlace, placeBias, biasBias } = pair.terms;
    const constant = bias ? biasBias + (side === "a" ? biasPlace : placeBias) : undefined;
    return { values, sum: sums(values).sum, scale: bias ? scales.overallWithBias : scales.overall, constant };
  }
  const from = source.value;
  if (!from || from.side === side) return undefined;
  const partial = rows.value?.partial(from);
  if (!partial) return undefined;
  const { places, bias: constant } = contribution(pair, from.side, from.shares);
  return { values: partial.values, sum: places, scale: scaleNow.value, constant: bias ? constant : undefined };
}

/** Whether a map of an image is on its way. */
export function isAwaited(side: Side): boolean {
  return explanation.value.map === "partial" && source.value !== undefined && source.value.side !== side && !maps[side].value;
}

const NO_SCALE: Scale = { strongest: 0, largest: 0 };

/** The scale of the maps that are shown, or would be if something were pointed at. */
export const scaleNow = computed<Scale>(() => {
  const scales = explained.value?.scales, { map, bias } = explanation.value;
  if (!scales) return NO_SCALE;
  if (map === "overall") return bias ? scales.overallWithBias : scales.overall;
  return source.value && !source.value.point ? scales.region : scales.point;
});

/** What a region adds to the similarity; with the other image's bias, if that is shown. */
export function adds(covered: Covered): number {
  const now = explained.value;
  if (!now) return 0;
  const { places, bias } = contribution(now.pair, covered.side, covered.shares);
  return explanation.value.bias ? places + bias : places;
}

/** The similarity as a table of the pins of both images. */
export const table = computed(() => {
  const now = explained.value;
  if (!now) return undefined;
  const needed = pinned.value.some(({ side }) => side === "b");
  const shares = pinned.value.map((pin): PinnedShares => ({
    ...pin, map: needed && pin.side === "a" ? rows.value?.partial(pin)?.values : undefined,
  }));
  return sumTable(now.pair, shares);
});

/** Forgets what is pointed at. */
export function pointAway(): void {
  pointed.value = undefined;
}


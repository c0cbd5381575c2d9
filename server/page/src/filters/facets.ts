// Counts of the values that a filter can ask for. A property is counted without its own conditions, so that its other values
// can still be chosen.
import type { Where } from "../query/question.ts";
import { conditionsOf, withoutProperty, type Property } from "./conditions.ts";

export interface Value {
  readonly value: string;
  readonly images: number;
}

export interface Facet {
  /** "camera", "track", or the name of an attribute. */
  readonly name: string;
  readonly values: readonly Value[];
  /** Number of different values, of which `values` may hold only the most frequent. */
  readonly distinct: number;
}

/** What one call counts. */
export interface Counted {
  readonly images: number;
  readonly cameras: Facet;
  readonly tracks: Facet;
  readonly attributes: readonly Facet[];
  /** Times of the first and the last image, in milliseconds since 1970; undefined if no time is known. */
  readonly first?: number | undefined;
  readonly last?: number | undefined;
}

/** The filters to count under: the whole one, and one for each property that it asks for. */
export function countings(where: Where): { readonly where: Where; readonly property?: Property }[] {
  const properties = new Set(conditionsOf(where).map(({ property }) => property));
  return [{ where }, ...[...properties].map((property) => ({ property, where: withoutProperty(where, property) }))];
}

/** One set of counts: that of the whole filter, where each property is counted without its own conditions. */
export function merged(whole: Counted, without: ReadonlyMap<Property, Counted>): Counted {
  const names = new Set(whole.attributes.map(({ name }) => name));
  for (const property of without.keys()) {
    if (property !== "camera" && property !== "track" && property !== "time") names.add(property.slice("attribute:".length));
  }
  const attribute = (name: string) => {
    const counted = without.get(`attribute:${name}`) ?? whole;
    return counted.attributes.find((facet) => facet.name === name) ?? { name, values: [], distinct: 0 };
  };
  const times = without.get("time") ?? whole;
  return {
    images: whole.images,
    cameras: (without.get("camera") ?? whole).cameras,
    tracks: (without.get("track") ?? whole).tracks,
    attributes: [...names].sort().map(attribute),
    first: times.first,
    last: times.last,
  };
}

/** The values of a facet to choose from, including chosen values that no image has. */
export function choices(facet: Facet, chosen: readonly string[]): Value[] {
  const known = new Set(facet.values.map(({ value }) => value));
  return [...facet.values, ...chosen.filter((value) => !known.has(value)).map((value) => ({ value, images: 0 }))];
}

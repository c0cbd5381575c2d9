// The conditions of a filter, one by one, as people read and remove them.
import { EVERYWHERE, type Where } from "../query/question.ts";

/** What a condition is about: "camera", "track", "time" or "attribute:NAME", as in the names of groups. */
export type Property = "camera" | "track" | "time" | `attribute:${string}`;

export interface Condition {
  readonly property: Property;
  readonly words: string;
  /** The filter without this condition. */
  readonly without: Where;
}

/** The name of an attribute in words. */
export function attributeWords(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Every condition of a filter. */
export function conditionsOf(where: Where, timeWords: (time: string) => string = (time) => time): Condition[] {
  const { cameras, excludeCameras, tracks, after, before, attributes } = where;
  const time = (words: string, without: Where): Condition => ({ property: "time", words, without });
  return [
    ...cameras.map((camera): Condition => ({ property: "camera", words: `Camera: ${camera}`, without: withCameraToggled(where, camera) })),
    ...excludeCameras.map((camera): Condition => ({
      property: "camera", words: `Not camera: ${camera}`,
      without: { ...where, excludeCameras: excludeCameras.filter((one) => one !== camera) },
    })),
    ...tracks.map((track): Condition => ({ property: "track", words: `Track: ${track}`, without: withTrackToggled(where, track) })),
    ...(after ? [time(`From ${timeWords(after)}`, { ...where, after: "" })] : []),
    ...(before ? [time(`Before ${timeWords(before)}`, { ...where, before: "" })] : []),
    ...[...attributes].flatMap(([name, values]) => values.map((value): Condition => ({
      property: `attribute:${name}`, words: `${attributeWords(name)}: ${value || "empty"}`, without: withAttributeToggled(where, name, value),
    }))),
  ];
}

/** The filter without any condition on a property. */
export function withoutProperty(where: Where, property: Property): Where {
  if (property === "camera") return { ...where, cameras: EVERYWHERE.cameras, excludeCameras: EVERYWHERE.excludeCameras };
  if (property === "track") return { ...where, tracks: EVERYWHERE.tracks };
  if (property === "time") return { ...where, after: "", before: "" };
  return withAttribute(where, property.slice("attribute:".length), []);
}

/** The filter with one camera more to choose from, or without it if it was one. */
export function withCameraToggled(where: Where, camera: string): Where {
  return { ...where, cameras: toggled(where.cameras, camera) };
}

/** The same for a track. */
export function withTrackToggled(where: Where, track: string): Where {
  return { ...where, tracks: toggled(where.tracks, track) };
}

/** The same for a value of an attribute. */
export function withAttributeToggled(where: Where, name: string, value: string): Where {
  return withAttribute(where, name, toggled(where.attributes.get(name) ?? [], value));
}

/** The filter that asks an attribute for any of some values; without a condition on it if there are none. */
export function withAttribute(where: Where, name: string, values: readonly string[]): Where {
  const attributes = new Map(where.attributes);
  if (values.length === 0) attributes.delete(name);
  else attributes.set(name, values);
  return { ...where, attributes };
}

function toggled(values: readonly string[], value: string): readonly string[] {
  return values.includes(value) ? values.filter((one) => one !== value) : [...values, value];
}

/**
 * The filter that lets only one group through.
 *
 * @param by what the search groups by: "track", "camera" or "attribute:NAME".
 */
export function withGroup(where: Where, by: string, group: string): Where {
  if (by === "track") return { ...where, tracks: [group] };
  if (by === "camera") return { ...where, cameras: [group] };
  return withAttribute(where, by.slice("attribute:".length), [group]);
}

/** What the search shows one picture of for each group, in words; "" for every picture. */
export function groupingWords(by: string): string {
  return by && `Best of each ${attributeWords(by.replace(/^attribute:/, "")).toLowerCase()}`;
}

/** The filter that leaves these cameras out, or lets them in again. */
export function withCamerasLeftOut(where: Where, cameras: readonly string[], out: boolean): Where {
  const others = where.excludeCameras.filter((camera) => !cameras.includes(camera));
  return { ...where, excludeCameras: out ? [...others, ...cameras] : others };
}

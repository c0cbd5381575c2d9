// Questions as parameters of an address, and back. An address is untrusted: what it does not hold well is left out.
import { fromText, toText } from "../geometry/mask.ts";
import type { Point, Region } from "../geometry/region.ts";
import { NOTHING, type ImageRef, type MarkedRegion, type Question, type Score, type Where } from "./question.ts";

const SCORES: readonly Score[] = ["default", "context", "part", "whole"];
const TIME = /^(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/;
// Servers refuse numbers beyond.
const FARTHEST = 1e9;

/** The parameters of a question; those of NOTHING are left out. */
export function toParameters(question: Question): URLSearchParams {
  const { images, regions, marks, where, score, groupBy, excludeIdentical } = question;
  const parameters = new URLSearchParams();
  for (const image of images) parameters.append("image", refText(image));
  for (const region of regions) parameters.append("region", regionText(region));
  for (const { image } of marks.filter((mark) => !mark.unlike)) parameters.append("like", refText(image));
  for (const { image } of marks.filter((mark) => mark.unlike)) parameters.append("unlike", refText(image));
  addWhere(parameters, where);
  if (score !== NOTHING.score) parameters.set("score", score);
  if (groupBy) parameters.set("group", groupBy);
  if (!excludeIdentical) parameters.set("identical", "yes");
  return parameters;
}

/** Adds the conditions of a filter to parameters. */
export function addWhere(parameters: URLSearchParams, where: Where): void {
  for (const camera of where.cameras) parameters.append("camera", camera);
  for (const camera of where.excludeCameras) parameters.append("other-camera", camera);
  for (const track of where.tracks) parameters.append("track", track);
  for (const [name, values] of where.attributes) {
    for (const value of values) parameters.append("attribute", `${encodeURIComponent(name)}=${value}`);
  }
  if (where.after) parameters.set("after", where.after);
  if (where.before) parameters.set("before", where.before);
}

/** The filter of parameters. */
export function whereOf(parameters: URLSearchParams): Where {
  const time = (name: string) => parameters.getAll(name).find(isTime) ?? "";
  return {
    cameras: parameters.getAll("camera"),
    excludeCameras: parameters.getAll("other-camera"),
    tracks: parameters.getAll("track"),
    after: time("after"),
    before: time("before"),
    attributes: attributesOf(parameters.getAll("attribute")),
  };
}

/** Whether a text is a local date and time that there is, such as "2026-05-01T12:00". */
export function isTime(text: string): boolean {
  return TIME.test(text) && !Number.isNaN(Date.parse(text));
}

/** The question of parameters. */
export function fromParameters(parameters: URLSearchParams): Question {
  const all = <T>(name: string, read: (text: string) => T | undefined): T[] =>
    parameters.getAll(name).flatMap((text) => {
      const found = read(text);
      return found === undefined ? [] : [found];
    });
  const images = all("image", refOf);
  const mark = (unlike: boolean) => (text: string) => {
    const image = refOf(text);
    return image && { image, unlike };
  };
  return {
    images,
    regions: all("region", regionOf).filter((one) => one.image < images.length),
    marks: [...all("like", mark(false)), ...all("unlike", mark(true))],
    where: whereOf(parameters),
    score: SCORES.find((score) => score === parameters.get("score")) ?? NOTHING.score,
    groupBy: parameters.get("group") ?? "",
    excludeIdentical: parameters.get("identical") !== "yes",
  };
}

/** "query:ID" or "gallery:ID". */
export function refText(ref: ImageRef): string {
  return `${ref.kind}:${ref.id}`;
}

/** The image of such a text; undefined if it names none. */
export function refOf(text: string): ImageRef | undefined {
  const [, kind, id] = /^(query|gallery):(.+)$/s.exec(text) ?? [];
  return id !== undefined && (kind === "query" || kind === "gallery") ? { kind, id } : undefined;
}

/** "IMAGE:KIND:NUMBERS", then "@WEIGHT" and "-" if it is excluded. */
export function regionText(one: MarkedRegion): string {
  return `${one.image}:${shapeText(one.region)}${one.weight === 1 ? "" : `@${one.weight}`}${one.exclude ? "-" : ""}`;
}

/** "KIND:NUMBERS": the shape of a region. */
export function shapeText(region: Region): string {
  const short = (value: number) => String(Math.round(value * 100) / 100);
  switch (region.kind) {
    case "box":
      return `box:${[region.x, region.y, region.width, region.height].map(short).join(",")}`;
    case "point":
      return `${region.snap ? "snap" : "point"}:${short(region.x)},${short(region.y)}`;
    case "polygon":
      return `polygon:${region.points.map(({ x, y }) => `${short(x)},${short(y)}`).join(",")}`;
    case "mask":
      return `mask:${toText(region.mask)}`;
    case "whole":
      return "whole:";
  }
}

/** The region of such a text; undefined if it is none. */
export function regionOf(text: string): MarkedRegion | undefined {
  const [, image, kind, body, weight, minus] = /^(\d{1,3}):(\w+):([\w.,:-]*?)(?:@(\d+(?:\.\d+)?))?(-?)$/.exec(text) ?? [];
  if (kind === undefined || body === undefined) return undefined;
  const region = shapeOf(kind, body), amount = weight === undefined ? 1 : Number(weight);
  if (!region || !(amount > 0 && amount <= 1e6)) return undefined;
  return { image: Number(image), region, weight: amount, exclude: minus === "-" };
}

/** The region of such a shape, taken apart at its first colon; undefined if it is none. */
export function shapeOf(kind: string, body: string): Region | undefined {
  if (kind === "whole") return body ? undefined : { kind };
  if (kind === "mask") {
    const mask = fromText(body);
    return mask && { kind, mask };
  }
  const numbers = body.split(",").map((text) => (text ? Number(text) : NaN));
  if (!numbers.every((number) => Math.abs(number) <= FARTHEST)) return undefined;
  const [x = 0, y = 0, width = 0, height = 0] = numbers;
  if (kind === "box" && numbers.length === 4 && width > 0 && height > 0) return { kind, x, y, width, height };
  if ((kind === "point" || kind === "snap") && numbers.length === 2) return { kind: "point", x, y, snap: kind === "snap" };
  if (kind === "polygon" && numbers.length >= 6 && numbers.length % 2 === 0) return { kind, points: pointsOf(numbers) };
  return undefined;
}

function pointsOf(numbers: readonly number[]): Point[] {
  return numbers.flatMap((x, i) => (i % 2 ? [] : [{ x, y: numbers[i + 1] ?? 0 }]));
}

function attributesOf(texts: readonly string[]): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const text of texts) {
    const [name, value] = attributeOf(text) ?? [];
    if (name === undefined || value === undefined) continue;
    const values = found.get(name) ?? [];
    if (!values.includes(value)) found.set(name, [...values, value]);
  }
  return found;
}

function attributeOf(text: string): [string, string] | undefined {
  const at = text.indexOf("=");
  if (at < 1) return undefined;
  try {
    return [decodeURIComponent(text.slice(0, at)), text.slice(at + 1)];
  } catch {
    return undefined;
  }
}

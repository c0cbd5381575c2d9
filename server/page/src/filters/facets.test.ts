import assert from "node:assert/strict";
import { test } from "node:test";
import { EVERYWHERE, type Where } from "../query/question.ts";
import {
  conditionsOf, groupingWords, withAttribute, withAttributeToggled, withCameraToggled, withCamerasLeftOut, withGroup, withTrackToggled,
  type Property,
} from "./conditions.ts";
import { choices, countings, merged, type Counted, type Facet } from "./facets.ts";

// Images as a gallery of one's own, counted here independently of the server.
const IMAGES = [
  { camera: "a", track: "t", hat: "cap", bag: "red", time: 1 },
  { camera: "a", track: "u", hat: "cap", bag: "blue", time: 2 },
  { camera: "b", track: "t", hat: "none", bag: "red", time: 3 },
  { camera: "c", track: "v", hat: "cap", bag: "red", time: 4 },
];

function facet(name: "camera" | "track" | "hat" | "bag", passing: typeof IMAGES): Facet {
  const counts = new Map<string, number>();
  for (const image of passing) counts.set(image[name], (counts.get(image[name]) ?? 0) + 1);
  return { name, values: [...counts].map(([value, images]) => ({ value, images })), distinct: counts.size };
}

function count(where: Where): Counted {
  const passing = IMAGES.filter((image) =>
    (where.cameras.length === 0 || where.cameras.includes(image.camera)) &&
    !where.excludeCameras.includes(image.camera) &&
    (where.tracks.length === 0 || where.tracks.includes(image.track)) &&
    [...where.attributes].every(([name, values]) => values.includes(image[name as "hat" | "bag"])),
  );
  const times = passing.map(({ time }) => time);
  const attributes = passing.length ? [facet("bag", passing), facet("hat", passing)] : [];
  return { images: passing.length, cameras: facet("camera", passing), tracks: facet("track", passing), attributes, first: times[0], last: times.at(-1) };
}

function counted(where: Where): Counted {
  const [whole, ...others] = countings(where);
  assert.ok(whole);
  return merged(count(whole.where), new Map(others.map(({ property, where: one }) => [property as Property, count(one)])));
}

function numbers({ values }: Facet): Record<string, number> {
  return Object.fromEntries(values.map(({ value, images }) => [value, images]));
}

test("a property is counted without its own condition, and under all others", () => {
  const found = counted(withAttribute(withCameraToggled(EVERYWHERE, "a"), "bag", ["red"]));
  assert.equal(found.images, 1);
  assert.deepEqual(numbers(found.cameras), { a: 1, b: 1, c: 1 });
  assert.deepEqual(found.attributes.map(({ name }) => name), ["bag", "hat"]);
  assert.deepEqual(found.attributes.map(numbers), [{ red: 1, blue: 1 }, { cap: 1 }]);
  const two = counted(withTrackToggled(withAttributeToggled(withAttribute(EVERYWHERE, "bag", ["red"]), "bag", "blue"), "t"));
  assert.equal(two.images, 2);
  assert.deepEqual(numbers(two.tracks), { t: 2, u: 1, v: 1 });
});

test("without conditions one call counts everything, and a chosen value stays in the list even if nothing passes", () => {
  assert.equal(countings(EVERYWHERE).length, 1);
  assert.deepEqual(counted(EVERYWHERE), count(EVERYWHERE));
  const nothing = counted(withAttribute(EVERYWHERE, "hat", ["crown"]));
  assert.equal(nothing.images, 0);
  assert.deepEqual(nothing.attributes.map(numbers), [{ cap: 3, none: 1 }]);
  assert.deepEqual(choices(facet("hat", IMAGES), ["crown", "cap"]).at(-1), { value: "crown", images: 0 });
});

test("every condition can be removed by itself", () => {
  const where: Where = {
    cameras: ["a", "b"], excludeCameras: ["c"], tracks: ["t", "u"], after: "2026-05-01T12:00", before: "2026-05-02T12:00",
    attributes: new Map([["hat_colour", ["red", "blue"]], ["bag", [""]]]),
  };
  const conditions = conditionsOf(where);
  assert.deepEqual(conditions.map(({ words }) => words), [
    "Camera: a", "Camera: b", "Not camera: c", "Track: t", "Track: u", "From 2026-05-01T12:00", "Before 2026-05-02T12:00", "Hat colour: red", "Hat colour: blue", "Bag: empty",
  ]);
  for (const { words, without } of conditions) {
    assert.deepEqual(conditionsOf(without).map((one) => one.words), conditions.map((one) => one.words).filter((one) => one !== words));
  }
  let left = where;
  for (let first = conditionsOf(left)[0]; first; first = conditionsOf(left)[0]) left = first.without;
  assert.deepEqual(left, EVERYWHERE);
});

test("leaving cameras out and letting them in again keeps the others", () => {
  const out = withCamerasLeftOut({ ...EVERYWHERE, excludeCameras: ["x"] }, ["a"], true);
  assert.deepEqual(out.excludeCameras, ["x", "a"]);
  assert.deepEqual(withCamerasLeftOut(out, ["a"], false).excludeCameras, ["x"]);
});

test("a filter lets one group through", () => {
  const words = (by: string) => conditionsOf(withGroup(EVERYWHERE, by, "x")).map((one) => one.words);
  assert.deepEqual(["track", "camera", "attribute:hat_colour"].map(words), [["Track: x"], ["Camera: x"], ["Hat colour: x"]]);
  assert.deepEqual(["", "track", "attribute:hat_colour"].map(groupingWords), ["", "Best of each track", "Best of each hat colour"]);
});
